"""Calls an ASGI app with exact bytes: no client library that tidies up paths and headers."""

from collections.abc import Iterable, Sequence
from typing import Any, cast
from urllib.parse import unquote

import msgspec
from litestar.types import ASGIApp, HTTPScope, Message, ReceiveMessage
from msgspec import Struct

JSON = (b"content-type", b"application/json")


class Reply(Struct):
    status: int
    headers: dict[bytes, bytes]
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)


def http_scope(
    method: str, target: bytes, headers: Iterable[tuple[bytes, bytes]] = ()
) -> HTTPScope:
    """As uvicorn makes it: ``raw_path`` as sent, ``path`` decoded."""
    raw_path, _, query = target.partition(b"?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(raw_path.decode("latin-1")),
        "raw_path": raw_path,
        "query_string": query,
        "root_path": "",
        "headers": [(b"host", b"localhost:8081"), *headers],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8081),
        "state": {},
    }
    return cast("HTTPScope", scope)


async def call(
    app: ASGIApp,
    method: str,
    target: bytes,
    *,
    headers: Iterable[tuple[bytes, bytes]] = (),
    body: bytes | Sequence[bytes] = b"",
) -> Reply:
    """One request; a body given in pieces arrives in pieces, without Content-Length."""
    pieces = [body] if isinstance(body, bytes) else list(body)
    all_headers = list(headers)
    if isinstance(body, bytes) and body:
        all_headers.append((b"content-length", b"%d" % len(body)))
    sent: list[Message] = []

    async def receive() -> ReceiveMessage:
        if not pieces:
            return {"type": "http.disconnect"}
        piece = pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(http_scope(method, target, all_headers), receive, send)
    return _reply(sent)


def _reply(sent: list[Message]) -> Reply:
    start, *rest = sent
    assert start["type"] == "http.response.start"
    body = b""
    for message in rest:
        assert message["type"] == "http.response.body"
        body += message["body"]
    headers = list(start["headers"])
    assert len(dict(headers)) == len(headers), "a header is sent twice"
    return Reply(start["status"], dict(headers), body)
