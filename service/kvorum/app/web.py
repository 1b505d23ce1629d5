"""The HTTP server around the REST app: sockets of our own, uvicorn inside our event loop."""

import errno
import socket
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import uvicorn
from litestar.types import ASGIApp

from kvorum.errors import StartError

_BACKLOG = 2048
_GRACE_S = 1


class WebServer(uvicorn.Server):
    """Leaves signals to the process that it is a part of."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def web_server(app: ASGIApp) -> WebServer:
    """A server that waits for :meth:`serve`; setting ``should_exit`` stops it gracefully."""
    config = uvicorn.Config(
        app,
        loop="none",
        http="httptools",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_S,
    )
    return WebServer(config)


def bind(host: str, port: int) -> list[socket.socket]:
    """Listening sockets on every address that ``host`` has. Raises ``StartError``."""
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
        listening.listen(_BACKLOG)
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
