"""docs/metrics.md says what the code registers."""

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from kvorum.telemetry.metrics import ServiceMetrics
from tools import generate_metrics


def test_the_document_is_up_to_date() -> None:
    assert generate_metrics.main(["--check"]) == 0, "run: make generate"


def test_every_family_is_in_it_once() -> None:
    text = generate_metrics.render()
    registry = CollectorRegistry()
    topics = ServiceMetrics(registry, version="").topics
    names = [family.name for topic in topics for family in topic.families]
    assert len(names) == len(set(names)) > 70
    for name in names:
        assert text.count(f"\n| `{name}` |") == 1, name
    assert all(topic.title and f"\n## {topic.title}\n" in text for topic in topics)


def test_drift_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(generate_metrics, "DOCUMENT", tmp_path / "metrics.md")
    assert generate_metrics.main(["--check"]) == 1
    assert "make generate" in capsys.readouterr().err
    assert generate_metrics.main([]) == 0
    assert generate_metrics.main(["--check"]) == 0
    with generate_metrics.DOCUMENT.open("a") as document:
        document.write("| `kvorum_more` | gauge | Made up. |\n")
    assert generate_metrics.main(["--check"]) == 1


def test_nothing_is_registered_beside_the_topics() -> None:
    """What the document cannot know of, it cannot tell."""
    registry = CollectorRegistry()
    topics = ServiceMetrics(registry, version="").topics
    told = {family.name.removesuffix("_total") for topic in topics for family in topic.families}
    names = {family.name for family in registry.collect()}
    assert {name for name in names if not name.startswith(("process_", "python_"))} == told
