"""Locks and elections: one holder at a time, in the order of arrival, with growing tokens.

Time is virtual: a sleep decides the order of events, and nobody really waits.
"""

import asyncio

import pytest

from kvorum.errors import Conflict, InvalidRequest, LeaseNotFound
from kvorum.node.claims import Claims
from kvorum.raft.types import NodeId
from tests.support.node_cluster import NodeCluster, cluster_of
from tests.support.virtual_time import in_virtual_time

NAME = "jobs/nightly é"


async def leases(cluster: NodeCluster, node: NodeId, *names: str, ttl_s: int = 60) -> None:
    for name in names:
        await cluster[node].service.grant_lease(f"grant {name}", name, ttl_s * 1000)


def locks(cluster: NodeCluster, node: NodeId) -> Claims:
    return cluster[node].service.locks


@in_virtual_time
async def test_a_free_lock_is_held_at_once_and_asking_again_changes_nothing() -> None:
    async with cluster_of(3) as cluster:
        leader = await cluster.leader()
        await leases(cluster, leader, "a")
        first = await locks(cluster, leader).acquire(NAME, "a", b'"me"', wait_s=0)
        again = await locks(cluster, leader).acquire(NAME, "a", b'"me"', wait_s=0)
        assert first.is_held
        assert (again.token, again.is_held) == (first.token, True)
        holder = await locks(cluster, leader).holder(NAME)
        assert holder is not None
        assert (holder.lease, holder.value, holder.token) == ("a", b'"me"', first.token)
        assert await locks(cluster, leader).names(limit=10) == (NAME,)


@in_virtual_time
async def test_whoever_waits_gets_it_in_order_with_a_greater_token() -> None:
    async with cluster_of(3) as cluster:
        leader = await cluster.leader()
        everyone = [f"l{number}" for number in range(6)]
        await leases(cluster, leader, *everyone)
        order: list[tuple[str, int]] = []

        async def work(lease: str, node: NodeId) -> None:
            claim = await locks(cluster, node).acquire(NAME, lease, wait_s=50)
            assert claim.is_held
            order.append((lease, claim.token))
            await asyncio.sleep(0.2)
            assert order[-1][0] == lease, "nobody came in between"
            assert await locks(cluster, node).release(NAME, lease)

        tasks = []
        for number, lease in enumerate(everyone):
            tasks.append(asyncio.create_task(work(lease, cluster.ids[number % 3])))
            await asyncio.sleep(0.05)
        await asyncio.gather(*tasks)
        assert [lease for lease, _ in order] == everyone
        tokens = [token for _, token in order]
        assert tokens == sorted(set(tokens))
        assert await locks(cluster, leader).queue(NAME) == ()


@in_virtual_time
async def test_a_lease_that_ends_lets_the_next_one_in() -> None:
    async with cluster_of(3) as cluster:
        leader = await cluster.leader()
        await leases(cluster, leader, "short", ttl_s=2)
        await leases(cluster, leader, "long")
        first = await locks(cluster, leader).acquire(NAME, "short", wait_s=0)
        second = await locks(cluster, leader).acquire(NAME, "long", wait_s=10)
        assert second.is_held
        assert second.token > first.token
        assert not await locks(cluster, leader).release(NAME, "short")


@in_virtual_time
async def test_patience_ends_but_the_place_stays() -> None:
    async with cluster_of(3) as cluster:
        leader = await cluster.leader()
        await leases(cluster, leader, "a", "b", "c")
        await locks(cluster, leader).acquire(NAME, "a", wait_s=0)
        waiting = await locks(cluster, leader).acquire(NAME, "b", wait_s=0.5)
        third = await locks(cluster, leader).acquire(NAME, "c", wait_s=0)
        assert (waiting.position, third.position) == (1, 2)
        await locks(cluster, leader).release(NAME, "a")
        assert (await locks(cluster, leader).acquire(NAME, "c", wait_s=0)).position == 1
        again = await locks(cluster, leader).acquire(NAME, "b", wait_s=0)
        assert (again.is_held, again.token) == (True, waiting.token)


