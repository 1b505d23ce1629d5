"""The controller's decisions, with pods that are only told about."""

import time
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from tests.deploy.pods import stateful_set
from tests.deploy.pods.objects import Manifest, Refused
from tests.deploy.pods.stateful_set import StatefulSet
from tests.deploy.pods.volumes import Claims


class ToldPod:
    """Ready and gone when the test says so."""

    def __init__(self, manifest: Manifest, around: object) -> None:
        manifest["metadata"]["uid"] = f"uid-{id(self)}"
        self.manifest = manifest
        self.name = manifest["metadata"]["name"]
        self.serves = self.is_terminating = self.is_gone = False
        self.since_s = 0.0

    def start(self) -> None:
        pass

    def terminate(self) -> None:
        self.is_terminating, self.serves = True, False

    def ready_for_s(self) -> float:
        return time.monotonic() - self.since_s

    def become_ready(self) -> None:
        self.serves = True

    def image(self) -> str:
        return str(self.manifest["spec"]["image"])


def manifest(replicas: int, image: str = "old", **spec: Any) -> Manifest:
    return {
        "metadata": {"name": "kv", "namespace": "db"},
        "spec": {
            "replicas": replicas,
            "podManagementPolicy": "Parallel",
            "serviceName": "kv-headless",
            "template": {"metadata": {}, "spec": {"image": image}},
            **spec,
        },
    }


UNUSED = Claims(Path("/nonexistent"))


class Controller:
    def __init__(
        self, first: Manifest, monkeypatch: pytest.MonkeyPatch, claims: Claims = UNUSED
    ) -> None:
        monkeypatch.setattr(stateful_set, "Pod", ToldPod)
        self.claims = claims
        around: Any = Mock(claims=claims)
        self.held: set[int] = set()
        self.set = StatefulSet(first, around, self.held)
        self.set.sync()

    def pods(self) -> dict[int, Any]:
        return dict(sorted(self.set.pods.items()))

    def ready(self) -> None:
        for pod in self.pods().values():
            if not pod.is_terminating:
                pod.become_ready()
        self.set.sync()

    def end(self) -> None:
        """What is terminating is gone, and the controller has seen it."""
        for pod in self.pods().values():
            pod.is_gone = pod.is_terminating
        self.set.sync()

    def terminating(self) -> list[int]:
        return [ordinal for ordinal, pod in self.pods().items() if pod.is_terminating]


@pytest.fixture
def controller(monkeypatch: pytest.MonkeyPatch) -> Controller:
    made = Controller(manifest(3), monkeypatch)
    made.ready()
    return made


def test_all_pods_are_made_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(Controller(manifest(3), monkeypatch).pods()) == [0, 1, 2]


def test_pods_without_a_machine_wait_for_one(controller: Controller) -> None:
    controller.held.add(3)
    controller.set.apply(manifest(4))
    controller.set.sync()
    assert 3 not in controller.pods()
    controller.held.clear()
    controller.set.sync()
    assert 3 in controller.pods()


def test_a_smaller_number_ends_the_highest_at_once(controller: Controller) -> None:
    controller.set.apply(manifest(1))
    controller.set.sync()
    assert controller.terminating() == [1, 2]
    controller.end()
    assert controller.set.is_settled()


def test_an_update_goes_down_one_by_one_and_waits_for_readiness(controller: Controller) -> None:
    controller.set.apply(manifest(3, "new"))
    controller.set.sync()
    assert controller.terminating() == [2]
    controller.end()
    assert controller.pods()[2].image() == "new"
    controller.set.sync()
    assert controller.terminating() == [], "pod 2 is not ready yet"
    controller.ready()
    assert controller.terminating() == [1]
    controller.end()
    controller.ready()
    assert controller.terminating() == [0]
    controller.end()
    assert not controller.set.is_settled()
    controller.ready()
    assert controller.set.is_settled()


def test_an_update_waits_for_readiness_that_lasts(controller: Controller) -> None:
    controller.set.apply(manifest(3, "new", minReadySeconds=1000))
    for pod in controller.pods().values():
        pod.since_s = time.monotonic() - 2000
    controller.set.sync()
    controller.end()
    controller.pods()[2].since_s = time.monotonic()
    controller.ready()
    assert controller.terminating() == []
    controller.pods()[2].since_s -= 2000
    controller.set.sync()
    assert controller.terminating() == [1]


def test_a_partition_holds_an_update_up(controller: Controller) -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}
    controller.set.apply(manifest(3, "new", updateStrategy=strategy))
    controller.set.sync()
    controller.end()
    controller.ready()
    assert controller.terminating() == []
    assert [pod.image() for pod in controller.pods().values()] == ["old", "old", "new"]


def test_a_pod_lost_in_the_middle_of_an_update_keeps_its_revision(controller: Controller) -> None:
    controller.set.apply(manifest(3, "new"))
    controller.set.sync()
    controller.pods()[0].terminate()
    controller.end()
    assert [pod.image() for pod in controller.pods().values()] == ["old", "old", "new"]


def test_more_pods_change_nothing_about_the_others(controller: Controller) -> None:
    before = controller.pods()
    controller.set.apply(manifest(5))
    controller.set.sync()
    assert list(controller.pods()) == [0, 1, 2, 3, 4]
    assert all(controller.pods()[ordinal] is pod for ordinal, pod in before.items())
    assert controller.terminating() == []


def test_what_the_api_server_forbids_is_refused(controller: Controller) -> None:
    with pytest.raises(Refused, match="serviceName cannot be changed"):
        controller.set.apply(manifest(3, serviceName="other"))
    with pytest.raises(Refused, match="Parallel"):
        StatefulSet(manifest(3, podManagementPolicy="OrderedReady"), controller.set._around, set())


@pytest.mark.parametrize("event", ["whenScaled", "whenDeleted"])
def test_claims_go_only_where_the_policy_says_so(
    event: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    spec: Manifest = {
        "volumeClaimTemplates": [{"metadata": {"name": "data"}}],
        "persistentVolumeClaimRetentionPolicy": {event: "Delete"},
    }
    controller = Controller(manifest(2, **spec), monkeypatch, Claims(tmp_path))
    for pod in controller.pods().values():
        controller.claims.directory(f"data-{pod.name}")
    controller.set.apply(manifest(1, **spec))
    controller.set.sync()
    controller.end()
    kept = {"data-kv-0"} if event == "whenScaled" else {"data-kv-0", "data-kv-1"}
    assert controller.claims.names() == kept
    controller.set.delete()
    controller.set.sync()
    controller.end()
    assert controller.claims.names() == kept - (set() if event == "whenScaled" else {"data-kv-0"})
