"""What the image must hold and must not, and how nodes in it behave."""

from __future__ import annotations

import time
from collections.abc import Iterator

from tests.deploy.image.real.engine import Podman, hardening
from tests.deploy.image.real.nodes import NODES, Nodes
from tests.support.wait import eventually

# Prints what should not be there.
UNWANTED = r"""
for program in gcc cc ld make pip pip3 curl; do command -v "$program"; done
find /opt/kvorum -path '*/site-packages/*' -maxdepth 5 \( -name pip -o -name setuptools \)
find /opt/kvorum \( -name '*.pyi' -o -name '*.c' -o -name '*.map' -o -name direct_url.json \)
for file in /etc/pip.conf /run/secrets /build ~root/.cache; do
  test ! -e "$file" || echo "$file"
done
find /var/lib/apt/lists /var/log /tmp -mindepth 1
find / -xdev -user 10001 ! -path /var/lib/kvorum
for source in $(find /opt/kvorum/lib /usr/lib/python3.13 -name '*.py'); do
  cached=${source%/*}/__pycache__/${source##*/}
  test -e "${cached%.py}.cpython-313.pyc" || echo "not compiled: $source"
done
"""  # as root: it may look everywhere
ZOMBIES = "grep -l '^State:.Z' /proc/[0-9]*/status || true"
CONFINED = {
    "CapEff": "0000000000000000",
    "CapPrm": "0000000000000000",
    "CapBnd": "0000000000000000",
    "NoNewPrivs": "1",
    "Seccomp": "2",
}


def check_image(podman: Podman, image: str) -> Iterator[str]:
    """Yields what was seen to be right."""

    def inside(*command: str, entrypoint: str, user: int = 10001) -> str:
        options = ["--rm", "--network=none", *hardening(), f"--user={user}:{user}"]
        options.append(f"--entrypoint={entrypoint}")
        return podman("run", *options, image, *command)

    inspected = podman.config(image)
    config = inspected["Config"]
    assert config["User"] == "10001:10001", config["User"]
    assert config["Entrypoint"] == ["/usr/bin/tini", "--", "kvorum"], config["Entrypoint"]
    assert config["Cmd"] == ["serve"], config["Cmd"]
    assert config["Labels"]["org.opencontainers.image.version"] not in ("", "unknown")
    assert inspected["Healthcheck"]["Test"] == ["CMD", "kvorum-healthcheck"], inspected[
        "Healthcheck"
    ]
    yield "user, entry point, command, labels, health check"
    unwanted = inside("-c", UNWANTED, entrypoint="/bin/bash", user=0)
    assert not unwanted, f"should not be in the image:\n{unwanted}"
    yield "no compiler, pip, caches, stubs, secrets; all modules are compiled"
    inside("-c", "import grpc, minio, uvloop, kvorum.app.process", entrypoint="python")
    yield "extensions and modules load"
    version = inside("--version", entrypoint="kvorum")
    assert version == f"kvorum {config['Labels']['org.opencontainers.image.version']}", version
    yield version


def check_alone(podman: Podman, image: str) -> Iterator[str]:
    """One node, which must be said: a cluster's node without its list would found another one."""
    name, volume = "kvorum-image-test-alone", "kvorum-image-test"

    def ready() -> bool:
        # Bash, for nothing else in the image can ask quickly; /readyz answers without a body
        script = (
            "exec 3<>/dev/tcp/127.0.0.1/8081 && printf 'GET /readyz HTTP/1.0\\r\\n\\r\\n' >&3"
            " && read -r _ status _ <&3 && echo $status || true"
        )
        return podman("exec", name, "bash", "-c", script) == "200"

    def start(hostname: str) -> None:
        podman.remove([name])
        where = ["--network=none", f"--hostname={hostname}", f"--volume={volume}:/var/lib/kvorum"]
        podman(
            "run", "--detach", f"--name={name}", "--env=OTHER_NODES=", *where, *hardening(), image
        )
        eventually("the node alone serves", ready)

    podman("volume", "rm", "--force", volume)
    try:
        start("first")
        podman("exec", name, "kvorum", "put", "greeting", "hello")
        podman("stop", "--time=30", name)
        start("second")
        assert podman("exec", name, "kvorum", "get", "greeting") == "hello"
    finally:
        podman.remove([name])
        podman("volume", "rm", "--force", volume)
    yield "alone (OTHER_NODES=): serves, and again from its volume in a new container"
    refusal = podman.refused("run", "--rm", "--network=none", *hardening(), image)
    assert "For a node that is alone: OTHER_NODES=" in refusal, refusal
    yield "without any setting: refuses, and says how to run one node"


