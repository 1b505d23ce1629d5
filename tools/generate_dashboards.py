"""Writes the Grafana dashboards of the chart; with --check, only compares.

Usage: python -m tools.generate_dashboards [--check]
"""

import argparse
import sys
from pathlib import Path

from tools.dashboards.api import API
from tools.dashboards.overview import OVERVIEW
from tools.dashboards.raft import RAFT
from tools.dashboards.render import render
from tools.dashboards.storage import STORAGE

ROOT = Path(__file__).resolve().parent.parent
DIRECTORY = ROOT / "deploy" / "helm" / "kvorum" / "dashboards"
DASHBOARDS = (OVERVIEW, RAFT, STORAGE, API)


def rendered() -> dict[str, str]:
    """File name → text."""
    return {f"kvorum-{dashboard.name}.json": render(dashboard) for dashboard in DASHBOARDS}


def outdated(directory: Path = DIRECTORY) -> list[str]:
    """Names of files that differ from what the sources say, or have none."""
    wanted = rendered()
    there = {path.name: path.read_text(encoding="utf-8") for path in directory.glob("*.json")}
    return sorted(name for name in wanted | there if wanted.get(name) != there.get(name))


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Write the Grafana dashboards of the chart.")
    parser.add_argument("--check", action="store_true", help="write nothing, fail on drift")
    place = DIRECTORY.relative_to(ROOT)
    if parser.parse_args(arguments).check:
        stale = outdated()
        if stale:
            print(
                f"{place} is out of date ({', '.join(stale)}); run: make generate", file=sys.stderr
            )
        return 1 if stale else 0
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    for name in outdated():
        (DIRECTORY / name).unlink(missing_ok=True)
    for name, text in rendered().items():
        (DIRECTORY / name).write_text(text, encoding="utf-8")
        print(f"wrote {place}/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
