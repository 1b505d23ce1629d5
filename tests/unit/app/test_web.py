"""How many clients a process may have, and where it listens."""

import asyncio
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from litestar.types import ASGIApp, Receive, Scope, Send

from kvorum.app.http_protocol import HttpProtocol
from kvorum.app.web import allow_descriptors, bind, web_server
from kvorum.errors import StartError

INFINITE = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("soft", "hard", "clients", "raised_to"),
    [
        (256, 1024, 896, 1024),
        (64, 100, 1, 100),
        (1024, INFINITE, 896, None),
        (INFINITE, INFINITE, 1 << 20, None),
    ],
)
def test_descriptors_are_shared_out(
    soft: int,
    hard: int,
    clients: int,
    raised_to: int | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raised: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: raised.append(limits))
    assert allow_descriptors() == clients
    assert raised == ([] if raised_to is None else [(raised_to, raised_to)])


def test_localhost_is_bound_but_does_not_listen_yet() -> None:
    sockets = bind("localhost", 0)
    try:
        for bound in sockets:
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(bound.getsockname()[:2], timeout=1)
    finally:
        for bound in sockets:
            bound.close()


@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1"])
def test_an_address_of_another_machine_is_named(host: str) -> None:
    with pytest.raises(StartError, match=f"REST_ADDRESS {host}:8081"):
        bind(host, 8081)


async def _echo_size(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads the whole body, if the client lets it."""
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return
        size, more = size + len(message["body"]), message["more_body"]
    body = b"%d" % size
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    await send({"type": "http.response.body", "body": body, "more_body": False})


@asynccontextmanager
async def _impatient(
    patience_s: float, *, unread_s: float = 60.0, app: ASGIApp = _echo_size
) -> AsyncIterator[int]:
    """A server that waits so long for a request, and for a client to read; its port."""
    patience = {"PATIENCE_S": patience_s, "UNREAD_S": unread_s}
    impatient = type("Impatient", (HttpProtocol,), patience)
    server = web_server(app, connections_max=100, protocol=impatient)
    sockets = bind("127.0.0.1", 0)
    serving = asyncio.create_task(server.serve(sockets=sockets))
    while not server.started:  # noqa: ASYNC110 - the server offers no event
        await asyncio.sleep(0.001)
    yield sockets[0].getsockname()[1]
    server.should_exit = True
    await serving


@pytest.mark.parametrize(
    "beginning",
    [
        pytest.param(b"GET /slow HTTP/1.1\r\nhost: k", id="the head stalls"),
        pytest.param(b"PUT / HTTP/1.1\r\ncontent-length: 9\r\n\r\n", id="no body comes"),
        pytest.param(b"PUT / HTTP/1.1\r\ncontent-length: 9\r\n\r\nhalf", id="half a body comes"),
    ],
)
async def test_a_request_that_does_not_arrive_is_ended(beginning: bytes) -> None:
    async with _impatient(0.05) as port, asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(beginning)
        assert (await reader.read()).startswith(b"HTTP/1.1 408 ")
        writer.close()


async def test_a_request_in_pieces_and_an_idle_connection_are_left_alone() -> None:
    async with _impatient(30) as port, asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(2):
            for piece in (b"PUT / HTTP/1.1\r\nhost", b": k\r\ncontent-length: 4\r\n\r\n", b"body"):
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
            answer = await reader.readuntil(b"\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert await reader.readexactly(1) == b"4"
        writer.close()


class _Endless:
    """An answer that goes on as long as somebody takes it."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        left = asyncio.ensure_future(receive())
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while not left.done():
            await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
            await asyncio.sleep(0)
        assert (await left)["type"] == "http.disconnect"
        self.ended.set()


async def test_a_client_that_does_not_read_is_cut_off() -> None:
    endless = _Endless()
    async with _impatient(30, unread_s=0.5, app=endless) as port, asyncio.timeout(60):
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"GET / HTTP/1.1\r\nhost: k\r\n\r\n")
            await endless.ended.wait()
