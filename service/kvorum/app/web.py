"""The HTTP server around the REST app: sockets of our own, uvicorn inside our event loop."""

import errno
import resource
import socket
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

import uvicorn
from litestar.types import ASGIApp

from kvorum.app.http_protocol import HttpProtocol
from kvorum.errors import StartError
from kvorum.rest.direct import Direct

_BACKLOG = 2048
_CONNECTIONS_MAX = 1 << 20
_DESCRIPTORS_RESERVED = 128
"""For the log, the peers and whatever else must not fail because clients are many."""
_GRACE_S = 1


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


def web_server(
    app: ASGIApp,
    *,
    connections_max: int,
    direct: Direct | None = None,
    protocol: type[HttpProtocol] = HttpProtocol,
) -> WebServer:
    """A server that waits for :meth:`serve`; setting ``should_exit`` stops it gracefully.

    Beyond ``connections_max`` clients are answered 503 and sent away. ``direct`` has the first
    look at each request.
    """
    config = uvicorn.Config(
        app,
        loop="none",
        http=cast("type[HttpProtocol]", partial(protocol, direct=direct)),  # called, no more
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
