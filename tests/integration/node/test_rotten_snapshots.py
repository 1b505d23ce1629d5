"""A leader's snapshot that is not any more what it was: found before it is sent, and replaced.

Time is virtual: a sleep decides the order of events, and nobody really waits.
"""

import asyncio
from collections.abc import Collection

import pytest

from kvorum.raft.messages import InstallSnapshot
from kvorum.raft.snapshot import Snapshot
from kvorum.raft.types import NodeId
from tests.integration.node.clients import assert_same_state, write
from tests.support.memory_snapshots import MemorySnapshots
from tests.support.node_cluster import NodeCluster, cluster_of
from tests.support.virtual_time import in_virtual_time

SMALL = {"snapshot_entries": 50, "snapshot_keep_entries": 5}
FAILURES = "kvorum_snapshot_failures_total"
LARGE = b"1" * 20_000  # so that a snapshot takes several chunks


async def write_many(cluster: NodeCluster, node: NodeId, value: bytes = b"1") -> None:
    for number in range(120):
        await write(cluster, node, b"k%d" % number, value, f"w{number}")
    await asyncio.sleep(0.5)


def rot(store: MemorySnapshots, snapshot: Snapshot | None = None, place: float = 0.5) -> Snapshot:
    """One bit of it, or of the newest one, flips."""
    found = snapshot or store.kept[-1][0]
    data = bytearray(dict(store.kept)[found])
    data[int(len(data) * place)] ^= 1
    store.kept = [(one, bytes(data) if one == found else old) for one, old in store.kept]
    return found


def failures(cluster: NodeCluster, nodes: Collection[NodeId]) -> list[float]:
    return [cluster[node].counted(FAILURES) for node in nodes]


@pytest.mark.parametrize("late", [1, 2])
@in_virtual_time
async def test_what_rotted_before_it_is_sent_never_leaves(late: int) -> None:
    async with cluster_of(5, seed=1, **SMALL) as cluster:
        leader = await cluster.leader()
        slow = cluster.others(leader)[:late]
        await cluster.crash(*slow)
        await write_many(cluster, leader)
        rotten = rot(cluster.disks[leader].snapshots)
        cluster.start(*slow)
        end = cluster[leader].applied
        await cluster.until(lambda: all(cluster[node].applied >= end for node in slow))
        assert cluster.agreed_leader() == leader
        assert failures(cluster, [leader, *slow]) == [1, *[0] * late]
        assert rotten not in dict(cluster.disks[leader].snapshots.kept), "nothing relies on it"
        for node in slow:
            newest = cluster.disks[node].snapshots.newest
            assert newest is not None
            assert newest.last.index > rotten.last.index, "a new one was taken and sent"
        await assert_same_state(cluster)


@in_virtual_time
async def test_what_rots_while_it_is_sent_is_found_when_it_is_wanted_again() -> None:
    async with cluster_of(3, seed=1, **SMALL) as cluster:
        leader = await cluster.leader()
        [slow, _] = cluster.others(leader)
        await cluster.crash(slow)
        await write_many(cluster, leader, LARGE)
        cluster.network.hold(lambda message: isinstance(message, InstallSnapshot))
        cluster.start(slow)
        await cluster.until(lambda: cluster.network.held)
        [chunk] = cluster.network.held
        assert isinstance(chunk, InstallSnapshot)
        rot(cluster.disks[leader].snapshots, chunk.snapshot, 0.99)
        cluster.network.release()
        end = cluster[leader].applied
        await cluster.until(lambda: cluster[slow].applied >= end)
        assert failures(cluster, [leader, slow]) == [1, 1], "it arrived damaged once"
        await assert_same_state(cluster)


@in_virtual_time
async def test_the_same_state_is_written_anew() -> None:
    """Nothing was applied since: the new snapshot has the name and the bytes of the rotten one."""
    async with cluster_of(3, seed=1, **SMALL, state_check_interval_s=0) as cluster:
        leader = await cluster.leader()
        [slow, _] = cluster.others(leader)
        await write_many(cluster, leader)  # so that it need not introduce itself again
        await cluster.crash(slow)
        store = cluster.disks[leader].snapshots
        number = 0
        while number < 60 or not (
            store.newest and store.newest.last.index == cluster[leader].applied
        ):
            number += 1
            await write(cluster, leader, b"k", b"1", f"x{number}")
            await asyncio.sleep(0.1)
        rotten = rot(store)
        cluster.network.hold(lambda message: isinstance(message, InstallSnapshot))
        cluster.start(slow)
        await cluster.until(lambda: cluster.network.held)
        assert store.newest == rotten
        await store.check(rotten)
        cluster.network.release()
        await cluster.until(lambda: cluster[slow].applied >= rotten.last.index)
        assert failures(cluster, [leader, slow]) == [1, 0]
        await assert_same_state(cluster)


@in_virtual_time
async def test_a_disk_on_which_everything_rots_is_not_busy_with_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No two replacements within the time after which a failed snapshot is tried again."""
    async with cluster_of(3, seed=1, **SMALL) as cluster:
        leader = await cluster.leader()
        [slow, _] = cluster.others(leader)
        await cluster.crash(slow)
        await write_many(cluster, leader)
        store = cluster.disks[leader].snapshots
        rot(store)
        keep = store.keep
        monkeypatch.setattr(store, "keep", lambda one, data: keep(one, data[:-1] + b"?"))
        cluster.start(slow)
        for number in range(300):
            await asyncio.sleep(0.2)
            await write(cluster, leader, b"k", b"1", f"x{number}")
        assert 2 <= cluster[leader].counted(FAILURES) <= 5, "in a minute, two of them regular"
        monkeypatch.undo()
        end = cluster[leader].applied
        await cluster.until(lambda: cluster[slow].applied >= end, timeout_s=31)
