"""Leadership moves on purpose: no write fails, and nobody waits for an election timeout.

Time is virtual: a sleep decides the order of events, and nobody really waits.
"""

import asyncio

import pytest

from kvorum.errors import Conflict, Rejected
from kvorum.raft.types import NodeId
from tests.integration.node.clients import assert_same_state
from tests.support.node_cluster import cluster_of
from tests.support.virtual_time import in_virtual_time


@pytest.mark.parametrize("through", ["leader", "target", "third"])
@in_virtual_time
async def test_leadership_goes_where_it_is_sent_and_no_write_fails(through: str) -> None:
    async with cluster_of(3) as cluster:
        leader = await cluster.leader()
        [target, third] = cluster.others(leader)
        asked = {"leader": leader, "target": target, "third": third}[through]
        writes = []
        longest_s = 0.0

        async def write(node: NodeId, number: int) -> None:
            nonlocal longest_s
            began_s = asyncio.get_running_loop().time()
            outcome = await cluster[node].service.put(f"{node}{number}", b"k", b"1")
            assert outcome.success
            longest_s = max(longest_s, asyncio.get_running_loop().time() - began_s)

        async def move() -> None:
            await cluster[asked].service.transfer_leadership(target)

        async with asyncio.TaskGroup() as tasks:
            for number in range(60):
                if number == 20:
                    writes += [tasks.create_task(move())]
                writes += [tasks.create_task(write(node, number)) for node in cluster.ids]
                await asyncio.sleep(0.001)
        assert await cluster.leader() == target
        election_timeout_s = cluster.options.election_ticks_min * cluster.options.tick_s
        assert longest_s < election_timeout_s / 2
        await assert_same_state(cluster)


@in_virtual_time
async def test_the_best_follower_is_chosen_if_nobody_is_named() -> None:
    async with cluster_of(3) as cluster:
        leader = await cluster.leader()
        await cluster.level()
        await cluster[leader].service.transfer_leadership(None)
        assert await cluster.leader() != leader


@in_virtual_time
async def test_whoever_did_not_take_over_is_not_asked_again_and_again() -> None:
    async with cluster_of(3) as cluster:
        leader = await cluster.leader()
        await cluster.level()
        unfit = cluster[leader].core.membership.peers_of(leader)[0]
        cluster[unfit].member.fence.raise_for("it is not well")
        began_s = asyncio.get_running_loop().time()
        with pytest.raises(Rejected, match="did not"):
            await cluster[leader].service.transfer_leadership(None)
        waited_s = asyncio.get_running_loop().time() - began_s
        assert waited_s < 1.1 * cluster[leader].member.options.election_timeout_s_max
        await cluster[leader].service.transfer_leadership(None)
        await cluster.until(lambda: not cluster[leader].leadership.is_leader)


@in_virtual_time
async def test_a_transfer_to_nobody_or_to_the_leader_is_refused() -> None:
    async with cluster_of(3) as cluster:
        leader = await cluster.leader()
        service = cluster[leader].service
        with pytest.raises(Conflict):
            await service.transfer_leadership(leader)
        with pytest.raises(Conflict):
            await service.transfer_leadership(NodeId("nobody"))
        assert await cluster.leader() == leader


@in_virtual_time
async def test_a_target_that_is_away_costs_a_pause_and_no_write() -> None:
    async with cluster_of(3) as cluster:
        leader = await cluster.leader()
        [target, other] = cluster.others(leader)
        await cluster.level()
        cluster.network.isolate([target], [leader, other])
        moving = asyncio.ensure_future(cluster[leader].service.transfer_leadership(target))
        await asyncio.sleep(0.001)
        outcome = await cluster[other].service.put("w", b"k", b"1")
        assert outcome.success
        with pytest.raises((Rejected, Conflict)):
            await moving
        assert cluster.agreed_leader([leader, other]) == leader
