"""What the Dockerfile's last stage says to whoever starts a container from it."""

import compileall
import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from tests.deploy.pods.sandbox import ROOT, VENV


class Image(Struct, frozen=True):
    entrypoint: Sequence[str]
    command: Sequence[str]
    environment: Mapping[str, str]
    user: int
    group: int


def compile_package() -> None:
    """As the image's build does: a read-only root leaves no other chance to keep bytecode."""
    compileall.compile_dir(ROOT / "service", quiet=1)


def read_image(dockerfile: Path = ROOT / "Dockerfile") -> Image:
    """Exec forms only. PATH is this machine's: its programs stand in for the image's."""
    environment: dict[str, str] = {}
    words: dict[str, list[str]] = {"ENTRYPOINT": [], "CMD": []}
    user, group = 0, 0
    for keyword, rest in _instructions(dockerfile.read_text()):
        match keyword:
            case "FROM":
                environment, words, user, group = {}, {"ENTRYPOINT": [], "CMD": []}, 0, 0
            case "ENV":
                environment |= dict(pair.split("=", 1) for pair in shlex.split(rest))
            case "ENTRYPOINT" | "CMD":
                words[keyword] = json.loads(rest)
            case "USER":
                user, group = (int(part) for part in rest.split(":"))
            case _:
                continue
    environment["PATH"] = f"{VENV / 'bin'}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
    return Image(words["ENTRYPOINT"], words["CMD"], environment, user, group)


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for instruction in "\n".join(lines).replace("\\\n", " ").splitlines():
        if instruction.strip():
            keyword, _, rest = instruction.strip().partition(" ")
            yield keyword.upper(), rest.strip()
