"""Keys, ranges and transactions on three whole nodes: what one promises holds on the others.

Time is virtual, and every node has the whole front end: a request goes in as ASGI.
"""

import asyncio
from collections.abc import Iterable
from itertools import cycle
from typing import Any

import msgspec
from litestar.types import ASGIApp
from prometheus_client import CollectorRegistry

from kvorum.raft.types import NodeId
from kvorum.rest.app import create_app
from kvorum.rest.options import RestOptions
from tests.support.node_cluster import NodeCluster, cluster_of
from tests.support.virtual_time import in_virtual_time
from tests.unit.rest.asgi import JSON, Reply, call

Header = tuple[bytes, bytes]


class Front:
    """The front ends of the nodes that run."""

    def __init__(self, cluster: NodeCluster) -> None:
        self._cluster = cluster
        self._apps: dict[int, ASGIApp] = {}

    async def request(
        self, node: NodeId, method: str, target: str, body: Any = None, *headers: Header
    ) -> Reply:
        service = self._cluster[node].service
        app = self._apps.get(id(service))
        if app is None:
            options = RestOptions(version="0")
            app = create_app(service, options, registry=CollectorRegistry())
            self._apps[id(service)] = app
        encoded = b"" if body is None else msgspec.json.encode(body)
        return await call(app, method, target.encode(), headers=[JSON, *headers], body=encoded)

    async def put(self, node: NodeId, key: str, value: Any) -> None:
        reply = await self.request(node, "PUT", f"/key/{key}", {"value": value})
        assert reply.status == 200, reply.body

    async def fill(self, node: NodeId, keys: Iterable[str], value: Any) -> None:
        puts = [{"put": {"key": key, "value": value}} for key in keys]
        reply = await self.request(node, "POST", "/batch", {"operations": puts})
        assert reply.status == 200, reply.body


@in_virtual_time
async def test_the_pages_of_a_listing_fit_together_on_different_nodes() -> None:
    async with cluster_of(3) as cluster:
        front = Front(cluster)
        leader = await cluster.leader()
        wanted = [f"k{number:03}" for number in range(100)]
        await front.fill(leader, wanted, 0)
        nodes = cycle([leader, *cluster.others(leader)])
        found: list[dict[str, Any]] = []
        cursor, more, crashed = "", True, False
        while more:
            node = next(nodes)
            if node not in cluster.running:
                continue
            page = await front.request(node, "GET", f"/keys?prefix=k&limit=9&cursor={cursor}")
            assert page.status == 200, page.body
            found += page.json["items"]
            more, cursor = page.json["more"], page.json.get("cursor", "")
            await front.fill(node, [*wanted[::10], f"k{len(found):03}x"], len(found))
            if len(found) > 50 and not crashed:
                crashed = True
                await cluster.crash(leader)
                await cluster.leader()
        assert [item["key"] for item in found] == wanted
        assert {item["value"] for item in found} == {0}


@in_virtual_time
async def test_a_key_is_created_by_one_of_many() -> None:
    async with cluster_of(3) as cluster:
        front = Front(cluster)
        await cluster.leader()
        replies = await asyncio.gather(
            *(
                front.request(node, "PUT", "/key/one", {"value": number}, (b"if-none-match", b"*"))
                for number, node in enumerate(cluster.ids * 5)
            )
        )
        winners = [number for number, reply in enumerate(replies) if reply.status == 200]
        assert len(winners) == 1
        losers = [reply for reply in replies if reply.status != 200]
        assert {(reply.status, reply.json["modRevision"]) for reply in losers} == {(412, 1)}
        for node in cluster.ids:
            shown = (await front.request(node, "GET", "/key/one")).json
            assert (shown["value"], shown["modRevision"]) == (winners[0], 1)


@in_virtual_time
async def test_no_conditional_increment_is_lost() -> None:
    async with cluster_of(3) as cluster:
        front = Front(cluster)
        await front.put(await cluster.leader(), "count", 0)

        async def increment(node: NodeId) -> None:
            while True:
                read = await front.request(node, "GET", "/key/count")
                etag = read.headers[b"etag"]
                body = {"value": read.json["value"] + 1}
                reply = await front.request(node, "PUT", "/key/count", body, (b"if-match", etag))
                if reply.status == 200:
                    return
                assert reply.status == 412

        await asyncio.gather(*(increment(node) for node in cluster.ids * 6))
        shown = (await front.request(cluster.ids[0], "GET", "/key/count")).json
        assert (shown["value"], shown["version"]) == (18, 19)


