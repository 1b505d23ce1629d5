"""A connection without a network: the server's protocol on a transport in memory."""

import asyncio
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from kvorum.app.http_protocol import HttpProtocol
from kvorum.rest.direct import Direct


class MemoryTransport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self._closing = False
        self.is_paused = False

    def get_extra_info(self, _name: str, default: Any = None) -> Any:
        return default

    def write(self, data: Any) -> None:
        self.written += data

    def close(self) -> None:
        self._closing = True

    def is_closing(self) -> bool:
        return self._closing

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False


def connected(app: Any, direct: Direct | None) -> tuple[HttpProtocol, MemoryTransport]:
    """A client that just came; feed the protocol with ``data_received``."""
    config = uvicorn.Config(app, ws="none", lifespan="off", access_log=False, log_config=None)
    config.load()
    protocol = HttpProtocol(
        config=config,
        server_state=ServerState(),
        app_state={},
        _loop=asyncio.get_running_loop(),
        direct=direct,
    )
    transport = MemoryTransport()
    protocol.connection_made(transport)
    return protocol, transport
