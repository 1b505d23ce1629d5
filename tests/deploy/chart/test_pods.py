"""Every pod of every render: restricted, and the nodes' contract with Kubernetes."""

import re
from typing import Any

import pytest

from tests.deploy.chart.helm import Manifest, containers, one, pod_templates


def test_every_pod_is_restricted(manifests: list[Manifest]) -> None:
    """Pod Security Standards, profile restricted, and more: read-only root, no token."""
    for name, pod in pod_templates(manifests):
        spec = pod["spec"]
        security = spec["securityContext"]
        assert security["runAsNonRoot"] is True, name
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["enableServiceLinks"] is False, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec), name
        for container in containers(pod):
            _is_restricted(container)
        kinds = {kind for volume in spec["volumes"] for kind in volume if kind != "name"}
        assert kinds <= {"emptyDir", "configMap", "secret", "persistentVolumeClaim"}, name


def _is_restricted(container: dict[str, Any]) -> None:
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }, container["name"]
    assert not any("hostPort" in port for port in container.get("ports", []))


def test_every_pod_has_the_image_user_and_group(default: list[Manifest]) -> None:
    for _, pod in pod_templates(default):
        security = pod["spec"]["securityContext"]
        wanted = ("runAsUser", "runAsGroup", "fsGroup")
        assert [security[name] for name in wanted] == [10001] * 3


def test_only_tmp_and_the_data_can_be_written(manifests: list[Manifest]) -> None:
    for name, pod in pod_templates(manifests):
        node = name.startswith("StatefulSet/")
        writable = {"/tmp", "/var/lib/kvorum" if node else "/backups"}
        for mount in pod["spec"]["containers"][0]["volumeMounts"]:
            assert mount.get("readOnly") or mount["mountPath"] in writable, name


def test_every_container_of_ours_asks_for_what_it_needs(default: list[Manifest]) -> None:
    for name, pod in pod_templates(default):
        for container in containers(pod):
            assert {"cpu", "memory"} <= set(container["resources"]["requests"]), name
            assert set(container["resources"]["limits"]) == {"memory"}, name


def node(manifests: list[Manifest]) -> dict[str, Any]:
    container = one(manifests, "StatefulSet")["spec"]["template"]["spec"]["containers"][0]
    assert isinstance(container, dict)
    return container


def environment(container: dict[str, Any]) -> dict[str, Any]:
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in container["env"]}


def test_a_node_is_named_by_its_pod(default: list[Manifest]) -> None:
    told = environment(node(default))

    assert told["SELF_ID"] == "$(POD_NAME)"
    assert told["POD_NAME"] == {"fieldRef": {"fieldPath": "metadata.name"}}
    address = "$(POD_NAME).prod-kvorum-headless.$(POD_NAMESPACE).svc.cluster.local:8001"
    assert told["SELF_ADDRESS"] == address
    assert one(default, "StatefulSet")["spec"]["serviceName"] == "prod-kvorum-headless"


def test_references_between_variables_come_after_what_they_name(manifests: list[Manifest]) -> None:
    """Kubernetes expands $(NAME) only by variables that stand before."""
    for _, pod in pod_templates(manifests):
        for container in containers(pod):
            known: set[str] = set()
            for entry in container.get("env", []):
                assert set(re.findall(r"\$\((\w+)\)", entry.get("value", ""))) <= known
                known.add(entry["name"])


def test_the_founders_are_named_as_they_name_themselves(default: list[Manifest]) -> None:
    pattern = environment(node(default))["SELF_ADDRESS"].replace("$(POD_NAMESPACE)", "data")
    settings = one(default, "ConfigMap", "prod-kvorum")["data"]
    own = [pattern.replace("$(POD_NAME)", f"prod-kvorum-{ordinal}") for ordinal in range(3)]

    assert settings["OTHER_NODES"].split(",") == own


def test_probes_mean_what_they_should(manifests: list[Manifest]) -> None:
    container = node(manifests)
    paths = {
        name: container[name]["httpGet"]["path"]
        for name in ("startupProbe", "livenessProbe", "readinessProbe")
    }
    liveness = container["livenessProbe"]

    assert paths == {
        "startupProbe": "/livez",
        "livenessProbe": "/livez",
        "readinessProbe": "/readyz",
    }
    assert liveness["periodSeconds"] * liveness["failureThreshold"] >= 60


def test_the_grace_period_exceeds_the_way_out(manifests: list[Manifest]) -> None:
    """preStop, then handing over and draining: two seconds and a few."""
    spec = one(manifests, "StatefulSet")["spec"]["template"]["spec"]
    (program, seconds) = spec["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]

    assert program == "sleep"
    assert spec["terminationGracePeriodSeconds"] >= int(seconds) + 10


def test_updates_go_one_at_a_time_and_starts_all_at_once(default: list[Manifest]) -> None:
    spec = one(default, "StatefulSet")["spec"]

    assert spec["podManagementPolicy"] == "Parallel"
    assert spec["updateStrategy"] == {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}
    assert spec["minReadySeconds"] > 0
    retention = spec["persistentVolumeClaimRetentionPolicy"]
    assert retention == {"whenDeleted": "Retain", "whenScaled": "Retain"}


def test_claims_hold_nothing_that_a_new_chart_changes(manifests: list[Manifest]) -> None:
    """The templates of claims are immutable."""
    for claim in one(manifests, "StatefulSet")["spec"].get("volumeClaimTemplates", []):
        told = str(claim)
        assert "helm.sh" not in told
        assert "version" not in told.replace("'apiVersion': 'v1'", "")


@pytest.mark.parametrize(
    ("file", "secret"), [("full", "prod-kvorum-tls"), ("volume-backup", "store-tls")]
)
def test_certificates_are_mounted_read_only(
    renders: dict[str, list[Manifest]], file: str, secret: str
) -> None:
    spec = one(renders[file], "StatefulSet")["spec"]["template"]["spec"]
    (mount,) = [m for m in spec["containers"][0]["volumeMounts"] if m["name"] == "tls"]
    (volume,) = [v for v in spec["volumes"] if v["name"] == "tls"]

    assert mount == {"name": "tls", "mountPath": "/etc/kvorum/tls", "readOnly": True}
    assert volume["secret"]["secretName"] == secret


def test_a_certificate_names_pods_and_services(full: list[Manifest]) -> None:
    names = one(full, "Certificate")["spec"]["dnsNames"]

    assert "*.prod-kvorum-headless.data.svc.k8s.example" in names
    assert "prod-kvorum.data.svc" in names
    assert "kvorum.example" in names


def test_traces_say_where_they_come_from(full: list[Manifest]) -> None:
    told = environment(node(full))["OTEL_RESOURCE_ATTRIBUTES"]
    attributes = dict(pair.split("=") for pair in told.split(","))

    assert attributes == {
        "k8s.namespace.name": "$(POD_NAMESPACE)",
        "k8s.pod.name": "$(POD_NAME)",
        "k8s.node.name": "$(NODE_NAME)",
        "k8s.statefulset.name": "prod-kvorum",
        "k8s.container.name": "kvorum",
        "deployment.environment.name": "production",
    }
