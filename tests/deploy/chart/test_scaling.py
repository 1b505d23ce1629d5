"""Scaling restarts nobody: the pod template does not depend on how many pods there are."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.deploy.chart.fake_kubernetes import kubernetes
from tests.deploy.chart.helm import (
    Manifest,
    Refused,
    manifests,
    notes,
    one,
    pod_templates,
    render,
    template,
)
from tests.deploy.chart.matrix import FILES

FOUNDED = "kvorum/founding-replicas"


def live(
    values: Mapping[str, object], *objects: Manifest, files: Sequence[Path] = ()
) -> list[Manifest]:
    """As `helm upgrade` renders: it asks a cluster which has these objects."""
    with kubernetes(*map(_installed, objects)) as url:
        server = ("--dry-run=server", f"--kube-apiserver={url}", "--disable-openapi-validation")
        return manifests(template(values, files=files, more=server))


def _installed(manifest: Manifest) -> Manifest:
    """With the marks that helm leaves on what it has installed."""
    metadata = manifest["metadata"]
    marks = {
        "meta.helm.sh/release-name": metadata["labels"]["app.kubernetes.io/instance"],
        "meta.helm.sh/release-namespace": metadata["namespace"],
    }
    annotated = metadata | {"annotations": metadata.get("annotations", {}) | marks}
    return manifest | {"metadata": annotated}


def stateful_set(found: list[Manifest]) -> Manifest:
    return one(found, "StatefulSet")


def founders(found: list[Manifest]) -> int:
    settings = one(found, "ConfigMap", "prod-kvorum")["data"]["OTHER_NODES"].split(",")
    assert stateful_set(found)["metadata"]["annotations"][FOUNDED] == str(len(settings))
    return len(settings)


def differences(one_render: list[Manifest], other: list[Manifest]) -> set[str]:
    """Kinds and names of what a cluster would see change, hooks left out."""
    lasting = [
        {(m["kind"], m["metadata"]["name"]): m for m in found if "helm.sh/hook" not in _notes(m)}
        for found in (one_render, other)
    ]
    names = set(lasting[0]) | set(lasting[1])
    return {"/".join(name) for name in names if lasting[0].get(name) != lasting[1].get(name)}


def _notes(manifest: Manifest) -> Mapping[str, str]:
    annotations: Mapping[str, str] = manifest["metadata"].get("annotations", {})
    return annotations


@pytest.mark.parametrize("replicas", [1, 3, 5, 7])
def test_an_install_is_founded_by_all_its_pods(replicas: int) -> None:
    assert founders(render({"replicaCount": replicas})) == replicas


@pytest.mark.parametrize("replicas", [1, 5])
def test_an_upgrade_scales_and_changes_nothing_else(replicas: int) -> None:
    """With the founding size from the live StatefulSet, as helm looks it up."""
    installed = render()
    scaled = live({"replicaCount": replicas}, stateful_set(installed))

    assert founders(scaled) == 3
    assert stateful_set(scaled)["spec"]["replicas"] == replicas
    assert differences(installed, scaled) == {"StatefulSet/prod-kvorum"}
    without_count = [
        stateful_set(found)["spec"] | {"replicas": None} for found in (installed, scaled)
    ]
    assert without_count[0] == without_count[1]


def test_scaling_twice_keeps_the_founders() -> None:
    to_five = live({"replicaCount": 5}, stateful_set(render()))
    to_seven = live({"replicaCount": 7}, stateful_set(to_five))

    assert founders(to_seven) == 3


def test_scaling_everything_that_can_be_switched_on(full: list[Manifest]) -> None:
    """ci/full: five pods, founded by three, as the values say without a cluster to ask."""
    smaller = render({"replicaCount": 3}, files=[FILES["full"]])

    assert founders(full) == founders(smaller) == 3
    assert differences(full, smaller) == {"StatefulSet/prod-kvorum"}
    assert stateful_set(full)["spec"]["template"] == stateful_set(smaller)["spec"]["template"]


def test_without_a_cluster_and_the_value_the_template_depends_on_the_count() -> None:
    """What `helm template` has to be told; the values say so."""
    templates = [stateful_set(render({"replicaCount": n}))["spec"]["template"] for n in (3, 5)]

    assert templates[0] != templates[1]


def test_another_release_founds_its_own() -> None:
    other = stateful_set(render(release="other"))

    assert founders(live({"replicaCount": 5}, other)) == 5


def test_a_set_that_says_nothing_counts_as_none() -> None:
    bare = stateful_set(render())
    del bare["metadata"]["annotations"]

    assert founders(live({"replicaCount": 5}, bare)) == 5


def test_the_founding_size_cannot_be_changed() -> None:
    installed = stateful_set(render())

    assert founders(live({"foundingReplicas": 3, "replicaCount": 5}, installed)) == 3
    with pytest.raises(Refused, match="this cluster was founded by 3 nodes"):
        live({"foundingReplicas": 5, "replicaCount": 5}, installed)


def claims(count: int) -> list[Manifest]:
    """Those that a release of so many nodes leaves behind."""
    labels = {"app.kubernetes.io/instance": "prod"}
    return [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": f"data-prod-kvorum-{n}", "namespace": "data", "labels": labels},
        }
        for n in range(count)
    ]


def test_founders_without_data_may_not_outvote_claims_that_were_kept() -> None:
    """Two empty nodes of three are a majority: they could form a cluster beside the kept one."""
    refused = "of 3 founding nodes only 1 would find the claim"
    with pytest.raises(Refused, match=refused):
        live({}, *claims(1))
    assert founders(live({"replicaCount": 1}, *claims(1))) == 1
    assert founders(live({"foundingReplicas": 1}, *claims(1))) == 1
    assert founders(live({}, *claims(2))) == 3, "one empty node is no majority"
    assert founders(live({}, *claims(3))) == founders(live({}, *claims(5))) == 3
    assert live({"persistence.enabled": False}, *claims(1))


def test_kept_claims_do_not_stop_a_scale_up() -> None:
    founded_alone = stateful_set(render({"replicaCount": 1}))

    assert founders(live({"replicaCount": 3}, founded_alone, *claims(1))) == 1


def test_the_name_cannot_be_changed() -> None:
    """Helm would remove the cluster, and install an empty one."""
    installed = stateful_set(render())

    with pytest.raises(Refused, match=r"this release has the cluster prod-kvorum, and store would"):
        live({"fullnameOverride": "store"}, installed)
    assert live({"fullnameOverride": "prod-kvorum"}, installed)
    assert live({"fullnameOverride": "store"}, stateful_set(render(release="other")))


def test_the_domain_cannot_be_changed() -> None:
    """SELF_ADDRESS is a part of a member's id: a node refuses to start under another one."""
    installed = stateful_set(render())

    with pytest.raises(
        Refused, match=r"clusterDomain would make the members .*\.k8s\.example:8001"
    ):
        live({"clusterDomain": "k8s.example"}, installed)


