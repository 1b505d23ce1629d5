"""Nodes that stand still or go astray: they notice, say so, and let others lead.

Time is virtual: a sleep decides the order of events, and nobody really waits.
"""

import asyncio

import pytest

from kvorum.errors import Rejected
from tests.integration.node.clients import value, write
from tests.support.node_cluster import cluster_of
from tests.support.virtual_time import in_virtual_time


@in_virtual_time
async def test_a_leader_whose_disk_stalls_makes_way_and_comes_back() -> None:
    async with cluster_of(3) as cluster:
        leader = await cluster.leader()
        others = cluster.others(leader)
        await cluster.level()
        usual_s, cluster.disks[leader].sync_s = cluster.disks[leader].sync_s, (5.0, 5.0)
        stuck = asyncio.create_task(write(cluster, leader, b"k", b"1", "w1"))
        await cluster.until(lambda: cluster.agreed_leader(others) in others)
        cluster.disks[leader].sync_s = usual_s
        await write(cluster, others[0], b"k", b"2", "w2")
        assert not cluster[leader].leadership.is_leader
        await cluster.until(lambda: cluster.agreed_leader() in others, timeout_s=20)
        assert (await stuck).success
        assert await value(cluster, leader, b"k") == b"2"


@in_virtual_time
async def test_a_node_whose_disk_stalls_does_not_campaign() -> None:
    async with cluster_of(3) as cluster:
        leader = await cluster.leader()
        [slow, other] = cluster.others(leader)
        await cluster.level()
        cluster.disks[slow].sync_s = (8.0, 8.0)
        await write(cluster, leader, b"k", b"1", "w1")
        await asyncio.sleep(1)
        term = cluster[other].core.state.term
        await asyncio.sleep(5)
        assert cluster[other].core.state.term == term


@in_virtual_time
async def test_a_leader_whose_loop_was_blocked_steps_down_before_it_serves() -> None:
    async with cluster_of(3) as cluster:
        leader = await cluster.leader()
        cluster[leader].clock.ahead_s += 1.0
        await asyncio.sleep(0.006)
        assert not cluster[leader].leadership.is_leader
        await cluster.leader()


@in_virtual_time
async def test_a_replica_that_differs_stops_serving_and_says_why() -> None:
    async with cluster_of(3, state_check_interval_s=0.2) as cluster:
        leader = await cluster.leader()
        odd = cluster.others(leader)[0]
        await write(cluster, leader, b"k", b"1", "w0")
        await cluster.level()
        cluster[odd].machine._store.put(b"rot", b"1")
        for number in range(1, 40):
            await write(cluster, leader, b"k", b"1", f"w{number}")
            await asyncio.sleep(0.02)
        ready, why = cluster[odd].service.is_ready()
        assert not ready
        assert "differs from the majority" in why
        with pytest.raises(Rejected, match="differs"):
            cluster[odd].service.get_stale("r", b"k")
        for node in cluster.others(odd):
            assert cluster[node].member.fence.reason is None
        assert await value(cluster, leader, b"k") == b"1"


@in_virtual_time
async def test_a_leader_that_differs_makes_way() -> None:
    async with cluster_of(3, state_check_interval_s=0.2) as cluster:
        odd = await cluster.leader()
        others = cluster.others(odd)
        await write(cluster, odd, b"k", b"1", "w0")
        await cluster.level()
        cluster[odd].machine._store.put(b"rot", b"1")
        for number in range(1, 40):
            await write(cluster, others[0], b"k", b"1", f"w{number}")
            await asyncio.sleep(0.02)
        assert cluster[odd].member.fence.reason is not None
        assert cluster.agreed_leader(others) in others


@in_virtual_time
async def test_equal_replicas_compare_and_stay() -> None:
    async with cluster_of(3, state_check_interval_s=0.1) as cluster:
        leader = await cluster.leader()
        for number in range(60):
            await write(cluster, leader, b"k", b"1", f"w{number}")
            await asyncio.sleep(0.02)
        for node in cluster.ids:
            assert cluster[node].member.fence.reason is None
            assert cluster[node].counted("kvorum_state_checks_total") > 3
            assert cluster[node].counted("kvorum_state_mismatches_total") == 0
