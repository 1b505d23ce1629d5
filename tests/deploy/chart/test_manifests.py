"""Whatever the values: Kubernetes would take it, and its parts fit together."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from jsonschema_rs import ValidationError

from tests.deploy.chart import foreign
from tests.deploy.chart.helm import CHART, Manifest, containers, helm, one, pod_templates, template
from tests.deploy.chart.kubernetes import Kubernetes
from tests.deploy.chart.matrix import FILES

LABEL = re.compile(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?")
DNS_LABEL = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")


@pytest.mark.parametrize("file", ["", *FILES])
def test_helm_lints_without_a_warning(file: str) -> None:
    told = helm("lint", "--strict", str(CHART), *([f"--values={FILES[file]}"] if file else []))

    assert "0 chart(s) failed" in told
    assert "[WARNING]" not in told


@pytest.fixture(scope="module", params=["1.27", "1.37"])
def kubernetes(request: pytest.FixtureRequest) -> Kubernetes:
    """The oldest that the chart admits, and the newest that there are schemas of."""
    return Kubernetes(request.param)


def test_kubernetes_schemas_accept_all(manifests: list[Manifest], kubernetes: Kubernetes) -> None:
    for manifest in manifests:
        if foreign.is_foreign(manifest):
            foreign.check(manifest)
        else:
            kubernetes.check(manifest)


def test_unknown_and_wrong_fields_are_refused(
    default: list[Manifest], kubernetes: Kubernetes
) -> None:
    """The schemas do refuse."""
    service = one(default, "Service", "prod-kvorum")
    for wrong in ({"clusterIp": "None"}, {"ports": [{"port": "http"}]}):
        with pytest.raises(ValidationError):
            kubernetes.check(service | {"spec": service["spec"] | wrong})


def test_a_foreign_shape_is_refused(full: list[Manifest]) -> None:
    """The shapes written down here do refuse."""
    route = one(full, "HTTPRoute")
    wrong = route | {"spec": route["spec"] | {"parentRef": []}}
    with pytest.raises(ValidationError, match="parentRef"):
        foreign.check(wrong)


def test_an_older_kubernetes_is_refused() -> None:
    with pytest.raises(Exception, match="kubeVersion"):
        template(more=["--kube-version=1.26.9"])
    assert template(more=["--kube-version=v1.27.4-gke.900"])


def test_there_is_one_of_each(manifests: list[Manifest]) -> None:
    names = Counter((each["kind"], each["metadata"]["name"]) for each in manifests)

    assert not [name for name, count in names.items() if count > 1]


def test_names_are_short_enough(manifests: list[Manifest]) -> None:
    """A CronJob's jobs have eleven characters more, and a pod's labels hold "<set>-<hash>"."""
    longest = {"CronJob": 52, "StatefulSet": 52, "Service": 63, "Job": 63, "Pod": 63}
    for manifest in manifests:
        name = manifest["metadata"]["name"]
        assert len(name) <= longest.get(manifest["kind"], 253), name
        assert manifest["metadata"]["namespace"] in ("data", "monitoring")
        if manifest["kind"] in ("Service", "StatefulSet"):
            assert DNS_LABEL.fullmatch(name)


def test_labels_are_labels(manifests: list[Manifest]) -> None:
    pods = [pod["metadata"]["labels"] for _, pod in pod_templates(manifests)]
    for labels in [*pods, *(each["metadata"]["labels"] for each in manifests)]:
        assert labels["app.kubernetes.io/name"] == "kvorum"
        assert "app.kubernetes.io/instance" in labels
        assert all(LABEL.fullmatch(value) for value in labels.values()), labels


def test_labels_of_one_object_win_over_common_ones() -> None:
    """And stand there once: a key that comes twice is an error to Kustomize and to Argo CD."""
    for switch, labels in (
        ("monitoring.serviceMonitor.enabled", "monitoring.serviceMonitor.labels"),
        ("monitoring.rules.enabled", "monitoring.rules.labels"),
        ("monitoring.dashboards.enabled", "monitoring.dashboards.labels"),
        ("selftest.enabled", "service.labels"),
    ):
        text = template({switch: True, labels: {"team": "b"}, "commonLabels": {"team": "a"}})
        heads = [part.partition("\nspec:")[0] for part in text.split("\n---\n")]
        own = [head for head in heads if "team: b" in head]
        assert own
        assert all("team: a" not in head for head in own)


def test_a_strategy_without_partition_has_none(renders: Mapping[str, list[Manifest]]) -> None:
    """Kubernetes refuses `rollingUpdate` beside OnDelete; its schema does not know."""
    spec = one(renders["pods-deleted-by-hand"], "StatefulSet")["spec"]

    assert spec["updateStrategy"] == {"type": "OnDelete"}


def test_a_mesh_can_be_kept_out_of_what_ends(renders: Mapping[str, list[Manifest]]) -> None:
    for name, pod in pod_templates(renders["jobs-without-a-sidecar"]):
        ends = not name.startswith("StatefulSet/")
        metadata = pod["metadata"]
        assert ("sidecar.istio.io/inject" in metadata["labels"]) == ends, name
        assert ("linkerd.io/inject" in metadata["annotations"]) == ends, name


def test_pod_labels_name_no_version(manifests: list[Manifest]) -> None:
    """Else a new version of the chart would restart every pod."""
    for _, pod in pod_templates(manifests):
        assert not {"helm.sh/chart", "app.kubernetes.io/version"} & set(pod["metadata"]["labels"])


def _selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    if not {"matchLabels", "matchExpressions"} & set(selector):
        return selector.items() <= labels.items()
    listed = all(
        labels.get(rule["key"]) in rule["values"] for rule in selector.get("matchExpressions", [])
    )
    return listed and selector.get("matchLabels", {}).items() <= labels.items()


def test_selectors_mean_the_nodes_and_only_those(manifests: list[Manifest]) -> None:
    pods = dict(pod_templates(manifests))
    nodes = {name for name in pods if name.startswith("StatefulSet/")}
    stateful_set = one(manifests, "StatefulSet")
    selectors = [stateful_set["spec"]["selector"]]
    selectors += [each["spec"]["selector"] for each in manifests if each["kind"] == "Service"]
    selectors += [
        each["spec"]["selector"] for each in manifests if each["kind"] == "PodDisruptionBudget"
    ]
    spread = stateful_set["spec"]["template"]["spec"].get("topologySpreadConstraints", [])
    selectors += [
        each["labelSelector"]
        for each in spread
        if each["topologyKey"] in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
    ]

    for selector in selectors:
        assert {
            name for name, pod in pods.items() if _selects(selector, pod["metadata"]["labels"])
        } == nodes


def test_every_pod_has_a_network_policy(manifests: list[Manifest]) -> None:
    policies = [each["spec"] for each in manifests if each["kind"] == "NetworkPolicy"]
    for name, pod in pod_templates(manifests):
        selecting = [
            policy
            for policy in policies
            if _selects(policy["podSelector"], pod["metadata"]["labels"])
        ]
        assert selecting or not policies, name
        assert all("Ingress" in each["policyTypes"] for each in selecting[:1])


def _named_ports(manifest: Manifest) -> Iterator[str]:
    """Names by which a manifest speaks of a container's ports."""
    match manifest["kind"]:
        case "Service":
            yield from (port["targetPort"] for port in manifest["spec"]["ports"])
        case "StatefulSet":
            container = manifest["spec"]["template"]["spec"]["containers"][0]
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                yield container[probe]["httpGet"]["port"]


