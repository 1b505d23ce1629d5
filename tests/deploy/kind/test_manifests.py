"""What up.sh applies: accepted by Kubernetes' schemas, restricted, and fitting together."""

import copy
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema_rs import ValidationError

from tests.deploy.chart import helm
from tests.deploy.chart.kubernetes import Kubernetes
from tests.deploy.kind.stand_ins import KIND, ROOT

CHART = ROOT / "deploy" / "helm" / "kvorum"
MONITORING = KIND / "monitoring"
FILES = ("namespaces.yaml", "monitoring/monitoring.yaml")
Manifest = dict[str, Any]


def load(path: Path) -> list[Manifest]:
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


MANIFESTS = [manifest for file in FILES for manifest in load(KIND / file)]
PODS = {
    manifest["metadata"]["name"]: manifest["spec"]["template"]["spec"]
    for manifest in MANIFESTS
    if manifest["kind"] == "Deployment"
}
PROMETHEUS = load(MONITORING / "prometheus.yml")[0]


@pytest.fixture(scope="module", params=["1.27", "1.37"])
def kubernetes(request: pytest.FixtureRequest) -> Kubernetes:
    return Kubernetes(request.param)


@pytest.fixture(scope="module")
def chart() -> list[Manifest]:
    """Rendered as up.sh installs it."""
    text = helm.helm(
        "template",
        "kvorum",
        str(CHART),
        "--namespace=kvorum",
        f"--values={KIND / 'values.yaml'}",
        "--set-string=image.tag=0123456789ab",
    )
    return helm.manifests(text)


def one(found: list[Manifest], kind: str, name: str) -> Manifest:
    [manifest] = [
        each for each in found if each["kind"] == kind and each["metadata"]["name"] == name
    ]
    return manifest


def created_configmaps() -> dict[str, list[Path]]:
    """Names and files of the ConfigMaps that up.sh makes."""
    script = (KIND / "up.sh").read_text().replace("\\\n", " ")
    found = {}
    for name, rest in re.findall(r"^ +configmap (\S+) (.*)$", script, re.MULTILINE):
        paths = re.findall(r'--from-file "\$(here|chart)/([^"]+)"', rest)
        found[name] = [{"here": KIND, "chart": CHART}[base] / path for base, path in paths]
    return found


# --- Kubernetes ----------------------------------------------------------------------------


def test_kubernetes_schemas_accept_all(kubernetes: Kubernetes) -> None:
    for manifest in MANIFESTS:
        kubernetes.check(manifest)


def test_a_wrong_field_would_be_seen(kubernetes: Kubernetes) -> None:
    wrong = copy.deepcopy(one(MANIFESTS, "Deployment", "grafana"))
    wrong["spec"]["template"]["spec"]["containers"][0]["imagePullPolice"] = "Always"
    with pytest.raises(ValidationError):
        kubernetes.check(wrong)


def test_both_namespaces_enforce_restricted_pods() -> None:
    labels = {
        each["metadata"]["name"]: each["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
        for each in MANIFESTS
        if each["kind"] == "Namespace"
    }
    assert labels == {"kvorum": "restricted", "monitoring": "restricted"}


@pytest.mark.parametrize("name", PODS)
def test_pods_are_restricted(name: str) -> None:
    pod = PODS[name]
    assert pod["automountServiceAccountToken"] is False
    security = pod["securityContext"]
    assert security["runAsNonRoot"] is True
    assert security["runAsUser"] > 0
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"requests", "limits"} <= container["resources"].keys()
    kinds = {kind for volume in pod["volumes"] for kind in volume if kind != "name"}
    assert kinds <= {"configMap", "emptyDir"}


@pytest.mark.parametrize("name", PODS)
def test_images_are_pinned(name: str) -> None:
    for container in PODS[name]["containers"]:
        assert re.search(r":v?\d+\.\d+\.\d+$", container["image"])


@pytest.mark.parametrize("name", PODS)
def test_mounts_volumes_and_configmaps_fit(name: str) -> None:
    pod = PODS[name]
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    [container] = pod["containers"]
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes.keys()
    wanted = {each["configMap"]["name"] for each in volumes.values() if "configMap" in each}
    assert wanted <= created_configmaps().keys()


@pytest.mark.parametrize("name", PODS)
def test_services_reach_pods_and_probes_name_ports(name: str) -> None:
    deployment, service = one(MANIFESTS, "Deployment", name), one(MANIFESTS, "Service", name)
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()
    assert deployment["spec"]["selector"]["matchLabels"].items() <= labels.items()
    [container] = PODS[name]["containers"]
    [port] = container["ports"]
    assert service["spec"]["ports"][0]["targetPort"] == port["name"]
    for probe in ("readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"]["port"] == port["name"]


def test_every_configmap_is_made_of_files_that_exist_and_is_used() -> None:
    used = {
        volume["configMap"]["name"]
        for pod in PODS.values()
        for volume in pod["volumes"]
        if "configMap" in volume
    }
    made = created_configmaps()
    assert made.keys() == used
    assert all(paths and all(path.exists() for path in paths) for paths in made.values())


