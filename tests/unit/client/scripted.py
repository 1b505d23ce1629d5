"""The two clients over endpoints that answer as a test says, so that one test serves both."""

import asyncio
import inspect
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from kvorum.client import AsyncClient, Client

AnyClient = Any
"""A Client or an AsyncClient: what they return goes through :func:`settled`."""

Handler = Callable[[httpx.Request], httpx.Response]

KINDS = ("sync", "async")
ENDPOINTS = "http://a:1,http://b:2,http://c:3"


def make_client(
    kind: str, handler: Handler, endpoints: str = ENDPOINTS, **options: Any
) -> AnyClient:
    transport = httpx.MockTransport(handler)
    if kind == "sync":
        return Client(endpoints, transport=transport, **options)
    return AsyncClient(endpoints, transport=transport, **options)


async def settled(value: Any) -> Any:
    """The result of either client's call."""
    return await value if inspect.isawaitable(value) else value


async def listed(items: Any) -> list[Any]:
    """All of either client's iterator."""
    if hasattr(items, "__aiter__"):
        return [item async for item in items]
    return list(items)


async def first_of(items: Any) -> Any:
    """The next item of either client's iterator, None at its end; does not hold up the loop."""
    if hasattr(items, "__anext__"):
        return await anext(items, None)
    return await asyncio.to_thread(next, items, None)


@asynccontextmanager
async def entered(manager: Any) -> AsyncIterator[Any]:
    """``with`` or ``async with``; what may wait is done in a thread."""
    if hasattr(manager, "__aenter__"):
        async with manager as value:
            yield value
        return
    value = await asyncio.to_thread(manager.__enter__)
    try:
        yield value
    finally:
        await asyncio.to_thread(manager.__exit__, None, None, None)


async def is_set(event: threading.Event | asyncio.Event, within_s: float = 20.0) -> bool:
    """Whether it is set in time."""
    if isinstance(event, threading.Event):
        return await asyncio.to_thread(event.wait, within_s)
    try:
        return await asyncio.wait_for(event.wait(), within_s)
    except TimeoutError:
        return False


def ok(**fields: Any) -> httpx.Response:
    return httpx.Response(200, json={"isLeader": False, "leaderId": "", **fields})


def written(revision: int = 1) -> httpx.Response:
    return ok(revision=revision, requestId="r", success=True, message="success")


def refusal(status: int, kind: str, detail: str = "why", **fields: Any) -> httpx.Response:
    body = {"type": f"urn:kvorum:problem:{kind}", "detail": detail, "status": status, **fields}
    return httpx.Response(status, json=body)


class Log:
    """Answers by ``handler``, and remembers what was asked."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self._handler(request)

    @property
    def hosts(self) -> list[str]:
        return [request.url.host for request in self.requests]

    def header(self, name: str) -> list[str]:
        return [request.headers.get(name, "") for request in self.requests]


class Pieces(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that comes in pieces; an exception among them is raised."""

    def __init__(self, pieces: Iterable[bytes | Exception]) -> None:
        self._pieces = list(pieces)
        self.closes = 0

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece

    def close(self) -> None:
        self.closes += 1

    async def aclose(self) -> None:
        self.closes += 1


EVENT_STREAM = {"content-type": "text/event-stream; charset=utf-8"}


def streamed(*pieces: bytes | Exception) -> httpx.Response:
    return httpx.Response(200, headers=EVENT_STREAM, stream=Pieces(pieces))


def frame(event: str, *, last_id: int | None = None, **data: Any) -> bytes:
    head = "" if last_id is None else f"id: {last_id}\n"
    return f"{head}event: {event}\ndata: {json.dumps(data)}\n\n".encode()


def change(revision: int, key: str = "k") -> bytes:
    event = {"type": "put", "key": key, "value": revision, "modRevision": revision, "version": 1}
    return frame("change", last_id=revision, revision=revision, events=[event])


Settled = Callable[[Any], Awaitable[Any]]
