"""Writes api/swagger.json and api/swagger.yaml; with --check, only compares.

Usage: python tools/generate_openapi.py [--check]
"""

import argparse
import json
import sys
from pathlib import Path

import yaml

from kvorum.rest.openapi.document import openapi_document

API_DIRECTORY = Path(__file__).resolve().parent.parent / "api"


def render() -> dict[str, str]:
    """File name → text, the same in every run."""
    document = openapi_document()
    return {
        "swagger.json": json.dumps(document, indent=2, ensure_ascii=False) + "\n",
        "swagger.yaml": yaml.dump(
            document, Dumper=_PlainDumper, sort_keys=False, allow_unicode=True, width=100
        ),
    }


class _PlainDumper(yaml.SafeDumper):
    """Writes shared parts in full: anchors and aliases hinder readers and some tools."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML calls it so
        return True


def outdated(directory: Path = API_DIRECTORY) -> list[str]:
    """Names of the files that differ from what the code says."""
    return [
        name
        for name, text in render().items()
        if not (directory / name).is_file()
        or (directory / name).read_text(encoding="utf-8") != text
    ]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Write the OpenAPI documents in api/.")
    parser.add_argument("--check", action="store_true", help="write nothing, fail on drift")
    if parser.parse_args(arguments).check:
        stale = outdated()
        if stale:
            print(f"api/ is out of date ({', '.join(stale)}); run: make generate", file=sys.stderr)
        return 1 if stale else 0
    API_DIRECTORY.mkdir(exist_ok=True)
    for name, text in render().items():
        (API_DIRECTORY / name).write_text(text, encoding="utf-8")
        print(f"wrote api/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