def check_cluster(nodes: Nodes) -> Iterator[str]:
    """Start, use, crash, return, leave: what a Kubernetes pod goes through."""
    began = time.monotonic()
    for node in NODES:
        nodes.start(node)
    started_s = time.monotonic() - began
    nodes.wait_ready(*NODES)
    yield f"three containers ready in {time.monotonic() - began:.2f} s ({started_s:.2f} s Podman's)"
    nodes.exec(1, "kvorum", "put", "greeting", "hello")
    assert nodes.exec(3, "kvorum", "get", "greeting") == "hello"
    yield "put on one node, get on another, with the image's own command line"
    yield from _confinement(nodes, 1)
    yield from _crash(nodes)
    yield from _stop(nodes)


def _confinement(nodes: Nodes, node: int) -> Iterator[str]:
    first = nodes.exec(node, "cat", "/proc/1/comm")
    assert first == "tini", f"process 1 is {first}"
    status = nodes.exec(node, "cat", "/proc/1/status").splitlines()
    found = dict(line.split(":\t", 1) for line in status if ":\t" in line)
    assert {name: found[name] for name in CONFINED} == CONFINED
    writable = nodes.exec(node, "sh", "-c", "for d in / /opt /usr /var /etc; do "
                          "touch $d/x 2>/dev/null && echo $d; done; true")  # fmt: skip
    assert not writable, f"can be written to: {writable}"
    yield "process 1 is tini, without capabilities, privileges or a writable root"
    for _ in range(20):
        nodes.exec(node, "sh", "-c", "sleep 0.01 & exit 0")  # orphans, for tini to reap
    nodes.exec(node, "sleep", "0.1")
    zombies = nodes.exec(node, "sh", "-c", ZOMBIES)
    assert not zombies, zombies
    yield "no zombies"
    began = time.monotonic()
    nodes.exec(node, "kvorum-healthcheck")
    yield f"healthy (asked in {(time.monotonic() - began) * 1000:.0f} ms, `podman exec` included)"


def _crash(nodes: Nodes) -> Iterator[str]:
    leader = nodes.leader()
    others = [node for node in NODES if node != leader]
    nodes.kill(leader)
    nodes.exec(others[0], "kvorum", "put", "greeting", "still here")
    nodes.start(leader)
    nodes.wait_ready(leader)
    assert nodes.exec(leader, "kvorum", "get", "greeting") == "still here"
    yield "kill -9 of the leader: the others write, and it comes back over its volume"


def _stop(nodes: Nodes) -> Iterator[str]:
    leader = nodes.leader()
    began = time.monotonic()
    nodes.stop(leader)
    took_s = time.monotonic() - began
    assert nodes.state(leader)["ExitCode"] == 0, nodes.state(leader)
    assert "handing leadership over" in nodes.log(leader), nodes.log(leader)
    yield f"podman stop of the leader: hands over, exits with 0, in {took_s:.2f} s"
    nodes.start(leader)
    nodes.wait_ready(leader)
    for node in NODES:
        nodes.stop(node)
    assert [nodes.state(node)["ExitCode"] for node in NODES] == [0, 0, 0]
    began = time.monotonic()
    for node in NODES:
        nodes.start(node)
    nodes.wait_ready(*NODES)
    assert nodes.exec(2, "kvorum", "get", "greeting") == "still here"
    yield f"all stopped and started again: ready in {time.monotonic() - began:.2f} s, data there"
