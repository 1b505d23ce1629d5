"""The dashboards: as the sources say, in Grafana's form, laid out well, with queries that parse."""

import json
import re
from itertools import combinations, pairwise
from pathlib import Path

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from tests.deploy.dashboards.panels import FILES, ROOT, annotations, load, panels, targets
from tests.deploy.dashboards.rare import RARE, Rare
from tests.deploy.rules.rule_file import (
    MADE_BY_PROMETHEUS,
    existing_metrics,
    metrics_of,
    promtool,
)
from tools.generate_dashboards import DASHBOARDS, outdated

WIDTH = 24
VALUES = {
    "__rate_interval": "4m",
    "namespace": ".*",
    "job": "kvorum",
    "node": ".*",
}
UNITS = {"short", "s", "bytes", "Bps", "percentunit", "reqps", "ops"}


def test_the_files_are_what_the_sources_say() -> None:
    assert outdated() == []


def test_there_is_one_for_each_question() -> None:
    assert [path.name for path in FILES] == [
        f"kvorum-{name}.json" for name in ("api", "overview", "raft", "storage")
    ]
    assert len({load(path)["uid"] for path in FILES}) == len(DASHBOARDS) == len(FILES)


def test_every_metric_of_a_panel_exists() -> None:
    existing = existing_metrics() | MADE_BY_PROMETHEUS
    asked = [*targets(), *annotations()]
    assert not {(one.name, name) for one in asked for name in metrics_of(one.expr) - existing}


def test_every_query_parses(tmp_path: Path) -> None:
    queries = sorted({one.filled(VALUES) for one in [*targets(), *annotations()]})
    rules = [{"record": f"query:{n}", "expr": expr} for n, expr in enumerate(queries)]
    path = tmp_path / "queries.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    assert f"{len(queries)} rules found" in promtool("check", "rules", path)


@pytest.mark.parametrize("rare", RARE, ids=lambda rare: rare.query)
def test_a_query_that_is_empty_in_health_shows_what_there_is(rare: Rare, tmp_path: Path) -> None:
    (query,) = {one.filled(VALUES) for one in targets() if one.name == rare.query}
    samples = [{"labels": labels, "value": value} for labels, value in rare.expected.items()]
    test = {
        "interval": "1m",
        "input_series": [{"series": n, "values": values} for n, values in rare.series.items()],
        "promql_expr_test": [{"expr": query, "eval_time": "5m", "exp_samples": samples}],
    }
    path = tmp_path / "query.yaml"
    path.write_text(yaml.safe_dump({"tests": [test]}), encoding="utf-8")
    promtool("test", "rules", path)


def test_rates_are_as_wide_as_grafana_says() -> None:
    """A fixed window would be empty where somebody scrapes less often."""
    windows = {w for one in targets() for w in re.findall(r"\[([^\]]*)\]", one.expr)}
    assert windows == {"$__rate_interval"}


def test_the_service_shows_nothing_that_no_panel_asks_for() -> None:
    """A metric that nobody looks at is a mistake of one side or the other."""
    asked = {name for one in targets() for name in metrics_of(one.expr)}
    families = {re.sub("_(bucket|sum|count)$", "", name) for name in asked}
    ours = {name for name in existing_metrics() if name.startswith("kvorum_")}
    assert {re.sub("_(bucket|sum|count)$", "", name) for name in ours} - families <= UNUSED


UNUSED = {
    "kvorum_peer_sent_messages_total",  # bytes tell more
    "kvorum_peer_received_messages_total",
    "kvorum_peer_received_bytes_total",  # what others send
    "kvorum_peer_connections_total",  # attempts are shown
    "kvorum_store_is_full",  # an alert watches it; the quota's panel shows it coming
}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
class TestEachDashboard:
    def test_is_read_by_grafanas_own_model_without_loss(self, path: Path) -> None:
        register_default_plugins()
        document = load(path)
        for panel in document["panels"]:
            if panel["type"] == "heatmap":  # the library adds it on reading
                panel["fieldConfig"]["defaults"]["custom"] = {}
        model = Dashboard.from_json(load(path))
        assert json.loads(json.dumps(model, cls=JSONEncoder)) == document

    def test_panels_fill_the_grid_and_do_not_overlap(self, path: Path) -> None:
        places = [panel["gridPos"] for panel in load(path)["panels"]]
        for one, other in combinations(places, 2):
            apart = (
                one["x"] + one["w"] <= other["x"]
                or other["x"] + other["w"] <= one["x"]
                or one["y"] + one["h"] <= other["y"]
                or other["y"] + other["h"] <= one["y"]
            )
            assert apart, (one, other)
        area = sum(place["w"] * place["h"] for place in places)
        assert area == WIDTH * max(place["y"] + place["h"] for place in places)

    def test_rows_stand_in_order(self, path: Path) -> None:
        places = [panel["gridPos"] for panel in load(path)["panels"]]
        assert all((a["y"], a["x"]) < (b["y"], b["x"]) for a, b in pairwise(places))

    def test_panels_have_ids_and_names_of_their_own(self, path: Path) -> None:
        all_panels = load(path)["panels"]
        assert len({panel["id"] for panel in all_panels}) == len(all_panels)
        assert len({panel["title"] for panel in all_panels}) == len(all_panels)

    def test_every_panel_says_what_is_normal(self, path: Path) -> None:
        for panel in panels(load(path)):
            assert len(panel["description"]) > 40, panel["title"]
            assert panel["description"].endswith((".", "md")), panel["title"]
            assert panel["fieldConfig"]["defaults"]["unit"] in UNITS

    def test_every_panel_asks_the_chosen_source_for_the_chosen_cluster(self, path: Path) -> None:
        for panel in panels(load(path)):
            assert panel["datasource"]["uid"] == "${datasource}"
            for target in panel["targets"]:
                for name in re.findall(r"\b(kvorum_\w+|process_\w+|ALERTS)\b(?=.)", target["expr"]):
                    chosen = f'{name}{{namespace=~"$namespace", job="$job"'
                    assert chosen in target["expr"], (panel["title"], name)

    def test_series_are_named(self, path: Path) -> None:
        for panel in panels(load(path)):
            several = len(panel["targets"]) > 1
            for target in panel["targets"]:
                assert not several or target["legendFormat"] != "__auto", panel["title"]
                for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
                    assert label in target["expr"] or label in ("instance", "peer"), panel["title"]

    def test_the_four_belong_together(self, path: Path) -> None:
        document = load(path)
        (link,) = document["links"]
        assert (link["type"], link["tags"]) == ("dashboards", ["kvorum"])
        assert link["includeVars"]
        assert link["keepTime"]
        assert document["tags"] == ["kvorum"]
        assert document["graphTooltip"] == 1, "a shared crosshair"
        names = [variable["name"] for variable in document["templating"]["list"]]
        assert names == ["datasource", "namespace", "job", "node"]

    def test_runbooks_that_are_named_exist(self, path: Path) -> None:
        for panel in panels(load(path)):
            for page in re.findall(r"docs/runbooks/[\w-]+\.md", panel["description"]):
                assert (ROOT / page).is_file(), page
