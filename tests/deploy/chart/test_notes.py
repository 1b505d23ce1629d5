"""What `helm install` tells: commands that work, and what is unsafe."""

import re
import shlex
import subprocess
from collections.abc import Iterator

import pytest

from kvorum.cli.arguments import parse
from tests.deploy.chart.helm import Manifest, notes
from tests.deploy.chart.matrix import FILES

COMMAND = re.compile(r"^  ((?:kubectl|helm|curl) .*)$", re.MULTILINE)

WARNINGS = [
    ({"networkPolicy.enabled": False}, "No NetworkPolicy"),
    ({}, "name your clients in networkPolicy.http.from"),
    ({"persistence.enabled": False}, "persistence.enabled=false: data live as long as their pods"),
    ({"replicaCount": 4, "allowEvenReplicas": True}, "4 nodes survive no more failures than 3"),
    ({"replicaCount": 1}, "One node survives nothing"),
    ({"service.type": "NodePort"}, "service.type=NodePort opens it"),
    ({"ingress.enabled": True, "ingress.hosts": ["a.b"]}, "authentication has to happen there"),
    ({"podDisruptionBudget.maxUnavailable": 2}, "may take the majority away"),
    ({"rollout.before.enabled": False}, "Run `kvorum rollout` by hand"),
    ({"certificates.enabled": True, "certificates.existingSecret": "a"}, "traffic is plaintext"),
    (
        {
            "monitoring.serviceMonitor.enabled": True,
            "networkPolicy.http.from": [{"podSelector": {}}],
        },
        "if Prometheus is not among the clients, it is shut out",
    ),
    ({}, "No backups are taken"),
    ({}, 'image.repository is "kvorum", and nothing is published under that name'),
    ({"config": {"QUOTA_BYTES": 0}}, "QUOTA_BYTES=0: the store may grow"),
    (
        {"config": {"QUOTA_BYTES": 3 << 30}},
        "memory limit, 6Gi, is less than a full store may need: 8192Mi",
    ),
    ({"config": {"QUOTA_BYTES": "8589934592"}}, "volumes, 20Gi, are less"),
    ({"resources.limits.memory": "5500M"}, "memory limit, 5500M, is less"),
    ({"persistence.size": "8Gi"}, "volumes, 8Gi, are less than a full store may need: 8448Mi"),
]


@pytest.fixture(scope="module")
def default_notes() -> str:
    return notes({"image.repository": "registry.example/kvorum"})


@pytest.mark.parametrize(("values", "warning"), WARNINGS)
def test_what_is_unsafe_is_said(values: dict[str, object], warning: str) -> None:
    assert warning in " ".join(notes(values).split())


def test_what_is_safe_is_not_warned_of(default_notes: str) -> None:
    warnings = default_notes.partition("WARNINGS\n")[2]
    bullets = [line for line in warnings.splitlines() if line.startswith("- ")]

    assert [bullet.split()[1] for bullet in bullets] == ["Plaintext", "No"], warnings


def _commands(text: str) -> Iterator[list[str]]:
    for command in COMMAND.findall(text):
        done = subprocess.run(
            ["bash", "-n"], input=command, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, (command, done.stderr)
        yield shlex.split(command.removesuffix(" &"))


@pytest.mark.parametrize("file", ["", *FILES])
def test_commands_are_commands(file: str) -> None:
    text = notes(files=[FILES[file]] if file else [])
    commands = list(_commands(text))

    assert len(commands) >= 6
    for words in commands:
        if "exec" in words:
            assert parse(words[words.index("--") + 2 :], {}).run
    assert not [line for line in text.splitlines() if len(line) > 120], "too wide for a terminal"


def test_commands_name_what_is_there(full: list[Manifest]) -> None:
    there = {f"{each['kind'].lower()}/{each['metadata']['name']}" for each in full}
    named = {
        word.removeprefix("--from=")
        for words in _commands(notes(files=[FILES["full"]]))
        for word in words
        if re.fullmatch(r"(--from=)?(statefulset|service|cronjob)/\S+", word)
    }

    assert len(named) == 3
    assert named <= there


def test_the_port_forward_goes_to_the_service_s_port() -> None:
    assert "port-forward service/prod-kvorum 8081:80 &" in notes({"service.port": 80})
