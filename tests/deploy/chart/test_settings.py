"""What a node is told: the chart's names, bounds and defaults are the service's own."""

import json
from typing import Any

from kvorum.settings.load import load_settings
from kvorum.settings.problems import FIELDS
from tests.deploy.chart.helm import CHART, Manifest, one, render
from tests.deploy.chart.test_pods import environment, node

OWNED = {"SELF_ID", "SELF_ADDRESS", "OTHER_NODES", "REST_ADDRESS", "LISTEN_ADDRESS", "DATA_DIR"}


def settings(manifests: list[Manifest]) -> dict[str, str]:
    name = node(manifests)["envFrom"][0]["configMapRef"]["name"]
    data = one(manifests, "ConfigMap", name)["data"]
    assert isinstance(data, dict)
    return data


def expanded(manifests: list[Manifest], ordinal: int = 0) -> dict[str, str]:
    """A node's environment as the kubelet makes it."""
    name = one(manifests, "StatefulSet")["metadata"]["name"]
    facts = {"POD_NAME": f"{name}-{ordinal}", "POD_NAMESPACE": "data", "NODE_NAME": "worker"}
    told = dict(settings(manifests))
    for name, value in environment(node(manifests)).items():
        text = facts.get(name, value)
        for fact, replacement in facts.items():
            text = text.replace(f"$({fact})", replacement)
        told[name] = text
    return told


def test_the_schema_knows_exactly_the_settings() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    config = schema["properties"]["config"]

    assert set(config["properties"]) == set(FIELDS)
    assert config["additionalProperties"] is False


def test_a_node_starts_with_what_the_chart_tells_it(manifests: list[Manifest]) -> None:
    """The real loader accepts it; OTHER_NODES loses the node itself."""
    told = expanded(manifests)
    found = load_settings(None, told)

    assert found.self_id == one(manifests, "StatefulSet")["metadata"]["name"] + "-0"
    assert found.self_address not in found.other_nodes
    assert len(found.members) == len(told["OTHER_NODES"].split(","))
    assert str(found.data_dir) == "/var/lib/kvorum"


def test_all_nodes_derive_the_same_members(default: list[Manifest]) -> None:
    assert len({load_settings(None, expanded(default, n)).members for n in range(3)}) == 1


def test_numbers_arrive_as_they_were_written(full: list[Manifest]) -> None:
    """Helm reads numbers as floats: 4294967296 must not become 4.294967296e+09."""
    told = settings(full)

    assert told["QUOTA_BYTES"] == "4294967296"
    assert told["MIN_ELECTION_TIMEOUT_MS"] == "1000"
    assert told["OTEL_TRACES_SAMPLER_ARG"] == "0.05"


def test_nothing_is_told_twice(full: list[Manifest]) -> None:
    assert not set(settings(full)) & set(environment(node(full)))


def test_null_means_the_default(renders: dict[str, list[Manifest]]) -> None:
    told = settings(renders["nulls"])

    assert "LOG_LEVEL" not in told
    assert told["QUOTA_BYTES"] == "0"


def test_every_setting_can_be_given() -> None:
    """Each to its default: written as the schema wants it, read by the node."""
    values: dict[str, Any] = {}
    for name, field in FIELDS.items():
        if name not in OWNED and name != "OTEL_RESOURCE_ATTRIBUTES":
            values[name] = field.get_default(call_default_factory=False)
    told = expanded(render({"config": values}))
    found = load_settings(None, told)

    assert {name for name, value in values.items() if value is not None} <= set(told)
    for name, value in values.items():
        assert getattr(found, name.lower()) == value


def test_the_guards_know_the_defaults() -> None:
    """They compare election timeouts with the defaults of what is not given."""
    guards = (CHART / "templates" / "guards.yaml").read_text(encoding="utf-8")
    for name in ("MIN_ELECTION_TIMEOUT_MS", "MAX_ELECTION_TIMEOUT_MS", "BROADCAST_TIME_MS"):
        assert f'"{name}" | default {FIELDS[name].default} |' in guards


def test_the_sizing_knows_the_default_quota() -> None:
    memory = (CHART / "templates" / "_memory.tpl").read_text(encoding="utf-8")

    assert str(FIELDS["QUOTA_BYTES"].default) in memory


def test_a_setting_changes_the_pods_checksum(default: list[Manifest]) -> None:
    def checksum(manifests: list[Manifest]) -> object:
        template = one(manifests, "StatefulSet")["spec"]["template"]
        return template["metadata"]["annotations"]["checksum/config"]

    assert checksum(render({"config": {"LOG_LEVEL": "debug"}})) != checksum(default)
