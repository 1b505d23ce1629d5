"""The REST of several nodes at once, in virtual time: what one does, the others tell."""

import asyncio
import json
from typing import Any

from litestar.types import ASGIApp
from prometheus_client import CollectorRegistry

from kvorum.raft.types import NodeId
from kvorum.rest.app import create_app
from kvorum.rest.options import RestOptions
from tests.support.node_cluster import NodeCluster, cluster_of
from tests.support.virtual_time import in_virtual_time
from tests.unit.rest.asgi import JSON, call
from tests.unit.rest.stream_client import StreamClient, streaming

OPTIONS = RestOptions(version="0.1.0")


def app_of(cluster: NodeCluster, node: NodeId) -> ASGIApp:
    return create_app(cluster[node].service, OPTIONS, registry=CollectorRegistry())


async def send(app: ASGIApp, method: str, target: bytes, body: Any = None) -> Any:
    data = b"" if body is None else json.dumps(body).encode()
    reply = await call(app, method, target, headers=[JSON], body=data)
    assert reply.status < 300, reply.body
    return reply.json


async def put_in_the_end(app: ASGIApp, key: str, value: object) -> None:
    """Under one id, however often it takes."""
    headers = [JSON, (b"idempotency-key", key.encode())]
    body = json.dumps({"value": value}).encode()
    for _ in range(1000):
        if (
            await call(app, "PUT", f"/key/{key}".encode(), headers=headers, body=body)
        ).status < 300:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{key} was never written")


async def changes(client: StreamClient, count: int) -> list[tuple[str | None, str]]:
    """Ids and keys of so many events."""
    told = list[tuple[str | None, str]]()
    while len(told) < count:
        event = await client.event()
        if event.event == "change":
            told += [(event.last_id, one["key"]) for one in event.data["events"]]
    return told


@in_virtual_time
async def test_followers_serve_watches() -> None:
    async with cluster_of(3) as cluster:
        leader = await cluster.leader()
        apps = {node: app_of(cluster, node) for node in cluster.ids}
        first, second = cluster.others(leader)
        async with (
            streaming(apps[first], b"/watch?prefix=") as one,
            streaming(apps[second], b"/watch?prefix=") as other,
        ):
            await one.event()
            await other.event()
            for number in range(10):
                await send(apps[cluster.ids[number % 3]], "PUT", b"/key/%d" % number, {"value": 1})
            expected = [(str(number + 1), str(number)) for number in range(10)]
            assert await changes(one, 10) == expected
            assert await changes(other, 10) == expected


@in_virtual_time
async def test_a_watch_outlives_the_leader_without_gap_or_repetition() -> None:
    async with cluster_of(3, seed=5) as cluster:
        leader = await cluster.leader()
        follower = cluster.others(leader)[0]
        app = app_of(cluster, follower)
        async with streaming(app, b"/watch?prefix=") as client:
            await client.event()
            writing = asyncio.create_task(_write_all(app, 40))
            told = await changes(client, 10)
            await cluster.crash(leader)
            told += await changes(client, 30)
            await writing
        assert [int(last_id or 0) for last_id, _ in told] == list(range(1, 41))
        assert [key for _, key in told] == [f"k{number}" for number in range(40)]


async def _write_all(app: ASGIApp, count: int) -> None:
    for number in range(count):
        await put_in_the_end(app, f"k{number}", number)


@in_virtual_time
async def test_a_reader_goes_on_at_another_node() -> None:
    async with cluster_of(3, seed=2) as cluster:
        await cluster.leader()
        apps = [app_of(cluster, node) for node in cluster.ids]
        for number in range(6):
            await send(apps[0], "PUT", b"/key/%d" % number, {"value": 1})
        async with streaming(apps[1], b"/watch?prefix=&fromRevision=1") as client:
            told = await changes(client, 3)
        last_id = (told[-1][0] or "").encode()
        async with streaming(apps[2], b"/watch?prefix=", (b"last-event-id", last_id)) as client:
            told += await changes(client, 3)
        assert [key for _, key in told] == [str(number) for number in range(6)]


@in_virtual_time
async def test_a_lock_passes_on_when_its_holder_is_silent() -> None:
    async with cluster_of(3, seed=3) as cluster:
        leader = await cluster.leader()
        followers = cluster.others(leader)
        first, second = (app_of(cluster, node) for node in followers)
        held = await send(first, "POST", b"/locks/n", {"ttlSeconds": 3})
        waiting = StreamClient(
            second,
            "POST",
            b"/locks/n",
            headers=[JSON],
            body=b'{"ttlSeconds":60,"waitSeconds":60}',
        )
        await cluster.until(
            lambda: cluster[cluster.others(leader)[1]].service.store_info().watchers
        )
        await cluster.crash(leader)
        await cluster.until(lambda: waiting.is_complete, timeout_s=30)
        answer = json.loads(await waiting.end())
        assert answer["held"] is True
        assert answer["token"] > held["token"]


@in_virtual_time
async def test_observers_on_every_node_see_the_same_leaders() -> None:
    async with cluster_of(3, seed=4) as cluster:
        await cluster.leader()
        apps = [app_of(cluster, node) for node in cluster.ids]
        path = b"/elections/n"
        async with (
            streaming(apps[0], path + b"/observe") as one,
            streaming(apps[1], path + b"/observe") as other,
        ):
            claims = [await send(app, "POST", path, {"ttlSeconds": 100}) for app in apps]
            leases = [claim["lease"] for claim in claims]
            for lease in leases:
                await send(apps[2], "DELETE", path + b"?lease=" + lease.encode())
            for client in (one, other):
                told = [(await client.event()).data["leader"] for _ in range(5)]
                assert [leader and leader["lease"] for leader in told] == [None, *leases, None]


@in_virtual_time
async def test_compaction_shows_everywhere() -> None:
    async with cluster_of(3, seed=6) as cluster:
        leader = await cluster.leader()
        follower = cluster.others(leader)[0]
        app = app_of(cluster, follower)
        for number in range(6):
            await send(app, "PUT", b"/key/k", {"value": number})
        assert (await send(app, "POST", b"/compact", {"revision": 4}))["compactedRevision"] == 4
        await cluster.level()
        reply = await call(app_of(cluster, leader), "GET", b"/watch?key=k&fromRevision=2")
        assert (reply.status, reply.json["oldestRevision"]) == (410, 5)
