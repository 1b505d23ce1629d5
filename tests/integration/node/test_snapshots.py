"""Snapshots in whole nodes: taken beside work, sent to whoever lacks entries, restarted from.

Time is virtual: a sleep decides the order of events, and nobody really waits.
"""

import asyncio
import errno

import pytest

from kvorum.node import snapshot_exchange
from kvorum.raft.messages import InstallSnapshot
from kvorum.raft.types import NodeId
from tests.integration.node.clients import assert_same_state, value, write
from tests.support.node_cluster import NodeCluster, cluster_of
from tests.support.virtual_time import in_virtual_time

SMALL = {"snapshot_entries": 20, "snapshot_keep_entries": 5}


async def write_many(cluster: NodeCluster, node: NodeId, count: int, *, tag: str = "w") -> None:
    """One after the other: every write is an entry of its own."""
    for number in range(count):
        key = f"{tag}{number % 50}".encode()
        await write(cluster, node, key, b"%d" % number, f"{tag}-{number}")


@in_virtual_time
async def test_the_log_is_cut_behind_a_snapshot_and_the_state_stays() -> None:
    async with cluster_of(3, **SMALL) as cluster:
        leader = await cluster.leader()
        await write_many(cluster, leader, 100)
        await cluster.until(lambda: all(d.snapshots.newest for d in cluster.disks.values()))
        await cluster.level()
        for node in cluster.ids:
            log = cluster[node].core.state.log
            newest = cluster.disks[node].snapshots.newest
            assert newest is not None
            assert log.last_index - newest.last.index <= 40
            assert log.first_index >= newest.last.index - 5, "kept entries and no more"
            assert len(cluster.disks[node].snapshots.kept) <= 2
        await assert_same_state(cluster)


@in_virtual_time
async def test_all_restart_from_snapshots_and_the_tail_of_their_logs() -> None:
    async with cluster_of(3, **SMALL) as cluster:
        leader = await cluster.leader()
        await write_many(cluster, leader, 90)
        await cluster.level()
        revision = cluster[leader].machine.revision
        await cluster.crash(*cluster.ids)
        cluster.start()
        leader = await cluster.leader()
        assert await value(cluster, leader, b"w39") == b"89"
        assert cluster[leader].machine.revision == revision
        repeated = await write(cluster, leader, b"w39", b"0", "w-89")
        assert repeated.revision == revision, "outcomes are part of the snapshot"
        await assert_same_state(cluster)


@pytest.mark.parametrize("loss", [0.0, 0.2])
@in_virtual_time
async def test_a_node_that_missed_too_much_gets_a_snapshot(loss: float) -> None:
    async with cluster_of(3, **SMALL) as cluster:
        leader = await cluster.leader()
        [late, other] = cluster.others(leader)
        await cluster.crash(late)
        await write_many(cluster, leader, 100)
        assert cluster[leader].core.state.log.first_index > 10
        cluster.network.loss = loss
        cluster.start(late)
        end = cluster[leader].machine.applied_index
        await cluster.until(lambda: cluster[late].applied >= end)
        assert cluster.disks[late].base.index > 0, "its log began anew behind the snapshot"
        cluster.network.loss = 0.0
        await write(cluster, late, b"after", b"1", "after")
        await assert_same_state(cluster)
        await cluster.crash(other)
        await cluster.leader()
        assert await value(cluster, late, b"w49") == b"99", "it counts like any other"


@in_virtual_time
async def test_a_crash_while_a_snapshot_arrives_is_made_up_for() -> None:
    async with cluster_of(3, **SMALL) as cluster:
        leader = await cluster.leader()
        [late, _] = cluster.others(leader)
        await cluster.crash(late)
        await write_many(cluster, leader, 100)
        end = cluster[leader].applied
        for number in range(5):
            cluster.network.hold(lambda message: isinstance(message, InstallSnapshot))
            cluster.start(late)
            await cluster.until(lambda: cluster.network.held or cluster[late].applied >= end)
            assert number or cluster.network.held
            cluster.network.release()
            await asyncio.sleep(0.0005 * number)
            await cluster.crash(late)
        cluster.start(late)
        await assert_same_state(cluster)


@in_virtual_time
async def test_a_transfer_that_lasts_longer_than_a_snapshot_interval_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The log behind it stays meanwhile, or every snapshot would be too old when it arrives."""
    monkeypatch.setattr(snapshot_exchange, "CHUNK_BYTES", 64)  # hundreds of round trips
    async with cluster_of(3, snapshot_entries=100, snapshot_keep_entries=10) as cluster:
        leader = await cluster.leader()
        [late, _] = cluster.others(leader)
        for number in range(30):
            await write(cluster, leader, b"big%d" % number, b'"%s"' % (b"x" * 1000), f"b{number}")
        await cluster.crash(late)
        await write_many(cluster, leader, 200)
        cluster.start(late)
        for number in range(3000):
            if cluster[late].applied > 300:
                break
            await write(cluster, leader, b"k", b"1", f"s{number}")
        assert cluster[late].applied > 300
        assert number > 300, "it lasted for longer than a few intervals"
    assert cluster.disks[late].base.index > 0


@in_virtual_time
async def test_a_write_that_a_snapshot_brought_is_answered() -> None:
    """The follower that took it missed its entry: the outcome comes with the snapshot."""
    async with cluster_of(3, **SMALL) as cluster:
        leader = await cluster.leader()
        [late, other] = cluster.others(leader)
        await cluster.level()
        mine = cluster[late].service.put("mine", b"mine", b"1")
        await asyncio.sleep(0.0021)  # the proposal is on its way to the leader
        cluster.network.isolate([late], [leader, other])
        await write_many(cluster, leader, 60)
        cluster.network.heal()
        outcome = await mine
        assert outcome.success
        await assert_same_state(cluster)


@in_virtual_time
async def test_a_snapshot_that_cannot_be_written_costs_nothing_but_log() -> None:
    async with cluster_of(1, **SMALL) as cluster:
        leader = await cluster.leader()
        disk = cluster.disks[leader]
        disk.snapshots.error = OSError(errno.ENOSPC, "No space left on device")
        await write_many(cluster, leader, 60)
        assert disk.snapshots.newest is None
        assert cluster[leader].core.state.log.first_index == 1
        disk.snapshots.error = None
        await asyncio.sleep(31)
        await write_many(cluster, leader, 5, tag="x")
        await cluster.until(lambda: disk.snapshots.newest is not None)
