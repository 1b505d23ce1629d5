"""What clients do while dashboards and alerts are watched: some of everything, not much of it."""

import asyncio
import itertools
import json
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import suppress
from typing import Any

import grpc.aio
import httpx
from grpc_health.v1 import health_pb2, health_pb2_grpc

PAUSE_S = 0.03
WATCH_S = 1.0


class Load:
    """Clients of the nodes at ``rest`` and ``peers`` (host:port), until cancelled.

    Whatever a node answers, or that it does not, is part of the story.
    """

    def __init__(
        self, rest: Mapping[int, str], peers: Mapping[int, str], *, clients: int = 1
    ) -> None:
        """``clients``: that read and write, for each node."""
        self._rest = rest
        self._peers = peers
        self._clients = clients

    async def run(self) -> None:
        async with httpx.AsyncClient(timeout=5.0) as client, asyncio.TaskGroup() as clients:
            for node in self._rest:
                for _ in range(self._clients):
                    clients.create_task(self._forever(self._keys(client, node)))
                clients.create_task(self._forever(self._watches(client, node)))
                clients.create_task(self._forever(self._health_checks(node)))

    async def _forever(self, turns: "Turns") -> None:
        for turn in turns:
            with suppress(httpx.TransportError, grpc.aio.AioRpcError):
                await turn
            await asyncio.sleep(PAUSE_S)  # a client's pace, nothing is awaited by it

    def _keys(self, client: httpx.AsyncClient, node: int) -> "Turns":
        for number in itertools.count():
            key = f"http://{self._rest[node]}/key/load/{node}/{number % 50}"
            yield client.put(key, json={"value": {"number": number}})
            yield client.get(key)
            if number % 10 == 0:
                yield client.post(f"http://{self._rest[node]}/txn", json=_transaction(node))

    def _watches(self, client: httpx.AsyncClient, node: int) -> "Turns":
        while True:
            yield self._watch(client, node)

    async def _watch(self, client: httpx.AsyncClient, node: int) -> None:
        """For a second, then the reader has enough."""
        with suppress(TimeoutError):
            async with (
                asyncio.timeout(WATCH_S),
                client.stream("GET", f"http://{self._rest[node]}/watch?prefix=load/") as events,
            ):
                async for _ in events.aiter_lines():
                    pass

    def _health_checks(self, node: int) -> "Turns":
        while True:
            yield self._health_check(node)

    async def _health_check(self, node: int) -> None:
        async with grpc.aio.insecure_channel(self._peers[node]) as channel:
            health: Any = health_pb2_grpc.HealthStub(channel)  # its types know no asyncio
            await health.Check(health_pb2.HealthCheckRequest())


Turns = Iterator[Coroutine[Any, Any, object]]


def _transaction(node: int) -> Mapping[str, Any]:
    return {"then": [{"put": {"key": f"load/{node}/txn", "value": 1}}]}


async def prepare(url: str, now_s: float) -> None:
    """A lease, and what ``kvorum backup`` leaves behind."""
    backup = {"time": now_s, "revision": 1, "bytes": 1000, "name": "test"}
    async with httpx.AsyncClient(base_url=url, timeout=10.0) as client:
        answers = [
            await client.post("/leases", json={"ttlSeconds": 600}),
            await client.put("/key/_backups%2Flast", json={"value": backup}),
        ]
    assert all(answer.is_success for answer in answers), json.dumps([a.text for a in answers])
