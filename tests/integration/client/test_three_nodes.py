"""Both clients while nodes are killed: nothing lost, nothing twice, nobody stuck."""

import asyncio
import threading
from typing import Any

from kvorum.client import AsyncClient, Client
from tests.integration.client.three_nodes import ThreeNodes
from tests.unit.client.scripted import entered, first_of, is_set, settled

SECOND_HALF = 300  # writes under two nodes
TTL_S = 6  # longer than any election here should take


def client_of(kind: str, cluster: ThreeNodes) -> Any:
    made = Client if kind == "sync" else AsyncClient
    return made(cluster.endpoints, timeout_s=60, attempt_timeout_s=2)


async def test_counting_up_through_the_death_of_the_leader(
    kind: str, three_nodes: ThreeNodes
) -> None:
    """Each write adds one to what it read; one that was done twice or not at all would show."""
    name, enough = f"n-{kind}", threading.Event()
    seen: list[int] = []
    async with (
        entered(client_of(kind, three_nodes)) as client,
        entered(client.watch(name, heartbeat_s=1)) as changes,
    ):
        counting = asyncio.create_task(_count(client, name, enough))
        await _read(changes, seen, 50)
        await asyncio.to_thread(three_nodes.kill, await asyncio.to_thread(three_nodes.leader))
        await _read(changes, seen, seen[-1] + SECOND_HALF)
        await asyncio.to_thread(three_nodes.heal)
        await _read(changes, seen, seen[-1] + 50)
        enough.set()
        last = await asyncio.wait_for(counting, 60)
        await _read(changes, seen, last)
        assert seen == list(range(1, last + 1))
        assert await settled(client.value(name)) == last


async def _read(changes: Any, seen: list[int], until: int) -> None:
    while not seen or seen[-1] < until:
        change = await asyncio.wait_for(first_of(changes), 60)
        seen.append(change.events[0].item.value)


async def _count(client: Any, name: str, enough: threading.Event) -> int:
    """The last number that it wrote."""
    if isinstance(client, Client):
        return await asyncio.to_thread(_count_in_thread, client, name, enough)
    await client.put(name, number := 1)
    while not enough.is_set():
        await client.cas(name, number, number + 1)
        number += 1
    return number


def _count_in_thread(client: Client, name: str, enough: threading.Event) -> int:
    client.put(name, number := 1)
    while not enough.is_set():
        client.cas(name, number, number + 1)
        number += 1
    return number


async def test_a_lock_outlives_the_leader(kind: str, three_nodes: ThreeNodes) -> None:
    async with entered(client_of(kind, three_nodes)) as client:
        async with entered(client.lock("l", ttl_s=TTL_S)) as lock:
            await asyncio.to_thread(three_nodes.kill, three_nodes.leader())
            assert not await is_set(lock.lost, TTL_S + 1)
            async with entered(client_of(kind, three_nodes)) as other:
                holder = (await settled(other.locks.show("l"))).holder
                assert (holder.token, holder.lease) == (lock.token, lock.lease_id)
        assert (await settled(client.locks.show("l"))).holder is None


async def test_the_leader_is_found_and_followed(kind: str, three_nodes: ThreeNodes) -> None:
    async with entered(client_of(kind, three_nodes)) as client:
        for number in range(6):
            await settled(client.put("k", number))
        leader = three_nodes.leader()
        assert client.router.leader.endswith(leader.environ["REST_ADDRESS"])
        await asyncio.to_thread(three_nodes.kill, leader)
        for number in range(6):
            await settled(client.put("k", number))
        leader = three_nodes.leader()
        assert client.router.leader.endswith(leader.environ["REST_ADDRESS"])