@in_virtual_time
async def test_without_a_queue_a_taken_lock_leaves_nothing_behind() -> None:
    async with cluster_of(3) as cluster:
        leader = await cluster.leader()
        await leases(cluster, leader, "a", "b")
        await locks(cluster, leader).acquire(NAME, "a", wait_s=0)
        with pytest.raises(Conflict, match="taken by lease a"):
            await locks(cluster, leader).acquire(NAME, "b", wait_s=5, queue=False)
        assert [claim.lease for claim in await locks(cluster, leader).queue(NAME)] == ["a"]


@in_virtual_time
async def test_a_claim_that_is_taken_away_while_it_waits_says_so() -> None:
    async with cluster_of(3) as cluster:
        leader = await cluster.leader()
        await leases(cluster, leader, "a", "b")
        await locks(cluster, leader).acquire(NAME, "a", wait_s=0)
        waiting = asyncio.create_task(locks(cluster, leader).acquire(NAME, "b", wait_s=50))
        await asyncio.sleep(0.5)
        await cluster[leader].service.revoke_lease("revoke", "b")
        await locks(cluster, leader).release(NAME, "a")
        with pytest.raises(Conflict, match="is gone"):
            await waiting


@in_virtual_time
async def test_leases_that_do_not_exist_claim_nothing() -> None:
    async with cluster_of(3) as cluster:
        leader = await cluster.leader()
        with pytest.raises(LeaseNotFound):
            await locks(cluster, leader).acquire(NAME, "nobody", wait_s=0)
        with pytest.raises(InvalidRequest, match="no id of a lease"):
            await locks(cluster, leader).acquire(NAME, "a/b", wait_s=0)


@in_virtual_time
async def test_only_the_one_who_leads_may_proclaim() -> None:
    async with cluster_of(3) as cluster:
        leader = await cluster.leader()
        elections = cluster[leader].service.elections
        await leases(cluster, leader, "a", "b")
        first = await elections.acquire(NAME, "a", b'"one"', wait_s=0)
        await elections.acquire(NAME, "b", b'"two"', wait_s=0)
        told = await elections.proclaim(NAME, "a", b'"still me"')
        assert told.token == first.token
        holder = await elections.holder(NAME)
        assert holder is not None
        assert holder.value == b'"still me"'
        with pytest.raises(Conflict):
            await elections.proclaim(NAME, "b", b'"me!"')
        assert await cluster[leader].service.locks.holder(NAME) is None, "locks are another thing"


@in_virtual_time
async def test_names_do_not_get_into_each_others_way() -> None:
    async with cluster_of(3) as cluster:
        leader = await cluster.leader()
        await leases(cluster, leader, "a", "b", "c")
        for name, lease in (("x", "a"), ("x/y", "b"), ("x0", "c")):
            assert (await locks(cluster, leader).acquire(name, lease, wait_s=0)).is_held
        assert set(await locks(cluster, leader).names(limit=10)) == {"x", "x/y", "x0"}
        first = await locks(cluster, leader).names(limit=1)
        rest = await locks(cluster, leader).names(first[0], limit=10)
        assert {*first, *rest} == {"x", "x/y", "x0"}


@in_virtual_time
async def test_a_queue_goes_on_while_leaders_change() -> None:
    async with cluster_of(3) as cluster:
        leader = await cluster.leader()
        [follower, _] = cluster.others(leader)
        await leases(cluster, follower, "a", "b", ttl_s=5)
        first = await locks(cluster, follower).acquire(NAME, "a", wait_s=0)
        waiting = asyncio.create_task(locks(cluster, follower).acquire(NAME, "b", wait_s=50))
        await asyncio.sleep(0.2)
        await cluster.crash(leader)
        await cluster.leader(list(cluster.running))
        for number in range(4):
            await asyncio.sleep(1.5)
            await cluster[follower].service.keep_alive(f"alive {number}", "b")
        second = await waiting
        assert second.is_held
        assert second.token > first.token


@in_virtual_time
async def test_keys_that_hang_on_no_lease_are_no_claims() -> None:
    """Otherwise whoever makes one by mistake holds a lock that never ends."""
    async with cluster_of(3) as cluster:
        leader = await cluster.leader()
        await leases(cluster, leader, "a")
        service = cluster[leader].service
        await service.put("stray", service.locks.stem(NAME) + b"nobody", b"1")
        claim = await service.locks.acquire(NAME, "a", wait_s=0)
        assert claim.is_held
        holder = await service.locks.holder(NAME)
        assert holder is not None
        assert holder.lease == "a"
