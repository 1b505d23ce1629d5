"""up.sh and down.sh against stand-ins for kind, kubectl, helm, docker and podman.

A real cluster would have to pull images; what is asked of each program, in which order, and what
becomes of a failure is all there without.
"""

import re
import subprocess
from pathlib import Path

import pytest

from tests.deploy.kind.stand_ins import IMAGE_ID, KIND, ROOT, StandIns

PROGRAMS = ("kind", "kubectl", "helm", "docker")
TAG = IMAGE_ID[:12]
CHART = ROOT / "deploy/helm/kvorum"
MONITORING = KIND / "monitoring"
APPLY = "kubectl --context kind-kvorum apply --server-side --force-conflicts --filename"
CONFIGMAP = "kubectl --context kind-kvorum --namespace monitoring create configmap"
HELM = "helm --kube-context kind-kvorum --namespace kvorum"
STATUS = "kubectl --context kind-kvorum --namespace monitoring rollout status"
# A regular expression for each call, in order.
STORY = (
    r"docker info",
    r"kind get clusters",
    rf"kind create cluster --name kvorum --config {KIND}/cluster\.yaml --wait 5m",
    r"docker build --file Dockerfile --tag localhost/kvorum:kind .*",
    r"docker image inspect --format \{\{\.Id\}\} localhost/kvorum:kind",
    rf"docker tag localhost/kvorum:kind localhost/kvorum:{TAG}",
    rf"docker save --output \S+ localhost/kvorum:{TAG}",
    r"kind load image-archive \S+ --name kvorum",
    rf"{APPLY} {KIND}/namespaces\.yaml",
    (
        rf"{HELM} upgrade --install kvorum {CHART} --values {KIND}/values\.yaml "
        rf"--set-string image\.tag={TAG} --wait --timeout 5m"
    ),
    (
        rf"{CONFIGMAP} prometheus --from-file {MONITORING}/prometheus\.yml "
        rf"--from-file {CHART}/rules/kvorum\.rules\.yaml --dry-run=client --output yaml"
    ),
    rf"{APPLY} -",
    rf"{CONFIGMAP} grafana-datasources --from-file {MONITORING}/datasource\.yaml .*",
    rf"{APPLY} -",
    rf"{CONFIGMAP} grafana-providers --from-file {MONITORING}/dashboards\.yaml .*",
    rf"{APPLY} -",
    rf"{CONFIGMAP} grafana-dashboards --from-file {CHART}/dashboards .*",
    rf"{APPLY} -",
    rf"{APPLY} -",
    rf"{STATUS} deployment/prometheus --timeout 5m",
    rf"{STATUS} deployment/grafana --timeout 5m",
    rf"{HELM} test kvorum --logs --timeout 5m",
)


def sorted_pairs(calls: list[str]) -> list[str]:
    """The two ends of a pipe start in any order: the writing one goes first here."""
    calls = list(calls)
    at = 0
    while at < len(calls) - 1:
        first, second = calls[at : at + 2]
        if f"{APPLY} -" in (first, second) and CONFIGMAP in first + second:
            calls[at : at + 2] = sorted((first, second), key=lambda call: call == f"{APPLY} -")
            at += 1
        at += 1
    return calls


@pytest.fixture
def machine(tmp_path: Path) -> StandIns:
    return StandIns(tmp_path, *PROGRAMS)


