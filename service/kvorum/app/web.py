"""The HTTP server around the REST app: sockets of our own, uvicorn inside our event loop."""

import asyncio
import errno
import resource
import socket
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import uvicorn
from litestar.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from kvorum.errors import StartError

_BACKLOG = 2048
HEAD_BYTES_MAX = 128 << 10
_OFFER_OF_HTTP_2 = b"\r\nUpgrade: h2c"
_HEAD_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)
_TIMED_OUT = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_CONNECTIONS_MAX = 1 << 20
_DESCRIPTORS_RESERVED = 128
"""For the log, the peers and whatever else must not fail because clients are many."""
_GRACE_S = 1
_USER_TIMEOUT: int | None = getattr(socket, "TCP_USER_TIMEOUT", None)


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's, with four amendments.

    A request that has not arrived as a whole within ``PATIENCE_S`` is ended (408, RFC 9110
    §15.5.9); one that comes in a single piece, as nearly all do, costs no timer. A
    connection whose request line and headers never end is ended (431, RFC 6585): the
    parser would collect them without bound, and ever more slowly. And an offer to change
    to HTTP/2 is ignored, as RFC 9110 §7.8 allows: the parser would take the body for
    something else. A client that takes nothing of its answer for ``UNREAD_S``, or is gone
    without a word, is cut off by the kernel (TCP_USER_TIMEOUT, where there is one): what waits
    for it would stay in memory for ever.
    """

    PATIENCE_S = 30.0
    UNREAD_S = 60.0

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._deadline: asyncio.TimerHandle | None = None
        self._in_head = False
        self._in_message = False
        self._head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        connection = transport.get_extra_info("socket")
        if connection is not None and _USER_TIMEOUT is not None:
            unread_ms = round(self.UNREAD_S * 1000)
            connection.setsockopt(socket.IPPROTO_TCP, _USER_TIMEOUT, unread_ms)

    def on_message_begin(self) -> None:
        self._in_head, self._in_message, self._head_bytes = True, True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_message = False
        self._forget_deadline()
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self._in_message and _OFFER_OF_HTTP_2 in data:
            head, end, rest = data.partition(b"\r\n\r\n")
            data = head.replace(_OFFER_OF_HTTP_2, b"") + end + rest
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX:
                self._end(_HEAD_TOO_LARGE)
        if self._in_message and self._deadline is None and not self.transport.is_closing():
            self._deadline = self.loop.call_later(self.PATIENCE_S, self._give_up)

    def _give_up(self) -> None:
        self._deadline = None
        answered = not self._in_head and self.cycle.response_started
        self._end(b"" if answered else _TIMED_OUT)

    def _end(self, answer: bytes) -> None:
        self._forget_deadline()
        if not self.transport.is_closing():
            self.transport.write(answer)
            self.transport.close()

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class WebServer(uvicorn.Server):
    """Leaves signals to the process that it is a part of."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def allow_descriptors() -> int:
    """Raise the soft limit on open files to the hard one; how many clients that leaves."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:  # no number to raise it to
        return _CONNECTIONS_MAX if soft == hard else max(1, soft - _DESCRIPTORS_RESERVED)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return max(1, hard - _DESCRIPTORS_RESERVED)


def web_server(app: ASGIApp, *, connections_max: int) -> WebServer:
    """A server that waits for :meth:`serve`; setting ``should_exit`` stops it gracefully.

    Beyond ``connections_max`` clients are answered 503 and sent away.
    """
    config = uvicorn.Config(
        app,
        loop="none",
        http=HttpProtocol,
        limit_concurrency=connections_max,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=_GRACE_S,
    )
    return WebServer(config)


def bind(host: str, port: int) -> list[socket.socket]:
    """Bound sockets on every address that ``host`` has; the server lets them listen later.

    So a port in use is noticed at once, and nobody is connected to a node that is still
    reading its log. Raises ``StartError``.
    """
    address = f"{host}:{port}"
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise StartError(f"REST_ADDRESS {address} cannot be resolved: {error.strerror}") from error
    sockets: list[socket.socket] = []
    try:
        for family, _, _, _, target in dict.fromkeys(found):
            listening = _listen(family, target)
            if listening is not None:
                sockets.append(listening)
    except OSError as error:
        for bound in sockets:
            bound.close()
        raise StartError(_bind_problem(address, error)) from error
    if not sockets:
        raise StartError(f"REST_ADDRESS {address} is not an address of this machine")
    return sockets


def _listen(family: int, target: tuple[Any, ...]) -> socket.socket | None:
    """None if the machine does not have this address family (often: no IPv6)."""
    try:
        listening = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        if error.errno == errno.EAFNOSUPPORT:
            return None
        raise
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind(target)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRNOTAVAIL:
            return None
        raise
    return listening


def _bind_problem(address: str, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"REST_ADDRESS {address} is already in use: another process (perhaps this node, "
            "started before) listens there. Stop it or choose another port"
        )
    return f"REST_ADDRESS {address} cannot be bound: {error.strerror}"
