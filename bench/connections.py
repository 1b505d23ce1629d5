"""HTTP/1.1 on bare sockets, for loads that wrk cannot make: paced, or timed one by one.

The client shares the processors with the nodes, hence protocols and httptools instead of a client
library. One request at a time on a connection.
"""

import asyncio
import time
from asyncio import Transport
from collections.abc import Iterable, Iterator
from typing import cast

import httptools
from msgspec import Struct

from bench.systems import HOST


class Done(Struct, frozen=True, gc=False):
    """One request: when it was sent, and how it ended. ``status`` 0: the connection broke."""

    sent_s: float
    answered_s: float
    status: int

    @property
    def took_s(self) -> float:
        return self.answered_s - self.sent_s


class Connection(asyncio.Protocol):
    """To one node. ``is_open`` is False from the moment it breaks."""

    def __init__(self) -> None:
        self.is_open = False
        self._transport: Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[int] | None = None

    @classmethod
    async def open(cls, port: int) -> "Connection":
        """Raises ``OSError``."""
        _, connection = await asyncio.get_running_loop().create_connection(cls, HOST, port)
        return connection

    async def send(self, request: bytes) -> Done:
        """Send and wait for the whole answer."""
        assert self._answer is None, "one request at a time"
        assert self._transport is not None, "it was opened"
        sent_s = time.monotonic()
        if not self.is_open:
            return Done(sent_s, sent_s, 0)
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        try:
            status = await self._answer
        finally:
            self._answer = None
        return Done(sent_s, time.monotonic(), status)

    def close(self) -> None:
        self.is_open = False
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's.
        self._transport, self.is_open = cast("Transport", transport), True

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        self._end(self._parser.get_status_code())
        if not self._parser.should_keep_alive():
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's interface
        self.is_open = False
        self._end(0)

    def _end(self, status: int) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(status)


async def send_all(port: int, requests: Iterable[bytes], connections: int) -> list[Done]:
    """All requests, on so many connections, in no order; stops at the first that is not 200."""
    waiting: Iterator[bytes] = iter(requests)
    done: list[Done] = []

    async def worker() -> None:
        connection = await Connection.open(port)
        try:
            for request in waiting:
                ended = await connection.send(request)
                if ended.status != 200:
                    raise RuntimeError(f"a request was answered {ended.status}")
                done.append(ended)
        finally:
            connection.close()

    async with asyncio.TaskGroup() as workers:
        for _ in range(connections):
            workers.create_task(worker())
    return done
