"""Writes docs/metrics.md from the metrics that a node registers; with --check, only compares.

Usage: python tools/generate_metrics.py [--check]
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry

from kvorum.telemetry.meters import Family, Topic
from kvorum.telemetry.metrics import ServiceMetrics

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "metrics.md"

SERIES_MAX = 700
"""Of one node among five whose clients read, write and watch; a test counts them."""

_INTRODUCTION = f"""\
# Metrics

`GET /metrics` shows them as Prometheus text, or as OpenMetrics to whoever asks for that. Every node
shows its own; those about the store are the same on all nodes that are level. What to look at
first: [operations.md](operations.md#metrics).

Names follow the conventions of Prometheus: base units, `_total` for counters and nothing else. A
histogram has the endings `_bucket`, `_sum` and `_count`. Labels take their values from fixed lists
and from the members of the cluster, so the number of series depends neither on keys and clients nor
on former members: a node among five whose clients read, write and watch has fewer than {SERIES_MAX}
(the leader about 550, the others about 400), and every further route that is used with a method
adds about twenty. What only the leader knows has no series on the other nodes. A series with labels
may be missing until there is something to count.

Prometheus' client adds `process_*` (memory, processor time, open files, start time) and `python_*`
(interpreter, objects freed by the garbage collector).

Written by `make generate` from the code; do not edit.
"""


def render() -> str:
    """The whole document, the same in every run."""
    metrics = ServiceMetrics(CollectorRegistry(), version="")
    return "\n".join(
        [_INTRODUCTION, *(line for topic in metrics.topics for line in _section(topic))]
    )


def _section(topic: Topic) -> Iterator[str]:
    yield f"## {topic.title}\n"
    yield "| metric | type | meaning |"
    yield "|---|---|---|"
    yield from map(_row, topic.families)
    yield ""


def _row(family: Family) -> str:
    labels = "".join(f"<br>`{label.name}`: {_escaped(label.values)}." for label in family.labels)
    return f"| `{family.name}` | {family.kind} | {_escaped(family.text)}{labels} |"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Write docs/metrics.md.")
    parser.add_argument("--check", action="store_true", help="write nothing, fail on drift")
    text = render()
    if parser.parse_args(arguments).check:
        stale = not DOCUMENT.is_file() or DOCUMENT.read_text(encoding="utf-8") != text
        if stale:
            print("docs/metrics.md is out of date; run: make generate", file=sys.stderr)
        return 1 if stale else 0
    DOCUMENT.write_text(text, encoding="utf-8")
    print("wrote docs/metrics.md")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
