"""Whole nodes cut off, left alone, late or away: what their clients see."""

import asyncio
from asyncio import Future

import pytest

from kvorum.errors import NoLeader, OutcomeUnknown
from kvorum.node.views import ReadResult
from kvorum.raft.messages import AppendEntries, Propose, ReadIndexResponse
from kvorum.raft.types import NodeId
from tests.integration.node.clients import assert_same_state, value, write
from tests.support.node_cluster import NodeCluster, cluster_of
from tests.support.virtual_time import in_virtual_time


@in_virtual_time
async def test_an_isolated_leader_refuses_to_read() -> None:
    async with cluster_of(3) as cluster:
        old = await cluster.leader()
        await cluster[old].service.put("first", b"k", b"1")
        rest = cluster.others(old)
        cluster.network.isolate([old], rest)
        early = cluster[old].service.get("early", b"k")
        new = await cluster.leader(rest)
        await cluster[new].service.put("second", b"k", b"2")
        late = _submitted(cluster, old)
        for read in (early, late):
            with pytest.raises(NoLeader):
                await read
        cluster.network.heal()
        assert await value(cluster, old, b"k") == b"2"


def _submitted(cluster: NodeCluster, node: NodeId) -> "Future[ReadResult]":
    """A read that may be refused at once."""
    try:
        return cluster[node].service.get("late", b"k")
    except NoLeader as error:
        refused: Future[ReadResult] = asyncio.get_running_loop().create_future()
        refused.set_exception(error)
        return refused


@in_virtual_time
async def test_an_isolated_leader_acknowledges_nothing() -> None:
    async with cluster_of(3) as cluster:
        old = await cluster.leader()
        rest = cluster.others(old)
        cluster.network.isolate([old], rest)
        lost = cluster[old].service.put("lost", b"k", b"1")
        with pytest.raises(OutcomeUnknown):
            await lost
        new = await cluster.leader(rest)
        assert await value(cluster, new, b"k") is None
        cluster.network.heal()
        await cluster.leader()
        await write(cluster, new, b"other", b"1", "other")
        await cluster.level()
        assert cluster[old].machine.get(b"k") is None


@in_virtual_time
async def test_an_isolated_leaders_clients_get_their_writes_done_afterwards() -> None:
    """Each entry loses its place to one of the new leader's; then it is proposed again."""
    async with cluster_of(3, request_timeout_s=30.0) as cluster:
        old = await cluster.leader()
        rest = cluster.others(old)
        await cluster.level()
        cluster.network.isolate([old], rest)
        writes = []
        for number in range(4):
            writes.append(cluster[old].service.put(f"r{number}", b"k", b"1"))
            await asyncio.sleep(0.005)
        await cluster.leader(rest)
        cluster.network.heal()
        async with asyncio.timeout(2):
            outcomes = await asyncio.gather(*writes)
        assert all(outcome.success for outcome in outcomes)


@in_virtual_time
async def test_a_forwarded_write_that_died_with_its_leader_is_soon_proposed_again() -> None:
    """Its place is beyond the new leader's no-op, and in a quiet cluster nobody takes it."""
    async with cluster_of(3, request_timeout_s=30.0) as cluster:
        leader = await cluster.leader()
        follower = cluster.others(leader)[0]
        await cluster.level()
        cluster.network.hold(lambda m: isinstance(m, AppendEntries) and bool(m.entries))
        own = cluster[leader].service.put("own", b"k", b"1")
        await cluster.until(lambda: cluster.network.held)
        forwarded = cluster[follower].service.put("forwarded", b"k", b"2")
        await cluster.until(lambda: cluster[follower].proposals._placed)
        await cluster.crash(leader)
        assert isinstance(own.exception(), OutcomeUnknown)
        cluster.network.drop_held()
        cluster.network.release()
        async with asyncio.timeout(2):
            assert (await forwarded).success


@in_virtual_time
async def test_a_forwarded_write_that_was_lost_on_the_way_is_soon_proposed_again() -> None:
    """A broken connection loses what it carried, though its leader lives on."""
    async with cluster_of(3, request_timeout_s=30.0) as cluster:
        leader = await cluster.leader()
        follower = cluster.others(leader)[0]
        cluster.network.hold(lambda message: isinstance(message, Propose))
        written = cluster[follower].service.put("a", b"k", b"1")
        await cluster.until(lambda: cluster.network.held)
        cluster.network.drop_held()
        cluster.network.release()
        async with asyncio.timeout(2):
            assert (await written).success


