"""docs/kubernetes.md and the runbooks: pods made by hand, and commands, are as they should be."""

import json
import re
import shlex
import subprocess
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from kvorum.cli.arguments import parse
from tests.deploy.chart.helm import ROOT, Manifest, one
from tests.deploy.chart.kubernetes import Kubernetes

PAGE = (ROOT / "docs" / "kubernetes.md").read_text(encoding="utf-8")
RUNBOOKS = sorted((ROOT / "docs" / "runbooks").glob("*.md"))
BLOCK = re.compile(r"^( *)```sh\n(.*?)^\1```", re.DOTALL | re.MULTILINE)
DATA = "/var/lib/kvorum"

KUBECTL = """
kubectl() { case " $* " in *" create -f - "*) cat >>"$MADE"; echo --- >>"$MADE" ;; esac; }
sleep() { exit 1; }
"""
"""Keeps what would be created."""


def blocks(text: str) -> list[str]:
    return [textwrap.dedent(block) for _, block in BLOCK.findall(text)]


def made(tmp_path: Path, *scripts: str) -> list[Manifest]:
    """The pods that the scripts of the page would make."""
    kept = tmp_path / "made.yaml"
    done = subprocess.run(
        ["bash", "-eu", "-c", "\n".join([KUBECTL, *scripts])],
        capture_output=True,
        text=True,
        check=False,
        env={"MADE": str(kept), "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 0, done.stderr
    return [each for each in yaml.safe_load_all(kept.read_text(encoding="utf-8")) if each]


@pytest.fixture
def procedures(tmp_path: Path) -> list[Manifest]:
    """Quorum loss, and then a restore."""
    return made(tmp_path, *(block for block in blocks(PAGE) if "on_volume" in block))


def container(pod: Manifest) -> dict[str, Any]:
    found: dict[str, Any] = pod["spec"]["containers"][0]
    return found


def settings(pod: Manifest, default: list[Manifest]) -> dict[str, str]:
    """As the container gets them, of a release `kvorum` in a namespace of that name."""
    told: dict[str, str] = one(default, "ConfigMap")["data"]
    named = yaml.safe_dump(told).replace("prod-kvorum", "kvorum").replace(".data.", ".kvorum.")
    own = {each["name"]: each["value"] for each in container(pod)["env"]}
    return {**yaml.safe_load(named), **own}


def test_pods_made_by_hand_are_good_and_restricted(procedures: list[Manifest]) -> None:
    assert len(procedures) == 1 + 3 + 3
    for pod in procedures:
        for version in ("1.27", "1.37"):
            Kubernetes(version).check(pod)
        assert pod["spec"]["securityContext"]["runAsNonRoot"]
        assert pod["spec"]["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        own = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
        assert container(pod)["securityContext"] == own
        (volume,) = pod["spec"]["volumes"]
        claim = volume["persistentVolumeClaim"]["claimName"]
        assert claim == pod["metadata"]["name"].replace("on-volume-", "data-kvorum-")


def test_they_run_commands_that_there_are(
    procedures: list[Manifest], default: list[Manifest]
) -> None:
    ran = [container(pod)["command"] for pod in procedures]

    assert ran[0] == ["kvorum", "recover", "--data-dir", DATA, "--yes"]
    assert [command[:2] for command in ran[1:4]] == [["find", DATA]] * 3
    assert all(command[1:3] == ["snapshot", "restore"] for command in ran[4:])
    assert ["--restore-id" in command for command in ran[4:]] == [False, True, True]
    for pod, command in zip(procedures, ran, strict=True):
        if command[0] == "kvorum":
            assert parse(command[1:], settings(pod, default)).run


def test_they_have_the_settings_of_their_node(
    procedures: list[Manifest], default: list[Manifest]
) -> None:
    for pod in procedures[4:]:
        told = settings(pod, default)
        assert told["SELF_ADDRESS"] in told["OTHER_NODES"].split(",")
        assert told["SELF_ADDRESS"].startswith(told["SELF_ID"] + ".")
        assert told["DATA_DIR"] == DATA
        assert container(pod)["envFrom"] == [
            {"configMapRef": {"name": "kvorum"}},
            {"secretRef": {"name": "kvorum-restore"}},
        ]


def test_emptying_keeps_what_the_file_system_needs(
    procedures: list[Manifest], tmp_path: Path
) -> None:
    for path in ("lost+found", "wal", "former-a/wal"):
        (tmp_path / DATA[1:] / path).mkdir(parents=True)
    (tmp_path / DATA[1:] / "identity.json").touch()
    command = [
        word.replace(DATA, f"{tmp_path}{DATA}") for word in container(procedures[1])["command"]
    ]
    subprocess.run(command, check=True)

    assert [each.name for each in (tmp_path / DATA[1:]).iterdir()] == ["lost+found"]


def test_patches_are_fields_of_a_stateful_set(default: list[Manifest]) -> None:
    patches = [
        json.loads(" ".join(text.split())) for text in re.findall(r"--patch\s+'([^']+)'", PAGE)
    ]
    stateful_set = one(default, "StatefulSet")

    assert len(patches) >= 2
    for patch in patches:
        patched = stateful_set | {"spec": stateful_set["spec"] | patch["spec"]}
        Kubernetes("1.27").check(patched)


def test_commands_of_the_page_are_the_command_lines() -> None:
    commands = re.findall(r"kubectl [^\n`]*exec [^\n`]*-- kvorum ([^\n`#]*)", PAGE)

    assert len(commands) >= 3
    for command in commands:
        assert parse(shlex.split(command.replace("$members", "kvorum-{}.h:8001")), {}).run


@pytest.mark.parametrize("page", RUNBOOKS, ids=lambda page: str(page.stem))
def test_logs_of_many_pods_are_not_cut(page: Path) -> None:
    """With a selector kubectl shows the last ten lines, unless told otherwise."""
    for line in page.read_text(encoding="utf-8").splitlines():
        if "kubectl" in line and " logs " in line and " -l " in line:
            assert "--tail=-1" in line, line
