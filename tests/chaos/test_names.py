"""Nodes find each other by names that come late and move, as the names of pods do.

A name server of the test's own; nodes see it through a mount namespace with other settings.
"""

import os
import shlex
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import pytest

from tests.support.name_server import NameServer, name_server
from tests.support.numbered_nodes import NumberedNodes
from tests.support.wait import eventually

DOMAIN = "kv-headless.db.svc.cluster.test"
MOVED = 22  # number of the address that node 2 moves to


def why_no_names() -> str:
    """Empty if this can be played here, else the reason for people."""
    return "" if os.geteuid() == 0 else "not root"


def launcher(directory: Path, server: str) -> Sequence[str]:
    """Runs a command where names are asked of ``server``, in the manner of pods."""
    files = {
        "/etc/resolv.conf": f"nameserver {server}\nsearch db.svc.cluster.test\noptions ndots:5\n",
        "/etc/hosts": "127.0.0.1 localhost\n",
        "/etc/nsswitch.conf": "hosts: files dns\n",
    }
    mounts = ["mount --make-rprivate /"]
    for place, content in files.items():
        own = directory / Path(place).name
        own.write_text(content)
        mounts.append(f"mount --bind {shlex.quote(str(own))} {place}")
    return "unshare", "--mount", "sh", "-ec", " && ".join([*mounts, 'exec "$@"']), "sh"


class NamedNodes(NumberedNodes):
    """They know each other by name alone; ``at`` is the number of the address they live at."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, founders=3)
        self._launcher = launcher(directory, self.host(99))

    def name(self, number: int) -> str:
        return f"kv-{number}.{DOMAIN}"

    def start_at(self, number: int, at: int) -> None:
        names = [f"{self.name(each)}:{self.peer_port}" for each in range(3)]
        self.start(
            number,
            SELF_ADDRESS=names[number],
            LISTEN_ADDRESS=self.peer(at),
            REST_ADDRESS=f"{self.host(at)}:{self.rest_port}",
            OTHER_NODES=",".join(names),
        )


@pytest.fixture
def nodes(tmp_path: Path, not_run: dict[str, str]) -> Iterator[NamedNodes]:
    if reason := why_no_names():
        not_run["names that move"] = reason
        pytest.skip(reason)  # the summary says so loudly
    named = NamedNodes(tmp_path)
    try:
        yield named
    finally:
        named.close()


@pytest.fixture
def server(nodes: NamedNodes) -> Iterator[NameServer]:
    with name_server(nodes.host(99)) as serving:
        yield serving


def is_active(nodes: NamedNodes, number: int, among: Sequence[int] = (0, 1)) -> bool:
    """As the leader sees it, if it is ``among`` those that are asked."""
    for each in among:
        answer = httpx.get(f"{nodes.url(each)}/cluster/members", timeout=10).json()
        if answer["isLeader"]:
            named = [m for m in answer["members"] if m["name"] == f"kv-{number}"]
            return bool(named and named[0]["active"])
    return False


def look_for(server: NameServer, name: str, times: int) -> None:
    """Until ``name``, which nobody has, was asked for that often from now on."""
    last = server.asked.get(name, 0) + times
    eventually(f"{name} is looked for", lambda: server.asked.get(name, 0) >= last)


def test_names_may_come_late_and_move(nodes: NamedNodes, server: NameServer) -> None:
    for number in range(3):
        nodes.start_at(number, number)
    for number in range(3):
        look_for(server, nodes.name(number), times=20)
        assert nodes.is_running(number)
    for number in range(3):
        server.names[nodes.name(number)] = nodes.host(number)
    nodes.await_ready(range(3), within_s=20)
    eventually("node 2 takes part", lambda: is_active(nodes, 2, among=range(3)))

    nodes.stop(2, signal.SIGKILL)
    del server.names[nodes.name(2)]
    eventually("node 2 is missed", lambda: not is_active(nodes, 2))
    look_for(server, nodes.name(2), times=10)
    nodes.start_at(2, MOVED)
    server.names[nodes.name(2)] = nodes.host(MOVED)
    eventually("it is found elsewhere", lambda: is_active(nodes, 2), within_s=20)
    nodes.await_ready((MOVED,))
