"""The rule file as data, promtool, and the names of metrics in queries."""

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import yaml
from msgspec import Struct, convert, field
from prometheus_client import CollectorRegistry

from kvorum.telemetry.meters import Family
from kvorum.telemetry.metrics import ServiceMetrics

ROOT = Path(__file__).resolve().parents[3]
RULES = ROOT / "deploy" / "helm" / "kvorum" / "rules" / "kvorum.rules.yaml"
RUNBOOKS = ROOT / "docs" / "runbooks"

MADE_BY_PROMETHEUS = frozenset({"up", "ALERTS"})


class Rule(Struct, rename={"for_": "for"}):
    """One alert."""

    alert: str
    expr: str
    labels: dict[str, str]
    annotations: dict[str, str]
    for_: str = field(default="0s")

    @property
    def severity(self) -> str:
        return self.labels["severity"]

    @property
    def runbook(self) -> str:
        return self.annotations["runbook_url"].removeprefix("docs/runbooks/")


def rules(path: Path = RULES) -> list[Rule]:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    return [convert(rule, Rule) for group in document["groups"] for rule in group["rules"]]


def promtool(*arguments: str | Path) -> str:
    """What it printed; fails with that."""
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"promtool {arguments}:\n{done.stdout}{done.stderr}"
    return done.stdout


# --- names in queries ------------------------------------------------------------------------

_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"|`[^`]*`')
_MATCHERS = re.compile(r"\{[^}]*\}|\[[^\]]*\]")
_LABELS = re.compile(r"\b(?:by|on|without|ignoring|group_left|group_right)\s*\([^)]*\)")
_NAME = re.compile(r"\b[A-Za-z_:][A-Za-z0-9_:]*\b(?!\s*\()")  # before a parenthesis: a function
_OPERATORS = frozenset({"and", "or", "unless", "bool", "offset"})


def metrics_of(expr: str) -> set[str]:
    """Names of the metrics that a query asks for, as written: with ``_bucket`` and the like."""
    bare = _LABELS.sub("", _MATCHERS.sub("", _STRINGS.sub('""', expr)))
    return set(_NAME.findall(bare)) - _OPERATORS


def existing_metrics() -> set[str]:
    """Every series name that a node can show, from the service's own registry."""
    registry = CollectorRegistry()
    topics = ServiceMetrics(registry, version="0").topics
    ours = {name for topic in topics for family in topic.families for name in _series(family)}
    return ours | {sample.name for metric in registry.collect() for sample in metric.samples}


def _series(family: Family) -> Sequence[str]:
    if family.kind == "histogram":
        return [f"{family.name}{ending}" for ending in ("_bucket", "_sum", "_count")]
    return [family.name]