@pytest.mark.parametrize("script", ["up.sh", "down.sh"])
def test_shellcheck_finds_nothing(script: str) -> None:
    done = subprocess.run(
        ["shellcheck", KIND / script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_from_nothing_to_a_running_cluster(machine: StandIns) -> None:
    done = machine.run("up.sh")
    assert done.returncode == 0, done.stderr
    calls = sorted_pairs(machine.calls)
    for call, expected in zip(calls, STORY, strict=True):
        assert re.fullmatch(expected, call), (call, expected)
    steps = re.findall(r"kind: (\d)/8 ", done.stderr)
    assert steps == list("12345678")
    assert "FAILED" not in done.stderr


def test_a_second_run_keeps_the_cluster(machine: StandIns) -> None:
    done = machine.run("up.sh", CLUSTERS="other\nkvorum")
    assert done.returncode == 0, done.stderr
    assert not [call for call in machine.calls if call.startswith("kind create")]
    assert [call for call in machine.calls if call.startswith("helm ")]


def test_a_cluster_whose_name_merely_contains_ours_is_another(machine: StandIns) -> None:
    machine.run("up.sh", CLUSTERS="kvorum-old")
    assert [call for call in machine.calls if call.startswith("kind create")]


def test_no_other_cluster_is_ever_touched(machine: StandIns) -> None:
    machine.run("up.sh", CLUSTER="toy")
    for call in machine.calls:
        if call.startswith("kubectl "):
            assert call.startswith("kubectl --context kind-toy ")
        if call.startswith("helm "):
            assert call.startswith("helm --kube-context kind-toy ")


@pytest.mark.parametrize(
    ("refused", "step"),
    [
        ("^kind get", "2/8"),
        ("^kind create", "2/8"),
        ("^docker build", "3/8"),
        ("^docker image inspect", "3/8"),
        ("^docker tag", "3/8"),
        ("^docker save", "4/8"),
        ("^kind load", "4/8"),
        ("namespaces.yaml$", "5/8"),
        ("^helm .* upgrade", "6/8"),
        ("create configmap grafana-dashboards", "7/8"),
        ("apply .*--filename -$", "7/8"),
        ("rollout status deployment/grafana", "7/8"),
        ("^helm .* test", "8/8"),
    ],
)
def test_a_step_that_fails_ends_it_and_is_named(
    machine: StandIns, tmp_path: Path, refused: str, step: str
) -> None:
    done = machine.run("up.sh", FAIL=refused)
    assert done.returncode != 0
    assert f"kind: FAILED: {step} " in done.stderr
    assert "stand-in: refused" in done.stderr
    assert "Ways in" not in done.stdout
    assert re.search(refused, sorted_pairs(machine.calls)[-1]) or step == "7/8"
    assert re.findall(r"kind: (\d/8) ", done.stderr)[-1] == step, "it went on"
    assert not list(tmp_path.glob("tmp.*")), "the archive of the image stayed behind"


@pytest.mark.parametrize("missing", PROGRAMS)
def test_a_missing_program_is_named_with_where_to_get_it(tmp_path: Path, missing: str) -> None:
    machine = StandIns(tmp_path, *(name for name in PROGRAMS if name != missing))
    done = machine.run("up.sh")
    assert done.returncode == 1
    assert re.search(rf"{missing} is not on the PATH: .*https://", done.stderr)
    assert machine.calls == []


def test_an_engine_that_does_not_answer_is_said_so(machine: StandIns) -> None:
    done = machine.run("up.sh", FAIL="^docker info")
    assert done.returncode == 1
    assert "docker does not answer" in done.stderr
    assert machine.calls == ["docker info"]


def test_podman_does_as_well(tmp_path: Path) -> None:
    machine = StandIns(tmp_path, "kind", "kubectl", "helm", "podman")
    done = machine.run("up.sh")
    assert done.returncode == 0, done.stderr
    assert "KIND_EXPERIMENTAL_PROVIDER=podman" in machine.calls
    assert [call for call in machine.calls if call.startswith("podman build --format docker")]


def test_every_run_applies_the_configuration_by_its_checksum(machine: StandIns) -> None:
    machine.run("up.sh")
    first = re.findall(r'kvorum/configuration: "(\d+)"', machine.applied)
    assert len(first) == 2
    assert "CONFIGURATION" not in machine.applied.partition("metadata:")[2]
    machine.run("up.sh")
    assert re.findall(r'kvorum/configuration: "(\d+)"', machine.applied) == first


def test_down_removes_the_cluster(machine: StandIns) -> None:
    done = machine.run("down.sh", CLUSTERS="kvorum")
    assert done.returncode == 0, done.stderr
    assert machine.calls == ["kind get clusters", "kind delete cluster --name kvorum"]


def test_down_has_nothing_to_do_without_one(machine: StandIns) -> None:
    done = machine.run("down.sh", CLUSTERS="other")
    assert done.returncode == 0
    assert "there is no cluster kvorum" in done.stderr
    assert machine.calls == ["kind get clusters"]


def test_down_without_kind_says_so(tmp_path: Path) -> None:
    done = StandIns(tmp_path, "docker").run("down.sh")
    assert done.returncode == 1
    assert "kind is not on the PATH" in done.stderr
