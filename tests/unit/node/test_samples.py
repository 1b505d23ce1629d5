"""What a scrape reads of a member."""

import json

import pytest

from kvorum.mvcc.command import Delete, Put, encode_batch, encode_command
from kvorum.mvcc.state_machine import StateMachine
from kvorum.node.samples import BACKUP_KEY, last_backup
from kvorum.telemetry.store_metrics import BackupSample
from tests.support.node_cluster import cluster_of
from tests.support.virtual_time import in_virtual_time
from tests.unit.node.fakes import STAMP

NOTE = {"time": 1_800_000_000, "revision": 60, "bytes": 4096, "name": "x.snapshot"}


def machine_with(value: bytes) -> StateMachine:
    machine = StateMachine()
    machine.apply(1, encode_batch([encode_command(Put("r1", BACKUP_KEY, value))], STAMP))
    return machine


def test_the_note_of_the_last_backup() -> None:
    machine = machine_with(json.dumps(NOTE).encode())
    assert last_backup(machine) == BackupSample(1_800_000_000.0, 60, 4096)
    machine.apply(2, encode_batch([encode_command(Delete("r2", BACKUP_KEY))], STAMP))
    assert last_backup(machine) is None
    assert last_backup(StateMachine()) is None


@pytest.mark.parametrize(
    "value",
    [
        b'"yesterday"',
        b"null",
        b"[]",
        b"{}",
        b'{"time": "1", "revision": 1, "bytes": 1}',
        b'{"time": 1, "revision": 1.5, "bytes": 1}',
        b'{"time": 1, "revision": 100000000000000000000, "bytes": 1}',
        b'{"time": 1, "revision": -1, "bytes": 1}',
        b'{"time": 1, "revision": 1, "bytes": 1' + b"0" * 400 + b"}",
        b'{"time": 1' + b"0" * 400 + b', "revision": 1, "bytes": 1}',
        b'{"time": 1e999, "revision": 1, "bytes": 1}',
        b'{"time": NaN, "revision": 1, "bytes": 1}',
        b'{"time": 1, "revision": 1',
        b"\xff",
        b"",
        b'{"name": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    ],
    ids=lambda value: value[:50].decode(errors="replace"),
)
def test_what_is_no_such_note_is_ignored(value: bytes) -> None:
    """Any client may write there."""
    assert last_backup(machine_with(value)) is None


@in_virtual_time
async def test_the_margin_falls_with_each_voter_that_is_lost() -> None:
    async with cluster_of(5) as cluster:
        leader = await cluster.leader()
        node, others = cluster[leader], cluster.others(leader)

        def margin() -> float | None:
            return node.sample("kvorum_quorum_margin")

        await cluster.until(lambda: margin() == 2)
        assert node.sample("kvorum_active_voters") == 5
        assert node.sample("kvorum_leader", leader=leader) == 1
        await cluster.crash(others[0])
        await cluster.until(lambda: margin() == 1)
        await cluster.crash(others[1])
        await cluster.until(lambda: margin() == 0)
        assert node.sample("kvorum_active_voters") == 3
        follower = cluster[others[2]]
        assert follower.sample("kvorum_leader", leader=leader) == 1
        assert follower.sample("kvorum_quorum_margin") is None
        await cluster.crash(others[2])
        await cluster.until(lambda: node.sample("kvorum_has_leader") == 0)
        assert margin() is None
        assert node.sample("kvorum_leader", leader=leader) is None
