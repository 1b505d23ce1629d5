"""Many requests sent at once: all are answered, and none of them makes a node hold too much."""

import asyncio
from typing import Any

import pytest

from kvorum.app.http_protocol import HEAD_BYTES_MAX, PIECE_BYTES, HttpProtocol
from tests.support.wait import soon
from tests.unit.app.test_direct import GET, Counting, Requests, general, put
from tests.unit.app.wire import MemoryTransport, connected
from tests.unit.rest.conftest import OPTIONS
from tests.unit.rest.fake_service import FakeService


def client_of(service: FakeService) -> tuple[HttpProtocol, MemoryTransport]:
    direct = Counting(service, OPTIONS, Requests(), asyncio.get_running_loop().call_soon)
    return connected(general(service), direct)


async def test_a_head_that_begins_behind_much_else_is_not_too_large() -> None:
    protocol, transport = client_of(FakeService())
    count = HEAD_BYTES_MAX // len(GET) + 2
    protocol.data_received(GET * count + GET[:20])
    protocol.data_received(GET[20:])
    await soon(lambda: transport.written.count(b"HTTP/1.1 404 ") == count + 1)
    assert b"HTTP/1.1 431 " not in transport.written
    protocol.connection_lost(None)


async def test_requests_in_a_large_piece_are_answered_in_their_order() -> None:
    protocol, transport = client_of(FakeService())
    value = b'"%s"' % (b"v" * 900)
    count = 3 * PIECE_BYTES // len(put(value))
    protocol.data_received(b"".join(put(value) + GET for _ in range(count)))
    await soon(lambda: transport.written.count(b"HTTP/1.1 200 ") == 2 * count)
    revisions = [b'"modRevision":%d,' % (number + 1) for number in range(count)]
    places = [transport.written.find(revision) for revision in revisions]
    assert -1 not in places
    assert places == sorted(places)
    protocol.connection_lost(None)


@pytest.mark.parametrize("request_sent", [GET, put(b"1")])
async def test_few_requests_are_parsed_ahead_and_no_more_is_read(request_sent: bytes) -> None:
    """Whoever sends many and reads no answer must not fill the memory."""
    service = FakeService()
    protocol, transport = client_of(service)
    service.held = []
    protocol.data_received(request_sent * 10_000)
    ahead = PIECE_BYTES // len(request_sent) + 1
    for answered in range(3):
        await soon(lambda: bool(service.held))
        assert len(protocol.pipeline) <= ahead
        assert transport.is_paused
        held, service.held = service.held or [], []
        for gate in held:
            gate.set_result(None)
        await soon(lambda n=answered: transport.written.count(b"HTTP/1.1 ") > n)  # type: ignore[misc]
    service.release()
    await soon(lambda: transport.written.count(b"HTTP/1.1 ") == 10_000)
    assert not transport.is_paused
    protocol.connection_lost(None)


@pytest.mark.parametrize("arrived", [11, -3], ids=["in its head", "in its body"])
@pytest.mark.parametrize("before", [1, 3])
async def test_a_request_behind_others_is_not_blamed_for_being_late(
    before: int, arrived: int
) -> None:
    """What it was told would be taken for the answer to the first of them."""
    service = FakeService()
    protocol, transport = client_of(service)
    protocol.PATIENCE_S = 0.001
    service.held = []
    late = put(b"1")
    if before == 1:  # a direct one
        protocol.data_received(put(b"2"))
        protocol.data_received(late[:arrived])
    else:
        protocol.data_received(put(b"2") * before + late[:arrived])
    first = protocol._deadline
    await soon(lambda: protocol._deadline is not first)
    protocol.PATIENCE_S = 30  # from the next time on
    second = protocol._deadline
    await soon(lambda: protocol._deadline is not second)
    assert not transport.written
    service.release()
    await soon(lambda: transport.written.count(b"HTTP/1.1 200 ") == before)
    protocol.data_received(late[arrived:])
    await soon(lambda: transport.written.count(b"HTTP/1.1 200 ") == before + 1)
    protocol.connection_lost(None)


async def test_a_connection_that_was_refused_has_no_deadline_to_miss() -> None:
    failures: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, failure: failures.append(failure))
    protocol, transport = client_of(FakeService())
    protocol.PATIENCE_S = 0.001
    protocol.data_received(b"GET htt")
    protocol.data_received(b"p://a:b:c/ HTTP/1.1\r\n\r\n")
    refused = bytes(transport.written)
    assert refused.startswith(b"HTTP/1.1 400 ")
    await soon(lambda: protocol._deadline is None)
    assert transport.written == refused
    assert not failures
    protocol.connection_lost(None)