def test_claims_cannot_be_changed() -> None:
    """Kubernetes would refuse it too, and not say what to do."""
    installed = stateful_set(render())

    with pytest.raises(Refused, match=r"--cascade=orphan, and upgrade with foundingReplicas=3"):
        live({"persistence.size": "30Gi"}, installed)
    assert live({"persistence.size": "20480Mi"}, installed), "the same, in other words"
    with pytest.raises(Refused, match=r"persistence\.enabled cannot be changed"):
        live({"persistence.enabled": False}, installed)
    toy = stateful_set(render({"persistence.enabled": False}))
    assert live({"persistence.enabled": False}, toy)
    with pytest.raises(Refused, match=r"persistence\.enabled cannot be changed"):
        live({}, toy)


def test_hooks_know_the_new_count(renders: dict[str, list[Manifest]]) -> None:
    jobs = dict(pod_templates(render({"replicaCount": 5, "foundingReplicas": 3})))
    for phase in ("pre-upgrade", "pre-rollback", "post-upgrade"):
        arguments = jobs[f"Job/prod-kvorum-{phase}"]["spec"]["containers"][0]["args"]
        assert arguments[2:4] == ["--replicas", "5"]


def test_notes_tell_that_founders_are_missing() -> None:
    assert "foundingReplicas=5 is more than replicaCount=3" in notes({"foundingReplicas": 5})