@in_virtual_time
async def test_reads_and_writes_work_on_a_network_slower_than_the_heartbeat() -> None:
    """An answer takes longer than the wait between two attempts, every time."""
    async with cluster_of(3) as cluster:
        cluster.network.delay_s = (0.014, 0.016)
        leader = await cluster.leader()
        follower = cluster.others(leader)[0]
        assert (await cluster[follower].service.put("a", b"k", b"1")).success
        result = await cluster[follower].service.get("r", b"k")
        assert result.record is not None


@in_virtual_time
async def test_without_a_majority_clients_are_told_soon_and_nothing_is_lost() -> None:
    async with cluster_of(5) as cluster:
        leader = await cluster.leader()
        await cluster[leader].service.put("before", b"k", b"1")
        await cluster.crash(*cluster.others(leader)[:3])
        rest = list(cluster.running)
        await cluster.until(lambda: all(cluster[n].leadership.is_hopeless() for n in rest), 1.5)
        for node in rest:
            with pytest.raises(NoLeader):
                _ = cluster[node].service.put("refused", b"refused", b"1")
            with pytest.raises(NoLeader):
                _ = cluster[node].service.get("r", b"k")
        cluster.start(cluster.others(*rest)[0])
        await cluster.leader()
        assert await value(cluster, leader, b"k") == b"1"
        assert await value(cluster, leader, b"refused") is None


@in_virtual_time
async def test_requests_wait_through_an_election() -> None:
    async with cluster_of(3) as cluster:
        leader = await cluster.leader()
        await cluster.crash(leader)
        survivor = next(iter(cluster.running))
        await cluster.until(lambda: cluster[survivor].leadership.leader is None)
        written = cluster[survivor].service.put("a", b"k", b"1")
        read = cluster[survivor].service.get("r", b"k")
        assert (await written).success
        await read


@in_virtual_time
async def test_a_follower_that_was_away_catches_up() -> None:
    async with cluster_of(3) as cluster:
        leader = await cluster.leader()
        away = cluster.others(leader)[0]
        await cluster.crash(away)
        for number in range(300):
            await write(cluster, leader, b"k", b"%d" % number, f"r{number}")
        cluster.start(away)
        await cluster.leader()
        assert await value(cluster, away, b"k") == b"299"
        await assert_same_state(cluster)


@in_virtual_time
async def test_everyone_forgets_the_same_outcomes() -> None:
    async with cluster_of(3, outcomes_count_max=40, outcomes_age_s_max=2) as cluster:
        first = await cluster.leader()
        await cluster.crash(first)
        cluster.start(first)
        for number in range(150):
            node = cluster.ids[number % 3]
            await write(cluster, node, b"k", b"1", f"r{number}")
            if number % 50 == 25:
                leader = await cluster.leader()
                await cluster.crash(leader)
                cluster.start(leader)
            await asyncio.sleep(0.02)
        await cluster.leader()
        await assert_same_state(cluster)
        machine = cluster[first].machine
        assert 0 < machine.outcome_count <= 40
        assert machine.outcome("r0") is None
        assert machine.outcome("r149") is not None


@in_virtual_time
async def test_an_answer_to_a_former_start_of_a_node_does_not_serve_a_later_read() -> None:
    """A follower asks for a read index, restarts and asks again; the first answer comes late."""
    async with cluster_of(3) as cluster:
        leader = await cluster.leader()
        follower, _ = cluster.others(leader)
        await cluster.level()
        cluster.network.hold(lambda message: isinstance(message, ReadIndexResponse))
        asked = cluster[follower].service.get("first", b"k")
        await cluster.until(lambda: len(cluster.network.held) == 1)
        await cluster.crash(follower)
        assert isinstance(asked.exception(), NoLeader)
        index = cluster[leader].core.state.log.last_index + 1
        cluster.network.hold(
            lambda message: (
                isinstance(message, ReadIndexResponse)
                or (isinstance(message, AppendEntries) and message.commit >= index)
            )
        )
        cluster.start(follower)
        assert (await write(cluster, leader, b"k", b"1", "w")).success
        read = cluster[follower].service.get("second", b"k")
        await cluster.until(lambda: cluster[follower].reads._ticket is not None)
        cluster.network.release(lambda message: isinstance(message, ReadIndexResponse))
        await asyncio.wait([read], timeout=0.02)
        cluster.network.release()
        record = (await read).record
        assert record is not None, "the write had been acknowledged before the read began"