@in_virtual_time
async def test_transfers_between_accounts_keep_the_sum() -> None:
    async with cluster_of(3) as cluster:
        front = Front(cluster)
        await front.fill(await cluster.leader(), "abc", 10)

        async def transfer(node: NodeId, payer: str, payee: str) -> None:
            while True:
                items = (await front.request(node, "GET", "/keys")).json["items"]
                held = {item["key"]: item for item in items}
                assert sum(item["value"] for item in items) == 30
                body = {
                    "compare": [
                        {"key": key, "target": "modRevision", "value": held[key]["modRevision"]}
                        for key in (payer, payee)
                    ],
                    "then": [
                        {"put": {"key": payer, "value": held[payer]["value"] - 1}},
                        {"put": {"key": payee, "value": held[payee]["value"] + 1}},
                        {"get": {"prefix": ""}},
                    ],
                }
                reply = (await front.request(node, "POST", "/txn", body)).json
                if reply["succeeded"]:
                    before = reply["results"][2]["get"]["items"]
                    assert sum(item["value"] for item in before) == 30
                    return

        pairs = cycle(["ab", "bc", "ca", "ba", "ac"])
        await asyncio.gather(
            *(transfer(node, *pair) for node, pair in zip(cluster.ids * 5, pairs, strict=False))
        )
        await cluster.level()
        for node in cluster.ids:
            page = (await front.request(node, "GET", "/keys?consistency=stale")).json
            assert sum(item["value"] for item in page["items"]) == 30


@in_virtual_time
async def test_a_repeated_transaction_is_answered_alike_by_another_node() -> None:
    async with cluster_of(3) as cluster:
        front = Front(cluster)
        leader = await cluster.leader()
        await front.put(leader, "a", 1)
        ident = (b"idempotency-key", b"once")
        body = {
            "compare": [{"key": "a", "target": "value", "value": 1}],
            "then": [{"put": {"key": "a", "value": 2}}, {"get": {"key": "a"}}],
            "else": [{"put": {"key": "a", "value": 3}}],
        }
        first = (await front.request(leader, "POST", "/txn", body, ident)).json
        await front.put(leader, "a", 4)
        for node in cluster.others(leader):
            again = (await front.request(node, "POST", "/txn", body, ident)).json
            for name in ("succeeded", "revision", "results", "requestId"):
                assert again[name] == first[name], name
        assert first["results"][1]["get"]["items"][0]["value"] == 1


@in_virtual_time
async def test_a_node_without_a_majority_refuses_and_changes_nothing() -> None:
    async with cluster_of(3) as cluster:
        front = Front(cluster)
        leader = await cluster.leader()
        await front.put(leader, "a", 1)
        await cluster.level()
        [lonely, _] = cluster.others(leader)
        cluster.network.isolate([lonely], cluster.others(lonely))
        requests = [
            ("GET", "/keys", None),
            ("GET", "/keys?countOnly", None),
            ("GET", "/key/a?revision=1", None),
            ("DELETE", "/keys?prefix=a", None),
            ("POST", "/txn", {"then": [{"put": {"key": "a", "value": 2}}]}),
            ("POST", "/batch", {"operations": [{"delete": {"key": "a"}}]}),
        ]
        for method, target, body in requests:
            reply = await front.request(lonely, method, target, body)
            assert reply.status in ((503,) if method == "GET" else (503, 504)), target
        stale = await front.request(lonely, "GET", "/keys?consistency=stale")
        assert [item["value"] for item in stale.json["items"]] == [1]
        shown = await front.request(leader, "GET", "/keys")
        assert [item["value"] for item in shown.json["items"]] == [1]


@in_virtual_time
async def test_a_lagging_node_does_not_know_a_revision_yet() -> None:
    async with cluster_of(3) as cluster:
        front = Front(cluster)
        leader = await cluster.leader()
        [lagging, _] = cluster.others(leader)
        await front.fill(leader, "ab", 1)
        await cluster.level()
        cluster.network.isolate([lagging], cluster.others(lagging))
        await front.put(leader, "a", 2)
        page = (await front.request(leader, "GET", "/keys?limit=1")).json
        behind = f"/keys?consistency=stale&cursor={page['cursor']}"
        assert (
            (await front.request(lagging, "GET", behind)).json["type"].endswith("future-revision")
        )
        cluster.network.heal()
        rest = (await front.request(lagging, "GET", f"/keys?cursor={page['cursor']}")).json
        assert [item["key"] for item in rest["items"]] == ["b"]
