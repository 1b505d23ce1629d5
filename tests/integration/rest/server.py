"""Serves an ASGI app on a loopback port, as a node does, from a thread of its own."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from litestar.types import ASGIApp

STOP_S_MAX = 10


@contextmanager
def serving(app: ASGIApp) -> Iterator[int]:
    """Yields the port once the server accepts connections."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(
            app,
            http="httptools",
            loop="uvloop",
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        try:
            # The socket listens already: connections wait for the server to take them.
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(STOP_S_MAX)
            assert not thread.is_alive(), "the server did not stop"
