"""Many requests sent at once: all are answered, and none of them makes a node hold too much."""

import asyncio

from kvorum.app.http_protocol import HEAD_BYTES_MAX, HttpProtocol
from kvorum.rest.hot import HotPath
from kvorum.rest.keys import KeyApi
from tests.support.wait import soon
from tests.unit.app.test_direct import GET, Counting, Requests
from tests.unit.app.wire import MemoryTransport, connected
from tests.unit.rest.conftest import OPTIONS
from tests.unit.rest.fake_service import FakeService


def client_of(service: FakeService) -> tuple[HttpProtocol, MemoryTransport]:
    direct = Counting(service, OPTIONS, Requests(), asyncio.get_running_loop().call_soon)
    return connected(HotPath(KeyApi(service, OPTIONS), Requests()), direct)


async def test_a_head_that_begins_behind_much_else_is_not_too_large() -> None:
    protocol, transport = client_of(FakeService())
    count = HEAD_BYTES_MAX // len(GET) + 2
    protocol.data_received(GET * count + GET[:20])
    protocol.data_received(GET[20:])
    await soon(lambda: transport.written.count(b"HTTP/1.1 404 ") == count + 1)
    assert b"HTTP/1.1 431 " not in transport.written
    protocol.connection_lost(None)
