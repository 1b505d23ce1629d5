"""The dashboards' files as data, and their queries as Prometheus gets them."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

ROOT = Path(__file__).resolve().parents[3]
DIRECTORY = ROOT / "deploy" / "helm" / "kvorum" / "dashboards"
FILES = sorted(DIRECTORY.glob("*.json"))

Json = dict[str, Any]


class Target(Struct, frozen=True):
    """One query of one panel."""

    dashboard: str
    panel: str
    query: str
    expr: str
    is_instant: bool

    @property
    def name(self) -> str:
        return f"{self.dashboard}: {self.panel} {self.query}"

    def filled(self, values: Mapping[str, str]) -> str:
        """With Grafana's variables replaced."""
        expr = self.expr
        for variable, value in values.items():
            expr = expr.replace(f"${variable}", value)
        assert "$" not in expr, f"a variable is left in {expr}"
        return expr


def load(path: Path) -> Json:
    document: Json = json.loads(path.read_text(encoding="utf-8"))
    return document


def panels(document: Json) -> list[Json]:
    """Without the rows' headings."""
    return [panel for panel in document["panels"] if panel["type"] != "row"]


def targets() -> Iterator[Target]:
    """All queries of all panels."""
    for path in FILES:
        document = load(path)
        for panel in panels(document):
            for target in panel["targets"]:
                name = document["title"].removeprefix("kvorum / ")
                is_instant = bool(target.get("instant"))
                yield Target(name, panel["title"], target["refId"], target["expr"], is_instant)


def annotations() -> Iterator[Target]:
    """The queries of the marks, which all dashboards share."""
    for path in FILES:
        document = load(path)
        for mark in document["annotations"]["list"]:
            yield Target(document["title"], mark["name"], "", mark["expr"], is_instant=False)