def test_every_port_that_is_named_is_there(manifests: list[Manifest]) -> None:
    node = one(manifests, "StatefulSet")["spec"]["template"]["spec"]["containers"][0]
    ports = {port["name"]: port["containerPort"] for port in node["ports"]}

    assert ports == {"http": 8081, "grpc-peer": 8001}
    for manifest in manifests:
        assert set(_named_ports(manifest)) <= set(ports), manifest["metadata"]["name"]


def test_policies_open_the_ports_that_there_are(default: list[Manifest]) -> None:
    policy = one(default, "NetworkPolicy", "prod-kvorum")["spec"]
    container = one(default, "StatefulSet")["spec"]["template"]["spec"]["containers"][0]
    opened = {port["port"] for rule in policy["ingress"] for port in rule["ports"]}
    by_port = {rule["ports"][0]["port"]: rule for rule in policy["ingress"]}

    assert opened == {port["containerPort"] for port in container["ports"]}
    assert list(by_port[8001]) == ["ports", "from"], "nodes only"
    assert "from" not in by_port[8081], "everybody, until clients are named"


def test_named_clients_shut_out_all_others_but_own_pods(
    renders: dict[str, list[Manifest]],
) -> None:
    policy = one(renders["open-to-named-clients"], "NetworkPolicy", "prod-kvorum")["spec"]
    own, *others = policy["ingress"][1]["from"]

    assert others == [{"ipBlock": {"cidr": "10.0.0.0/8"}}]
    for _, pod in pod_templates(renders["open-to-named-clients"]):
        assert _selects(own["podSelector"], pod["metadata"]["labels"])


