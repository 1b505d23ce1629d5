"""Leases end when the log's time says so: not sooner, and not much later (thesis §6.3 on time).

Time is virtual: a sleep decides the order of events, and nobody really waits.
"""

import asyncio

from kvorum.mvcc.outcome import Outcome, Status
from kvorum.raft.types import NodeId
from tests.support.node_cluster import NodeCluster, cluster_of
from tests.support.virtual_time import in_virtual_time

CHECKPOINT_S = 0.5
ELECTION_S = 1.0
"""More than it takes to find a new leader."""


async def grant(cluster: NodeCluster, node: NodeId, lease: str, ttl_s: float) -> Outcome:
    return await cluster[node].service.grant_lease(f"grant {lease}", lease, round(ttl_s * 1000))


async def attach(cluster: NodeCluster, node: NodeId, key: bytes, lease: str) -> Outcome:
    return await cluster[node].service.put(f"put {key!r}", key, b"1", lease=lease)


@in_virtual_time
async def test_a_lease_ends_in_time_though_nobody_writes() -> None:
    async with cluster_of(3, lease_checkpoint_s=CHECKPOINT_S) as cluster:
        leader = await cluster.leader()
        await grant(cluster, leader, "l", 2)
        await attach(cluster, leader, b"k", "l")
        await asyncio.sleep(1.8)
        assert all(node.machine.get(b"k") for node in cluster.running.values())
        await asyncio.sleep(0.4)
        assert not any(node.machine.get(b"k") for node in cluster.running.values())
        assert cluster[leader].machine.lease("l") is None


@in_virtual_time
async def test_a_lease_that_is_kept_alive_does_not_end() -> None:
    async with cluster_of(3, lease_checkpoint_s=CHECKPOINT_S) as cluster:
        leader = await cluster.leader()
        [follower, _] = cluster.others(leader)
        await grant(cluster, follower, "l", 2)
        await attach(cluster, follower, b"k", "l")
        for number in range(10):
            await asyncio.sleep(1.5)
            outcome = await cluster[follower].service.keep_alive(f"alive {number}", "l")
            assert outcome.status is Status.SUCCESS
        assert cluster[leader].machine.get(b"k")
        await asyncio.sleep(2.5)
        assert cluster[leader].machine.get(b"k") is None
        late = await cluster[follower].service.keep_alive("too late", "l")
        assert late.status is Status.LEASE_NOT_FOUND


@in_virtual_time
async def test_leaders_that_change_prolong_a_lease_by_a_checkpoint_at_most() -> None:
    async with cluster_of(3, lease_checkpoint_s=CHECKPOINT_S) as cluster:
        leader = await cluster.leader()
        await grant(cluster, leader, "l", 6)
        await attach(cluster, leader, b"k", "l")
        began_s = asyncio.get_running_loop().time()
        for _ in range(3):
            leader = await cluster.leader()
            await asyncio.sleep(0.7)
            await cluster.crash(leader)
            await cluster.leader(list(cluster.running))
            cluster.start(leader)
        ended = asyncio.get_running_loop().time
        await cluster.until(
            lambda: not any(node.machine.get(b"k") for node in cluster.running.values())
        )
        assert 6 <= ended() - began_s + 0.01 <= 6 + 3 * CHECKPOINT_S + ELECTION_S


@in_virtual_time
async def test_time_stands_still_while_everyone_is_down_and_goes_on_from_the_checkpoint() -> None:
    async with cluster_of(3, lease_checkpoint_s=CHECKPOINT_S) as cluster:
        leader = await cluster.leader()
        await grant(cluster, leader, "l", 4)
        await attach(cluster, leader, b"k", "l")
        await asyncio.sleep(3)
        await cluster.crash(*cluster.ids)
        await asyncio.sleep(60)
        cluster.start()
        leader = await cluster.leader()
        await cluster[leader].service.catch_up()
        assert cluster[leader].machine.get(b"k"), "there was no time to renew it"
        await asyncio.sleep(1 + CHECKPOINT_S + ELECTION_S)
        assert cluster[leader].machine.get(b"k") is None


@in_virtual_time
async def test_an_idle_cluster_without_leases_writes_nothing() -> None:
    async with cluster_of(3) as cluster:
        leader = await cluster.leader()
        await cluster.level()
        await asyncio.sleep(1)
        before = cluster[leader].core.state.log.last_index
        await asyncio.sleep(30)
        assert cluster[leader].core.state.log.last_index == before


@in_virtual_time
async def test_a_flood_of_ends_does_not_hold_up_others() -> None:
    async with cluster_of(3, lease_checkpoint_s=CHECKPOINT_S, pending_writes_max=10_000) as cluster:
        leader = await cluster.leader()
        service = cluster[leader].service
        flood = 4000
        await asyncio.gather(
            *(service.put(f"f{i}", b"f%d" % i, b"1", ttl_ms=5000) for i in range(flood))
        )
        assert cluster[leader].machine.lease_count == flood
        await asyncio.sleep(4)
        clock, slowest_s = asyncio.get_running_loop().time, 0.0
        number = 0
        while cluster[leader].machine.key_count > 1 or not number:
            began_s, number = clock(), number + 1
            await service.put(f"w{number}", b"k", b"1")
            slowest_s = max(slowest_s, clock() - began_s)
        assert slowest_s < 0.1
        await cluster.level()
        assert {node.machine.lease_count for node in cluster.running.values()} == {0}
