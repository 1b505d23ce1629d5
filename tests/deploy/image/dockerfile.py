"""As much of Dockerfiles and .dockerignore as this project's need."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import translate
from pathlib import PurePosixPath
from typing import NamedTuple


class Instruction(NamedTuple):
    keyword: str
    text: str


def instructions(text: str) -> list[Instruction]:
    """Lines put together, comments left out."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    whole = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    found = [line.split(maxsplit=1) for line in whole.splitlines() if line.strip()]
    return [Instruction(keyword.upper(), rest) for keyword, rest in found]


def last_stage(found: Sequence[Instruction]) -> list[Instruction]:
    start = max(at for at, one in enumerate(found) if one.keyword == "FROM")
    return list(found[start:])


def copied_from_context(found: Sequence[Instruction]) -> list[str]:
    """Sources of every COPY that does not copy from another stage."""
    sources = []
    for one in found:
        if one.keyword == "COPY" and "--from=" not in one.text:
            words = [word for word in one.text.split() if not word.startswith("--")]
            sources += words[:-1]
    return sources


def ignores(patterns: Sequence[str], path: str) -> bool:
    """Whether .dockerignore keeps ``path`` out: the last pattern decides that fits it or a parent.

    ``*`` stops at slashes, ``**/`` stands for any directories.
    """
    ignored = False
    parts = PurePosixPath(path).parts
    prefixes = ["/".join(parts[: count + 1]) for count in range(len(parts))]
    for line in patterns:
        pattern = line.removeprefix("!")
        if any(_fits(pattern, prefix) for prefix in prefixes):
            ignored = not line.startswith("!")
    return ignored


def _fits(pattern: str, path: str) -> bool:
    if pattern.startswith("**/"):
        return _fits(pattern[3:], path.rpartition("/")[2])
    same_depth = pattern.count("/") == path.count("/")
    pairs = zip(pattern.split("/"), path.split("/"), strict=False)
    return same_depth and all(re.fullmatch(translate(wanted), part) for wanted, part in pairs)