def test_ways_in_lead_to_the_client_service(full: list[Manifest]) -> None:
    service = one(full, "Service", "prod-kvorum")
    ports = {port["name"]: port["port"] for port in service["spec"]["ports"]}

    path = one(full, "Ingress")["spec"]["rules"][0]["http"]["paths"][0]
    assert path["backend"]["service"] == {"name": "prod-kvorum", "port": {"name": "http"}}
    for rule in one(full, "HTTPRoute")["spec"]["rules"]:
        assert rule["backendRefs"] == [{"name": "prod-kvorum", "port": ports["http"]}]


def test_prometheus_finds_the_headless_service(full: list[Manifest]) -> None:
    monitor = one(full, "ServiceMonitor")["spec"]
    found = [
        each["metadata"]["name"]
        for each in full
        if each["kind"] == "Service" and _selects(monitor["selector"], each["metadata"]["labels"])
    ]
    headless = one(full, "Service", "prod-kvorum-headless")

    assert found == ["prod-kvorum-headless"]
    assert monitor["endpoints"][0]["port"] in [port["name"] for port in headless["spec"]["ports"]]
    assert headless["metadata"]["labels"][monitor["jobLabel"]] == "prod-kvorum"


def test_volumes_and_mounts_agree(manifests: list[Manifest]) -> None:
    for name, pod in pod_templates(manifests):
        volumes = {volume["name"] for volume in pod["spec"].get("volumes", [])}
        if name.startswith("StatefulSet/"):
            claims = one(manifests, "StatefulSet")["spec"].get("volumeClaimTemplates", [])
            volumes |= {claim["metadata"]["name"] for claim in claims}
        mounted = {
            mount["name"]
            for container in containers(pod)
            for mount in container.get("volumeMounts", [])
        }
        assert mounted == volumes, name


def test_accounts_secrets_and_maps_are_made_or_named_by_the_values(
    manifests: list[Manifest],
) -> None:
    made = {(each["kind"], each["metadata"]["name"]) for each in manifests}
    given = {"default", "data", "backup"}
    for name, pod in pod_templates(manifests):
        account = pod["spec"].get("serviceAccountName", "default")
        assert account in given or ("ServiceAccount", account) in made, name
    node = one(manifests, "StatefulSet")
    settings = node["spec"]["template"]["spec"]["containers"][0]["envFrom"][0]["configMapRef"]
    assert ("ConfigMap", settings["name"]) in made
