"""A data directory that was lost does not come back as somebody who votes (§3.8).

Time is virtual: a sleep decides the order of events, and nobody really waits.
"""

import asyncio

import pytest

from kvorum.errors import Conflict
from kvorum.raft.membership import AddLearner, Promote, address_of
from kvorum.raft.messages import Message, Propose
from tests.integration.node.clients import write
from tests.support.node_cluster import NodeCluster, cluster_of
from tests.support.virtual_time import in_virtual_time

NEW = "n9"


def _from_newcomer(message: Message) -> bool:
    """Among them is the entry by which it introduces itself."""
    return isinstance(message, Propose) and address_of(message.sender) == NEW


async def _is_caught_up(cluster: NodeCluster) -> None:
    await cluster.level()
    await asyncio.sleep(1)


@in_virtual_time
async def test_a_learner_that_nobody_knows_yet_is_not_promoted() -> None:
    """Else an empty directory could be given the id of a voter."""
    async with cluster_of(3) as cluster:
        leader = await cluster.leader()
        cluster.network.hold(_from_newcomer)
        await cluster[leader].service.change_members(AddLearner(NEW))
        learner = cluster[leader].core.membership.at_address(NEW)
        assert learner is not None
        cluster.join(learner)
        await _is_caught_up(cluster)
        with pytest.raises(Conflict, match="has not introduced itself yet"):
            await cluster[leader].service.change_members(Promote(learner))
        cluster.network.release()
        await cluster.until(lambda: learner in cluster[leader].machine.members)
        await cluster[leader].service.change_members(Promote(learner))
        await write(cluster, learner, b"k", b"1", "w")


@in_virtual_time
async def test_an_heir_that_nobody_knows_yet_does_not_vote() -> None:
    async with cluster_of(3) as cluster:
        leader = await cluster.leader()
        [lost, _] = cluster.others(leader)
        await cluster.level()
        await cluster.crash(lost)
        await asyncio.sleep(1)
        cluster[leader].member.upkeep.members.lost_disk(lost)
        await cluster.until(lambda: lost not in cluster[leader].core.membership.members)
        heir = cluster[leader].core.membership.at_address(lost)
        assert heir is not None
        cluster.network.hold(lambda m: isinstance(m, Propose) and m.sender == heir)
        cluster.join(heir)
        await _is_caught_up(cluster)
        assert heir in cluster[leader].core.membership.heirs
        cluster.network.release()
        await cluster.until(lambda: heir in cluster[leader].core.membership.voters)
