"""Writes what follows from the chart's values: the README's table, ``config`` in the schema.

The table comes from the comments in values.yaml that begin with ``# --``, and the settings in
values.schema.json from the service, so that neither can go stale. With --check, only compares.

Usage: python tools/generate_chart_docs.py [--check]
"""

import argparse
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import yaml

from kvorum.settings.model import Settings

CHART = Path(__file__).resolve().parent.parent / "deploy" / "helm" / "kvorum"
BEGIN, END = "<!-- values: begin -->", "<!-- values: end -->"
OWNED = ("SELF_ID", "SELF_ADDRESS", "OTHER_NODES", "REST_ADDRESS", "LISTEN_ADDRESS", "DATA_DIR")
"""The schema lets them pass, so that the chart can say why it sets them itself."""

_KEY = re.compile(r"(?P<indent> *)(?P<key>[A-Za-z0-9_]+):(?: |$)")
_COMMENT = re.compile(r" *# (?P<first>-- )?(?P<text>.*)")

Path_ = tuple[str, ...]


class Value(NamedTuple):
    """One documented value: where it is, and what it is for."""

    path: Path_
    meaning: str


def documented(text: str) -> Iterator[Value]:
    """The values of a values.yaml that a ``# --`` comment stands over, in their order."""
    indents: list[tuple[int, str]] = []
    words: list[str] = []
    for line in text.splitlines():
        if comment := _COMMENT.fullmatch(line):
            words = [comment["text"]] if comment["first"] else words and [*words, comment["text"]]
            continue
        if key := _KEY.match(line):
            depth = len(key["indent"])
            indents = [outer for outer in indents if outer[0] < depth] + [(depth, key["key"])]
            if words:
                yield Value(tuple(name for _, name in indents), " ".join(words))
        words = []


def default(values: Mapping[str, object], path: Path_) -> object:
    """What values.yaml has at this place."""
    found: object = values
    for key in path:
        assert isinstance(found, Mapping), f"{'.'.join(path)} is not in the values"
        found = found[key]
    return found


def table(text: str) -> str:
    """The documented values as Markdown."""
    values = yaml.safe_load(text)
    rows = ["| value | default | meaning |", "|---|---|---|"]
    for path, meaning in documented(text):
        usual = json.dumps(default(values, path), ensure_ascii=False).replace("|", "\\|")
        rows.append(f"| `{'.'.join(path)}` | `{usual}` | {meaning.replace('|', chr(92) + '|')} |")
    return "\n".join(rows)


def readme(former: str, values: str) -> str:
    """The README with a new table between its two marks."""
    before, begin, rest = former.partition(BEGIN)
    _, end, after = rest.partition(END)
    assert begin, f"{BEGIN} is not in the README"
    assert end, f"{END} is not in the README"
    return f"{before}{BEGIN}\n\n{table(values)}\n\n{END}{after}"


def schema(former: str) -> str:
    """The values' schema with the service's present settings."""
    document = json.loads(former)
    document["properties"]["config"]["properties"] = settings_schema()
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def settings_schema() -> dict[str, object]:
    """Each variable with what it may be: in YAML a number may also be written as a string."""
    return {
        name: {"description": field["description"]} | ({} if name in OWNED else _kind(field))
        for name, field in Settings.model_json_schema()["properties"].items()
    }


def _kind(field: Mapping[str, object]) -> dict[str, object]:
    kept = ("minimum", "maximum", "minLength", "maxLength", "pattern")
    bounds = {name: field[name] for name in kept if name in field}
    match field:
        case {"enum": [*choices]}:
            return {"enum": [*choices, None]}
        case {"type": "integer"}:
            return {"type": ["integer", "string", "null"], **bounds, "pattern": "^[0-9]+$"}
        case {"type": "number"}:
            decimal = r"^[0-9]*\.?[0-9]+$"
            return {"type": ["number", "string", "null"], **bounds, "pattern": decimal}
        case _:
            return {"type": ["string", "null"], **bounds}


def render(chart: Path = CHART) -> dict[str, str]:
    """File name → text, the same in every run."""
    values = (chart / "values.yaml").read_text(encoding="utf-8")
    return {
        "README.md": readme((chart / "README.md").read_text(encoding="utf-8"), values),
        "values.schema.json": schema((chart / "values.schema.json").read_text(encoding="utf-8")),
    }


def outdated(chart: Path = CHART) -> list[str]:
    """Names of the files that differ from what values and service say."""
    return [
        name
        for name, text in render(chart).items()
        if (chart / name).read_text(encoding="utf-8") != text
    ]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Write the chart's table of values and schema.")
    parser.add_argument("--check", action="store_true", help="write nothing, fail on drift")
    if parser.parse_args(arguments).check:
        stale = outdated()
        if stale:
            names = ", ".join(stale)
            print(f"{CHART.name}: {names} out of date; run: make generate", file=sys.stderr)
        return 1 if stale else 0
    for name, text in render().items():
        (CHART / name).write_text(text, encoding="utf-8")
        print(f"wrote deploy/helm/kvorum/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
