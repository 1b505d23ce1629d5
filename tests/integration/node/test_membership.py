"""Members come and go while clients work.

Time is virtual: a sleep decides the order of events, and nobody really waits.
"""

import asyncio

import pytest

from kvorum.errors import Conflict, NoLeader, Rejected
from kvorum.raft.membership import AddLearner, Promote, Remove
from kvorum.raft.types import NodeId
from tests.integration.node.clients import assert_same_state, value, write
from tests.support.node_cluster import NodeCluster, cluster_of
from tests.support.virtual_time import in_virtual_time


async def add(cluster: NodeCluster, asked: NodeId, address: str) -> NodeId:
    """A new learner that runs."""
    view = await cluster[asked].service.change_members(AddLearner(address))
    [member] = [m for m in view.members if m.address == address]
    assert member.role == "learner"
    node = NodeId(member.member)
    cluster.join(node)
    return node


async def promote(cluster: NodeCluster, asked: NodeId, node: NodeId) -> None:
    """As soon as it has caught up."""
    async with asyncio.timeout(10):
        while True:
            try:
                await cluster[asked].service.change_members(Promote(node))
            except Conflict:
                await asyncio.sleep(0.05)
            else:
                return


@pytest.mark.parametrize("size", [1, 3])
@in_virtual_time
async def test_a_learner_is_added_through_any_node_catches_up_and_votes(size: int) -> None:
    async with cluster_of(size) as cluster:
        await cluster.leader()
        for number in range(30):
            await write(cluster, cluster.ids[0], b"k", b"%d" % number, f"w{number}")
        new = await add(cluster, cluster.ids[-1], "n9")
        await promote(cluster, cluster.ids[-1], new)
        view = cluster[new].service.members()
        assert {m.role for m in view.members} == {"voter"}
        assert len(view.members) == size + 1
        await assert_same_state(cluster)


@in_virtual_time
async def test_every_member_is_replaced_while_a_client_writes() -> None:
    async with cluster_of(3) as cluster:
        await cluster.leader()
        for written, old in enumerate(cluster.ids):
            asked = next(node for node in cluster.running if node != old)
            new = await add(cluster, asked, f"new-{old}")
            await promote(cluster, asked, new)
            await write(cluster, asked, b"count", b"%d" % written, f"w{written}")
            asked = next(node for node in cluster.running if node != old)
            await cluster[asked].service.change_members(Remove(old))
            await cluster.crash(old)
        await cluster.leader()
        survivor = next(iter(cluster.running))
        assert await value(cluster, survivor, b"count") == b"2"
        assert all("#" in node for node in cluster.running)
        await assert_same_state(cluster)


@in_virtual_time
async def test_the_leader_removes_itself_and_says_so() -> None:
    async with cluster_of(3) as cluster:
        leader = await cluster.leader()
        others = cluster.others(leader)
        await cluster[leader].service.change_members(Remove(leader))
        await cluster.until(lambda: cluster.agreed_leader(others))
        await cluster.until(lambda: cluster[leader].member.fence.reason)
        ready, why = cluster[leader].service.is_ready()
        assert not ready
        assert "removed from the cluster" in why
        with pytest.raises(Rejected, match="removed"):
            await cluster[leader].service.put("late", b"k", b"1")
        before = cluster[others[0]].core.state.term
        await asyncio.sleep(5)
        assert cluster[others[0]].core.state.term == before, "it does not campaign"
        await write(cluster, others[0], b"k", b"2", "w")


@in_virtual_time
async def test_a_removed_node_that_was_away_does_not_disturb() -> None:
    async with cluster_of(3) as cluster:
        leader = await cluster.leader()
        [gone, other] = cluster.others(leader)
        await cluster.crash(gone)
        await cluster[other].service.change_members(Remove(gone))
        term = cluster[leader].core.state.term
        cluster.start(gone)
        await asyncio.sleep(5)
        assert cluster[leader].core.state.term == term
        assert cluster.agreed_leader([leader, other]) == leader


@in_virtual_time
async def test_changes_that_make_no_sense_are_refused_with_a_reason() -> None:
    async with cluster_of(3) as cluster:
        leader = await cluster.leader()
        [one, two] = cluster.others(leader)
        for node in (leader, one):
            service = cluster[node].service
            with pytest.raises(Conflict, match="address"):
                await service.change_members(AddLearner(two))
            with pytest.raises(Conflict, match="no member"):
                await service.change_members(Remove(NodeId("nobody")))
            with pytest.raises(Conflict, match="voter already"):
                await service.change_members(Promote(two))
        for node in (one, two):
            await cluster[leader].service.change_members(Remove(node))
            await cluster.crash(node)
        with pytest.raises(Conflict, match="last voter"):
            await cluster[leader].service.change_members(Remove(leader))


@in_virtual_time
async def test_a_learner_that_lags_is_not_promoted() -> None:
    async with cluster_of(3) as cluster:
        leader = await cluster.leader()
        view = await cluster[leader].service.change_members(AddLearner("n9"))
        [learner] = [m.member for m in view.members if m.role == "learner"]
        with pytest.raises(Conflict, match="n9"):
            await cluster[leader].service.change_members(Promote(NodeId(learner)))


@in_virtual_time
async def test_without_a_leader_nothing_changes() -> None:
    async with cluster_of(3) as cluster:
        leader = await cluster.leader()
        [one, two] = cluster.others(leader)
        await cluster.crash(leader, one)
        await cluster.until(lambda: cluster[two].leadership.leader is None)
        with pytest.raises(NoLeader):
            await cluster[two].service.change_members(Remove(one))


@in_virtual_time
async def test_a_change_that_was_lost_is_not_answered_as_made() -> None:
    """A snapshot took the place of the entry: it tells nothing of what became of the change."""
    async with cluster_of(3, snapshot_entries=5, snapshot_keep_entries=0) as cluster:
        old = await cluster.leader()
        await cluster.level()
        others = cluster.others(old)
        cluster.network.isolate([old], others)
        asked = asyncio.ensure_future(cluster[old].service.change_members(AddLearner("n9")))
        await cluster.until(lambda: cluster.agreed_leader(others))
        new = await cluster.leader(others)
        await asyncio.sleep(1)  # nobody waits for a node that is away
        for number in range(40):
            await write(cluster, new, b"k", b"1", f"w{number}")
        assert cluster[new].core.state.log.base.index > cluster[old].core.state.log.last_index
        cluster.network.heal()
        view = await asked
        assert "n9" in [member.address for member in view.members], "it was asked for again"


@in_virtual_time
async def test_a_lost_disk_is_replaced_by_a_learner_that_inherits_the_vote() -> None:
    async with cluster_of(3) as cluster:
        leader = await cluster.leader()
        [lost, other] = cluster.others(leader)
        await cluster.level()
        await cluster.crash(lost)
        await asyncio.sleep(1)
        cluster[leader].member.upkeep.members.lost_disk(lost)
        await cluster.until(lambda: lost not in cluster[leader].core.membership.members)
        heir = cluster[leader].core.membership.at_address(lost)
        assert heir is not None
        assert heir != lost
        cluster.join(heir)
        await cluster.until(lambda: heir in cluster[leader].core.membership.voters)
        await cluster.until(lambda: not cluster[leader].core.membership.is_joint)
        await cluster.crash(other)
        await cluster.leader()
        await write(cluster, heir, b"k", b"1", "w")
