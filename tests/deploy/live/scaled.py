"""The rule file with time made to pass quicker: what takes minutes there takes seconds here.

Every ``for`` and every window is divided by ``PACE``, but ``for`` stays long enough for an election
with its scrapes. Thresholds stay what they are, so counts within a window are rather harder to
reach than in real time, and shares and quantiles are as they were.
"""

import re
from pathlib import Path
from typing import Any

import yaml

PACE = 30
FOR_S_MIN = 4
WINDOW_S_MIN = 10
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SPAN = re.compile(r"(?<=\[)(\d+)([smhd])(?=\])|(?<=offset )(\d+)([smhd])\b")


def scaled(source: Path, target: Path) -> Path:
    """``target``, written."""
    document: dict[str, Any] = yaml.safe_load(source.read_text(encoding="utf-8"))
    for group in document["groups"]:
        for rule in group["rules"]:
            rule["expr"] = _SPAN.sub(_quicker, rule["expr"])
            if "for" in rule:
                rule["for"] = f"{max(FOR_S_MIN, seconds(rule['for']) // PACE)}s"
    target.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return target


def seconds(duration: str) -> int:
    """Of ``90s``, ``5m``, ``1h`` or ``1d``."""
    return int(duration[:-1]) * _UNITS[duration[-1]]


def _quicker(span: re.Match[str]) -> str:
    return f"{max(WINDOW_S_MIN, seconds(span[0]) // PACE)}s"
