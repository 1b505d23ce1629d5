"""Values, schema and README agree; versions do; what Grafana and Prometheus get is whole."""

import gzip
import json
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from tests.deploy.chart.helm import CHART, ROOT, Manifest, one, template
from tests.deploy.chart.matrix import FILES
from tools.generate_chart_docs import documented, outdated, table

VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))


def test_readme_and_schema_are_up_to_date() -> None:
    assert not outdated(), "run: make generate"


def _leaves(values: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, (*path, key))
        else:
            yield (*path, key)


def test_every_value_is_documented() -> None:
    told = {value.path for value in documented((CHART / "values.yaml").read_text("utf-8"))}
    untold = [
        ".".join(leaf)
        for leaf in _leaves(VALUES)
        if not any(leaf[:length] in told for length in range(1, len(leaf) + 1))
    ]
    assert not untold


def test_a_comment_documents_the_key_below_it() -> None:
    text = "# -- The one\n# and only.\na:\n  # of no such kind\n  b: 1\n  # -- C | D.\n  c: {}\n"

    assert [(value.path, value.meaning) for value in documented(text)] == [
        (("a",), "The one and only."),
        (("a", "c"), "C | D."),
    ]
    assert table(text).splitlines()[-1] == "| `a.c` | `{}` | C \\| D. |"


def _known(schema: Mapping[str, Any], path: tuple[str, ...]) -> bool:
    """Whether the schema names every key on the way (or lets any key in)."""
    if "$ref" in schema:
        schema = SCHEMA["definitions"][schema["$ref"].rpartition("/")[2]]
    if not path or not schema.get("properties"):
        return True
    return path[0] in schema["properties"] and _known(schema["properties"][path[0]], path[1:])


def test_every_value_is_in_the_schema() -> None:
    assert all(_known(SCHEMA, leaf) for leaf in _leaves(VALUES))


def test_every_property_of_the_schema_is_a_value() -> None:
    def properties(schema: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        for name, below in schema.get("properties", {}).items():
            yield from (
                properties(below, (*path, name)) if "properties" in below else [(*path, name)]
            )

    free = {"global", "config", "resources", "affinity", "probes", "updateStrategy"}
    known = {leaf[:length] for leaf in _leaves(VALUES) for length in range(1, len(leaf) + 1)}
    assert [
        leaf for leaf in properties(SCHEMA, ()) if leaf[0] not in free and leaf not in known
    ] == []


def test_the_schema_is_strict_everywhere() -> None:
    """Objects with named properties take no others: a misspelt value would do nothing."""

    def loose(schema: Any, path: str) -> Iterator[str]:
        if isinstance(schema, Mapping):
            if schema.get("properties") and schema.get("additionalProperties", True):
                yield path
            for name, below in schema.items():
                yield from loose(below, f"{path}/{name}")

    assert list(loose(SCHEMA, "")) == []


def test_the_chart_is_of_this_version_of_the_service() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

    assert chart["appVersion"] == project["project"]["version"]


def test_ci_values_are_in_no_package() -> None:
    ignored = (CHART / ".helmignore").read_text(encoding="utf-8").splitlines()

    assert "ci/" in ignored


def test_prometheus_gets_the_rules_as_they_are(full: list[Manifest]) -> None:
    """Alerts speak in templates of their own, which must not be rendered here."""
    text = (CHART / "rules" / "kvorum.rules.yaml").read_text(encoding="utf-8")
    rules = yaml.safe_load(text.replace("docs/runbooks/", "https://runbooks.example/kvorum/"))
    made = one(full, "PrometheusRule")["spec"]

    assert made == rules
    assert "{{ $labels" in json.dumps(made)
    alerts = [rule for group in made["groups"] for rule in group["rules"] if "alert" in rule]
    urls = {alert["annotations"]["runbook_url"] for alert in alerts}
    assert all(url.startswith("https://runbooks.example/kvorum/") for url in urls)


def test_grafana_gets_every_dashboard(full: list[Manifest]) -> None:
    maps = [each for each in full if "grafana_dashboard" in each["metadata"]["labels"]]
    found = {name: text for each in maps for name, text in each["data"].items()}

    assert found
    assert {name: json.loads(text) for name, text in found.items()} == {
        file.name: json.loads(file.read_text(encoding="utf-8"))
        for file in CHART.glob("dashboards/*.json")
    }
    for each in maps:
        assert each["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert each["metadata"]["annotations"]["grafana_folder"] == "kvorum"


@pytest.mark.parametrize("file", ["full"])
def test_a_release_fits_into_a_secret(file: str) -> None:
    """Helm keeps chart and manifests in one Secret, packed, of a mebibyte at most."""
    files = [path.read_bytes() for path in CHART.rglob("*") if path.is_file()]
    release = b"".join([*files, template(files=[FILES[file]]).encode()])

    assert len(gzip.compress(release)) * 4 // 3 < 500_000
