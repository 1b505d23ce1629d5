"""A small HTTP/1.1 client that tells a request that was never sent from one that may have arrived.

That difference decides what a history may say of a write, and libraries hide it behind their
pools. Connections are kept open, one a node; a client sends one request at a time.
"""

import asyncio
import json
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from msgspec import Struct


class NotSent(Exception):
    """No connection: the node certainly did not see this request."""


class Broken(Exception):
    """No complete answer came: the request may have arrived or not."""


class Answer(Struct, frozen=True):
    status: int
    body: Mapping[str, Any]  # empty if the answer is not a JSON object
    text: str = ""


_Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class RestClient:
    """One client's connections to the nodes, by their number."""

    def __init__(self, addresses: Mapping[int, tuple[str, int]]) -> None:
        self._addresses = addresses
        self._connections: dict[int, _Connection] = {}

    async def ask(
        self,
        node: int,
        method: str,
        path: str,
        body: object = None,
        *,
        request_id: str = "",
        timeout_s: float = 5.0,
    ) -> Answer:
        """Raises :class:`NotSent`, :class:`Broken`."""
        try:
            async with asyncio.timeout(timeout_s):
                reader, writer = await self._connected(node)
        except (OSError, TimeoutError) as error:
            raise NotSent(repr(error)) from error
        try:
            async with asyncio.timeout(timeout_s):
                writer.write(self._request(node, method, path, body, request_id))
                await writer.drain()
                return await self._answer(node, reader)
        except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError) as error:
            self._drop(node)
            raise Broken(repr(error)) from error
        except BaseException:
            self._drop(node)  # an answer that nobody read must not answer the next request
            raise

    async def _connected(self, node: int) -> _Connection:
        connection = self._connections.get(node)
        if connection is None or connection[0].at_eof() or connection[1].is_closing():
            self._drop(node)
            connection = await asyncio.open_connection(*self._addresses[node])
            self._connections[node] = connection
        return connection

    def _request(self, node: int, method: str, path: str, body: object, request_id: str) -> bytes:
        content = b"" if body is None else json.dumps(body).encode()
        head = [f"{method} {path} HTTP/1.1", f"Host: {self._addresses[node][0]}"]
        if body is not None:
            head += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
        if request_id:
            head.append(f"Idempotency-Key: {request_id}")
        return "\r\n".join([*head, "", ""]).encode() + content

    async def _answer(self, node: int, reader: asyncio.StreamReader) -> Answer:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        fields = dict(line.lower().split(":", 1) for line in head[1:] if line)
        content = await reader.readexactly(int(fields.get("content-length", "0")))
        if fields.get("connection", "").strip() == "close":
            self._drop(node)
        body = json.loads(content) if "json" in fields.get("content-type", "") else {}
        status = int(head[0].split(" ")[1])
        return Answer(status, body if isinstance(body, dict) else {}, content.decode())

    def _drop(self, node: int) -> None:
        connection = self._connections.pop(node, None)
        if connection is not None:
            connection[1].transport.abort()

    def close(self) -> None:
        for node in tuple(self._connections):
            self._drop(node)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
