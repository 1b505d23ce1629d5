"""The alert rules: sound, tested one by one, silent in health, each with a runbook."""

import json
import re
from pathlib import Path

import pytest
import yaml

from tests.deploy.rules.rule_file import (
    MADE_BY_PROMETHEUS,
    RULES,
    RUNBOOKS,
    Rule,
    existing_metrics,
    metrics_of,
    promtool,
    rules,
)
from tests.deploy.rules.silence import SCENARIOS

HERE = Path(__file__).parent
TEST_FILES = sorted(HERE.glob("*.test.yaml"))


def test_promtool_finds_nothing_to_say() -> None:
    promtool("check", "rules", "--lint-fatal", RULES)


@pytest.mark.parametrize("path", TEST_FILES, ids=lambda path: path.name)
def test_alerts_fire_when_they_should_and_not_before(path: Path) -> None:
    promtool("test", "rules", path)


def test_every_alert_of_every_severity_is_tested() -> None:
    """A severity that is expected nowhere has no test."""
    tested = {
        (check["alertname"], expected["exp_labels"]["severity"])
        for path in TEST_FILES
        for test in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]
        for check in test["alert_rule_test"]
        for expected in check["exp_alerts"]
    }
    assert tested == {(rule.alert, rule.severity) for rule in rules()}


@pytest.mark.parametrize("name", SCENARIOS)
def test_nothing_fires_in_health(name: str, tmp_path: Path) -> None:
    scenario = SCENARIOS[name]
    test = {
        "interval": "15s",
        "input_series": [{"series": n, "values": v} for n, v in scenario.series.items()],
        "alert_rule_test": [
            {"alertname": alert, "eval_time": f"{minute}m", "exp_alerts": []}
            for alert in sorted({rule.alert for rule in rules()})
            for minute in scenario.minutes
        ],
    }
    document = {"rule_files": [str(RULES)], "evaluation_interval": "30s", "tests": [test]}
    path = tmp_path / "health.yaml"
    path.write_text(json.dumps(document), encoding="utf-8")
    promtool("test", "rules", path)


def test_names_are_found_in_a_query() -> None:
    query = 'sum by (a) (rate(x_total{b="c{d}"}[5m])) / on (e) f:g > 2 unless h offset 1h or up'
    assert metrics_of(query) == {"x_total", "f:g", "h", "up"}


def test_every_metric_of_a_rule_exists() -> None:
    existing = existing_metrics() | MADE_BY_PROMETHEUS
    missing = {(rule.alert, name) for rule in rules() for name in metrics_of(rule.expr) - existing}
    assert not missing


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: f"{rule.alert}-{rule.severity}")
class TestEachRule:
    def test_says_whom_to_wake(self, rule: Rule) -> None:
        assert rule.severity in {"critical", "warning"}

    def test_says_what_is_so(self, rule: Rule) -> None:
        assert set(rule.annotations) == {"summary", "description", "runbook_url"}
        assert "$labels.job" in rule.annotations["summary"]
        assert rule.annotations["description"].endswith((".", "{{ end }}"))

    def test_keeps_clusters_apart(self, rule: Rule) -> None:
        """An aggregation that forgets the namespace mixes clusters of one name."""
        for labels in re.findall(r"\bby \(([^)]*)\)", rule.expr):
            assert labels.startswith("namespace, job"), labels

    def test_has_a_runbook_that_names_it(self, rule: Rule) -> None:
        page = RUNBOOKS / rule.runbook
        assert page.is_file(), f"{rule.alert} has no {page}"
        assert f"`{rule.alert}`" in page.read_text(encoding="utf-8").splitlines()[2]


def test_every_runbook_is_of_an_alert_and_in_the_index() -> None:
    index = (RUNBOOKS / "README.md").read_text(encoding="utf-8")
    pages = {path.name for path in RUNBOOKS.glob("*.md")} - {"README.md"}
    assert pages == {rule.runbook for rule in rules()}
    for rule in rules():
        row = rf"^\| \[{rule.alert}\]\({rule.runbook}\) \|.*\b{rule.severity}\b"
        assert re.search(row, index, re.MULTILINE), f"no row for {rule.alert}, {rule.severity}"
    named = set(re.findall(r"^\| \[(Kvorum\w+)\]", index, re.MULTILINE))
    assert named == {rule.alert for rule in rules()}