def test_every_configmap_fits_into_one_object() -> None:
    for paths in created_configmaps().values():
        files = [file for path in paths for file in (path.iterdir() if path.is_dir() else [path])]
        assert sum(file.stat().st_size for file in files) < 1 << 20


# --- Prometheus and Grafana ----------------------------------------------------------------


def test_promtool_accepts_the_configuration(tmp_path: Path) -> None:
    made = created_configmaps()["prometheus"]
    for file in made:
        text = file.read_text().replace("/etc/prometheus", str(tmp_path))
        (tmp_path / file.name).write_text(text)
    command = ["promtool", "check", "config", str(tmp_path / "prometheus.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 rule files found" in done.stdout


def test_prometheus_asks_for_the_headless_service_of_the_chart(chart: list[Manifest]) -> None:
    [job] = [job for job in PROMETHEUS["scrape_configs"] if job["job_name"] == "kvorum"]
    [discovery] = job["dns_sd_configs"]
    [name] = discovery["names"]
    parts = re.fullmatch(r"_(\S+?)\._tcp\.([^.]+)\.([^.]+)\.svc\.cluster\.local", name)
    assert parts is not None
    assert discovery["type"] == "SRV"
    port, service, namespace = parts.groups()
    headless = one(chart, "Service", service)
    assert headless["metadata"]["namespace"] == namespace
    assert headless["spec"]["clusterIP"] == "None"
    assert headless["spec"]["publishNotReadyAddresses"] is True
    assert port in {each["name"] for each in headless["spec"]["ports"]}


def test_targets_get_the_labels_that_rules_and_dashboards_group_by() -> None:
    [job] = [job for job in PROMETHEUS["scrape_configs"] if job["job_name"] == "kvorum"]
    address = "kvorum-0.kvorum-headless.kvorum.svc.cluster.local:8081"
    labels = {}
    for relabel in job["relabel_configs"]:
        assert relabel["source_labels"] == ["__address__"]
        match = re.fullmatch(relabel["regex"], address)
        assert match is not None
        labels[relabel["target_label"]] = match[1]
    assert labels == {"instance": "kvorum-0", "pod": "kvorum-0", "namespace": "kvorum"}


def test_grafana_finds_prometheus_and_knows_how_often_it_scrapes() -> None:
    [source] = load(MONITORING / "datasource.yaml")[0]["datasources"]
    service = one(MANIFESTS, "Service", "prometheus")
    assert source["url"] == f"http://prometheus:{service['spec']['ports'][0]['port']}"
    assert source["jsonData"]["timeInterval"] == PROMETHEUS["global"]["scrape_interval"]


def test_grafana_finds_the_dashboards_of_the_chart() -> None:
    [container] = PODS["grafana"]["containers"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    [provider] = load(MONITORING / "dashboards.yaml")[0]["providers"]
    assert provider["options"]["path"] == mounts["dashboards"]
    environ = {each["name"]: each["value"] for each in container["env"]}
    home = Path(environ["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert str(home.parent) == mounts["dashboards"]
    assert json.loads((CHART / "dashboards" / home.name).read_text())["title"]


# --- the chart, as installed here ----------------------------------------------------------


def containers(found: list[Manifest]) -> Iterator[Manifest]:
    for manifest in found:
        for _, pod in helm.pod_templates([manifest]):
            yield from pod["spec"]["containers"]


def test_every_pod_of_the_chart_runs_the_image_that_was_loaded(chart: list[Manifest]) -> None:
    found = list(containers(chart))
    assert {each["image"] for each in found} == {"localhost/kvorum:0123456789ab"}
    assert {each["imagePullPolicy"] for each in found} == {"Never"}


def test_the_chart_has_no_warning_about_sizes() -> None:
    notes = helm.notes(files=[KIND / "values.yaml"])
    assert notes
    assert "QUOTA_BYTES" not in notes


def test_nothing_needs_an_operator(chart: list[Manifest]) -> None:
    assert not [each for each in chart if each["apiVersion"].startswith("monitoring.coreos.com")]


def test_workers_are_in_three_zones() -> None:
    [cluster] = load(KIND / "cluster.yaml")
    assert (cluster["kind"], cluster["apiVersion"]) == ("Cluster", "kind.x-k8s.io/v1alpha4")
    roles = [node["role"] for node in cluster["nodes"]]
    assert roles == ["control-plane", "worker", "worker", "worker"]
    zones = {node.get("labels", {}).get("topology.kubernetes.io/zone") for node in cluster["nodes"]}
    assert len(zones - {None}) == 3


def test_printed_ways_in_lead_to_services(chart: list[Manifest]) -> None:
    script = (KIND / "up.sh").read_text()
    pattern = r"--namespace (\S+) port-forward service/(\S+) \d+:(\d+)"
    found = re.findall(pattern, script)
    assert len(found) == 3
    for namespace, name, port in found:
        service = one([*MANIFESTS, *chart], "Service", name)
        assert service["metadata"]["namespace"] == namespace
        assert int(port) in {each["port"] for each in service["spec"]["ports"]}
