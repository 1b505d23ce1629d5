"""Scaling as Kubernetes does it, by the commands that the chart runs, with real processes."""

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.command_line import CommandLine, Ran
from tests.support.numbered_nodes import NumberedNodes, numbered_nodes
from tests.support.wait import eventually


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[NumberedNodes]:
    with numbered_nodes(tmp_path, founders=3) as started:
        yield started


class Rollout:
    """The commands, asking through one endpoint after the other as a Service would."""

    def __init__(self, nodes: NumberedNodes) -> None:
        self._nodes = nodes
        self._asked = 0

    def __call__(
        self, when: str, replicas: int, *words: str, code: int = 0, through: int = 3
    ) -> Ran:
        self._asked += 1
        kvorum = CommandLine(self._nodes.url(self._asked % through))
        port = str(self._nodes.rest_port)
        options = ["--replicas", str(replicas), "--members", self._nodes.pattern]
        return kvorum("rollout", when, *options, "--rest-port", port, *words, code=code)

    def members(self) -> dict[str, str]:
        """Names, and their ids."""
        answer = httpx.get(f"{self._nodes.url(0)}/cluster/members").json()
        assert all(member["role"] == "voter" for member in answer["members"]), answer
        return {member["name"]: member["id"] for member in answer["members"]}


def put(nodes: NumberedNodes, number: int, count: int) -> None:
    with httpx.Client(base_url=nodes.url(number), timeout=30) as client:
        for index in range(count):
            client.put(f"/key/k{index}", json={"value": index}).raise_for_status()


def keys_at(nodes: NumberedNodes, number: int) -> int:
    return int(CommandLine(nodes.url(number))("ls", "--count", "--stale").out)


def began_anew(nodes: NumberedNodes, number: int, former: str) -> bool:
    aside = nodes.data(number) / f"former-{former}"
    told = "it begins anew, and what it had is put aside" in nodes.log(number)
    return told and (aside / "identity.json").exists()


def test_a_set_grows_shrinks_and_grows_again_over_its_old_disks(nodes: NumberedNodes) -> None:
    rollout = Rollout(nodes)
    put(nodes, 1, 20)
    rollout("before", 5)
    for number in (3, 4):
        nodes.start(number)
    rollout("after", 5)
    nodes.await_ready((3, 4))
    first = rollout.members()
    assert sorted(first) == [f"kv-{number}" for number in range(5)]

    CommandLine(nodes.url(0))("transfer", "kv-4")
    down = rollout("before", 3)
    told = [line.split("  ", 1)[1].removeprefix(f"{nodes.host(0)[:-1]}") for line in down.lines]
    assert [re.sub(r":\d+", "", line) for line in told[1:4]] == [
        "0 leads now",
        "4 is removed: 4 voters, of which 1 may fail",
        "3 is removed: 3 voters, of which 1 may fail",
    ]
    for number in (3, 4):
        assert nodes.stop(number) == 0
    put(nodes, 2, 120)  # among these entries, snapshots are taken and the log is released

    rollout("before", 5)
    for number in (3, 4):
        nodes.start(number)  # over its old data
    rollout("after", 5)
    nodes.await_ready((3, 4))
    again = rollout.members()
    assert sorted(again) == sorted(first)
    for number in (3, 4):
        former = first[f"kv-{number}"]
        assert again[f"kv-{number}"] != former
        assert began_anew(nodes, number, former)
        assert keys_at(nodes, number) == 120


def test_a_member_that_is_down_holds_an_upgrade_up_until_it_is_to_go(nodes: NumberedNodes) -> None:
    rollout = Rollout(nodes)
    nodes.stop(2, signal.SIGKILL)
    refused = rollout("before", 3, "--timeout", "3s", code=1, through=2)
    assert f"{nodes.peer(2)} does not answer" in refused.err
    assert "Nothing was changed." in refused.err
    assert "helm upgrade --no-hooks" in refused.err
    rollout("before", 3, "--force", through=2)
    assert len(rollout.members()) == 3
    rollout("before", 2, through=2)
    assert len(rollout.members()) == 2
    waiting = rollout("after", 3, "--timeout", "3s", code=1, through=2)
    assert f"{nodes.peer(2)} does not answer" in waiting.err
    nodes.start(2)
    rollout("after", 3, through=2)
    assert len(rollout.members()) == 3


def test_a_node_that_was_removed_and_not_stopped_comes_back(nodes: NumberedNodes) -> None:
    """An upgrade that failed after its hook had run; then the former number is set again."""
    rollout = Rollout(nodes)
    put(nodes, 0, 5)
    pid = nodes.pid(2)
    former = rollout.members()["kv-2"]
    rollout("before", 2)
    eventually("the node knows", lambda: not nodes.is_ready(2))
    rollout("before", 3, through=2)
    rollout("after", 3, through=2)
    nodes.await_ready((2,))
    assert rollout.members()["kv-2"] != former
    assert nodes.pid(2) == pid
    assert keys_at(nodes, 2) == 5


def test_without_a_majority_nothing_is_done(nodes: NumberedNodes) -> None:
    for number in (0, 1):
        nodes.stop(number, signal.SIGKILL)
    kvorum = CommandLine(nodes.url(2))
    options = ["--replicas", "3", "--members", nodes.pattern, "--timeout", "3s"]
    for when in ("before", "after"):
        told = kvorum("rollout", when, *options, code=5)
        assert "bring back a majority first" in told.err
