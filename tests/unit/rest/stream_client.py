"""A client of answers that last: reads event by event, stops reading, leaves."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from litestar.types import ASGIApp, HTTPScope, Message, ReceiveMessage
from msgspec import Struct

from tests.unit.rest.asgi import http_scope

PATIENCE_S = 10.0


class StreamEvent(Struct, frozen=True):
    """A block of the stream as it was sent; ``data`` decoded, None for a comment."""

    event: str
    data: Any
    last_id: str | None = None
    comment: str = ""


class StreamClient:
    """One request whose answer is read while it is made."""

    def __init__(
        self,
        app: ASGIApp,
        method: str,
        target: bytes,
        *,
        headers: Iterable[tuple[bytes, bytes]] = (),
        body: bytes = b"",
    ) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.is_complete = False
        self._received = b""
        self._body: bytes | None = body
        self._left = asyncio.Event()
        self._reading = asyncio.Event()
        self._reading.set()
        self._news = asyncio.Condition()
        scope = http_scope(method, target, headers)
        self.task: asyncio.Task[None] = asyncio.create_task(self._run(app, scope))

    # --- the server's side ---------------------------------------------------------------

    async def _run(self, app: ASGIApp, scope: HTTPScope) -> None:
        await app(scope, self._receive, self._send)

    async def _receive(self) -> ReceiveMessage:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        await self._reading.wait()
        async with self._news:
            if message["type"] == "http.response.start":
                self.status, self.headers = message["status"], dict(message["headers"])
            elif message["type"] == "http.response.body":
                self._received += message["body"]
                self.is_complete = not message["more_body"]
            self._news.notify_all()

    # --- the client's side ---------------------------------------------------------------

    def leave(self) -> None:
        self._left.set()

    def stop_reading(self) -> None:
        """What the server sends from now on waits."""
        self._reading.clear()

    def read_on(self) -> None:
        self._reading.set()

    async def begin(self) -> None:
        """The answer has begun, or there will be none."""
        async with asyncio.timeout(PATIENCE_S), self._news:
            await self._news.wait_for(lambda: self.status or self.task.done())

    async def received(self) -> bytes:
        """What has come and was not read yet; something at least."""
        async with asyncio.timeout(PATIENCE_S), self._news:
            await self._news.wait_for(lambda: self._received)
        return self._received

    async def event(self) -> StreamEvent:
        """The next event or comment."""
        async with asyncio.timeout(PATIENCE_S), self._news:
            await self._news.wait_for(lambda: b"\n\n" in self._received or self.is_complete)
        assert b"\n\n" in self._received, f"the stream ended: {self._received!r}"
        block, _, self._received = self._received.partition(b"\n\n")
        return _parsed(block.decode())

    async def end(self) -> bytes:
        """What comes until the answer is complete."""
        async with asyncio.timeout(PATIENCE_S), self._news:
            await self._news.wait_for(lambda: self.is_complete)
        await self.task
        return self._received

    async def done(self) -> None:
        """The server has nothing more to do for this request."""
        async with asyncio.timeout(PATIENCE_S):
            await self.task


def _parsed(block: str) -> StreamEvent:
    fields: dict[str, str] = {}
    comment = ""
    for line in block.split("\n"):
        name, _, value = line.partition(": ")
        if name:
            fields[name] = value
        else:
            comment = value
    data = json.loads(fields["data"]) if "data" in fields else None
    return StreamEvent(fields.get("event", ""), data, fields.get("id"), comment)


@asynccontextmanager
async def streaming(
    app: ASGIApp, target: bytes, *headers: tuple[bytes, bytes]
) -> AsyncIterator[StreamClient]:
    """A GET whose answer has begun; the client leaves at the end, and the server notices."""
    client = StreamClient(app, "GET", target, headers=headers)
    try:
        await client.begin()
        yield client
    finally:
        client.leave()
        client.read_on()
        await client.done()
