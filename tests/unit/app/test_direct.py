"""Direct answers over real sockets: the same bytes as the general way, in the same order."""

import asyncio
import re
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from litestar.types import ASGIApp
from prometheus_client import CollectorRegistry

from kvorum.app.http_protocol import HttpProtocol
from kvorum.app.web import WebServer, bind, web_server
from kvorum.errors import Rejected
from kvorum.mvcc.command import Compact, Put
from kvorum.rest.app import create_app
from kvorum.rest.direct import Direct
from kvorum.rest.direct_request import Connection
from tests.support.wait import soon
from tests.unit.app.wire import connected
from tests.unit.rest.conftest import OPTIONS
from tests.unit.rest.fake_service import FakeService
from tests.unit.rest.key_requests import CASES, Case
from tests.unit.rest.range_requests import PLAIN, SPECIAL

_DATE = re.compile(rb"date: [^\r]*\r\n")
_LENGTH = re.compile(rb"content-length: (\d+)")

GET = b"GET /key/colour HTTP/1.1\r\nHost: k\r\n\r\n"


def put(value: bytes, key: bytes = b"colour") -> bytes:
    body = b'{"value":%s}' % value
    return b"PUT /key/%s HTTP/1.1\r\nHost: k\r\nContent-Length: %d\r\n\r\n%s" % (
        key,
        len(body),
        body,
    )


def posted(path: bytes, body: bytes) -> bytes:
    head = b"POST %s HTTP/1.1\r\nHost: k\r\nContent-Length: %d\r\n\r\n"
    return head % (path, len(body)) + body


PUT_LEASED = b'{"operations":[{"put":{"key":"a","value":1,"lease":"none"}}]}'


class Counting(Direct):
    """Counts what it takes."""

    taken = 0

    def take(self, data: bytes, connection: Connection) -> bool:
        is_taken = super().take(data, connection)
        self.taken += is_taken
        return is_taken


class Requests:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, int]] = []

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        assert seconds >= 0
        self.seen.append((route, method, status))


def general(service: FakeService) -> ASGIApp:
    return create_app(service, OPTIONS, registry=CollectorRegistry())


class Served:
    def __init__(
        self, service: FakeService, server: WebServer, direct: Counting, port: int
    ) -> None:
        self.service = service
        self.server = server
        self.direct = direct
        self.port = port

    async def connect(self) -> tuple[StreamReader, StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    @asynccontextmanager
    async def client(self) -> AsyncIterator[tuple[StreamReader, StreamWriter]]:
        reader, writer = await self.connect()
        try:
            yield reader, writer
        finally:
            writer.close()


@asynccontextmanager
async def served(
    *,
    is_direct: bool = True,
    observer: Requests | None = None,
    protocol: type[HttpProtocol] = HttpProtocol,
) -> AsyncIterator[Served]:
    service, observer = FakeService(), observer or Requests()
    app = create_app(service, OPTIONS, registry=CollectorRegistry(), observer=observer)
    direct = Counting(service, OPTIONS, observer, asyncio.get_running_loop().call_soon)
    server = web_server(
        app, connections_max=100, direct=direct if is_direct else None, protocol=protocol
    )
    sockets = bind("127.0.0.1", 0)
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        tasks.create_task(server.serve(sockets=sockets))
        await soon(lambda: server.started)
        yield Served(service, server, direct, sockets[0].getsockname()[1])
        server.should_exit = True


async def answer(reader: StreamReader) -> bytes:
    """One whole answer, without the date."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = _LENGTH.search(head)
    body = await reader.readexactly(int(length[1])) if length else b""
    return _DATE.sub(b"", head) + body


def request_of(case: Case) -> bytes:
    assert isinstance(case.body, bytes)
    headers = [(b"host", b"k"), *case.headers]
    if case.body:
        headers.append((b"content-length", b"%d" % len(case.body)))
    lines = b"".join(b"%s: %s\r\n" % header for header in headers)
    return b"%s %s HTTP/1.1\r\n%s\r\n%s" % (case.method.encode(), case.target, lines, case.body)


async def answer_to(case: Case, *, is_direct: bool, taken: int | None = None) -> bytes:
    """All that the client gets, for a value and then for the case; so many ``taken`` directly."""
    service = FakeService()
    direct = Counting(service, OPTIONS, Requests(), asyncio.get_running_loop().call_soon)
    protocol, transport = connected(general(service), direct if is_direct else None)
    protocol.data_received(put(b'"green"'))
    await soon(lambda: protocol.cycle.response_complete)
    case.prepare(service)
    protocol.data_received(request_of(case))
    await soon(lambda: protocol.cycle.response_complete)
    protocol.connection_lost(None)
    assert direct.taken >= is_direct
    assert taken in (None, direct.taken)
    return bytes(transport.written)


@pytest.mark.parametrize(
    "case", [case for case in CASES if isinstance(case.body, bytes)], ids=lambda case: case.name
)
async def test_answers_are_those_of_the_general_way(case: Case) -> None:
    assert await answer_to(case, is_direct=True) == await answer_to(case, is_direct=False)


@pytest.mark.parametrize("case", PLAIN, ids=lambda case: case.name)
async def test_answers_about_several_keys_are_those_of_the_general_way(case: Case) -> None:
    assert await answer_to(case, is_direct=True, taken=2) == await answer_to(case, is_direct=False)


@pytest.mark.parametrize("case", SPECIAL, ids=lambda case: case.name)
async def test_what_is_special_goes_the_general_way(case: Case) -> None:
    assert await answer_to(case, is_direct=True, taken=1) == await answer_to(case, is_direct=False)


async def test_a_transaction_whose_reads_are_forgotten_is_answered_without_them() -> None:
    service = FakeService()
    direct = Counting(service, OPTIONS, Requests(), asyncio.get_running_loop().call_soon)
    protocol, transport = connected(general(service), direct)
    body = b'{"then":[{"put":{"key":"a","value":1}},{"get":{"key":"a"}}]}'
    service.append(Put("before", b"a", b"0"))
    protocol.data_received(posted(b"/txn", body))
    service.append(Put("after", b"a", b"2"))
    service.append(Compact("compact", 3))
    await soon(lambda: protocol.cycle.response_complete)
    assert direct.taken == 1
    assert transport.written.endswith(b'"succeeded":true,"revision":2}')
    protocol.connection_lost(None)


async def test_plain_requests_are_taken_and_observed() -> None:
    observer, key = Requests(), "/key/{key}"
    async with served(observer=observer) as node, node.client() as (reader, writer):
        for request, route, method, status in (
            (put(b"1"), key, "PUT", 200),
            (GET, key, "GET", 200),
            (GET.replace(b"col", b"no"), key, "GET", 404),
            (GET.replace(b"/key/colour", b"/keys"), "/keys", "GET", 200),
            (posted(b"/txn", b'{"then":[{"delete":{"key":"a"}}]}'), "/txn", "POST", 200),
            (posted(b"/batch", PUT_LEASED), "/batch", "POST", 404),
        ):
            writer.write(request)
            assert (await answer(reader)).startswith(b"HTTP/1.1 %d " % status)
            assert observer.seen[-1] == (route, method, status)
        assert node.direct.taken == len(observer.seen)


SWAP = b'{"oldValue":1,"newValue":2}'


@pytest.mark.parametrize(
    ("request_line", "body", "status"),
    [
        (b"PUT /key/colour", b'{"value":2}', 200),
        (b"POST /key/colour", b'{"value":2}', 200),
        (b"PATCH /key/colour", SWAP, 200),
        (b"PATCH /key/colour", SWAP.replace(b"1", b"7"), 409),
        (b"PATCH /key/no", SWAP, 404),
        (b"DELETE /key/colour", b"", 200),
        (b"DELETE /key/no", b"", 404),
        (b"GET /key/colour", b"", 200),
        (b"GET /key/colour?consistency=stale", b"", 200),
        (b"GET /key/no?consistency=stale", b"", 404),
        (b"GET /keys?prefix=c", b"", 200),
        (b"POST /txn", b'{"then":[{"get":{"key":"colour"}}]}', 200),
        (b"POST /batch", b'{"operations":[{"delete":{"prefix":"c"}}]}', 200),
    ],
)
async def test_each_kind_of_plain_request_is_taken(
    request_line: bytes, body: bytes, status: int
) -> None:
    length = b"Content-Length: %d\r\n" % len(body) if body else b""
    async with served() as node, node.client() as (reader, writer):
        writer.write(put(b"1"))
        await answer(reader)
        writer.write(b"%s HTTP/1.1\r\nHost: k\r\n%s\r\n%s" % (request_line, length, body))
        assert (await answer(reader)).startswith(b"HTTP/1.1 %d " % status)
        assert node.direct.taken == 2


async def test_what_comes_in_pieces_is_put_together() -> None:
    async with served() as node, node.client() as (reader, writer):
        for piece in (put(b"12")[:9], put(b"12")[9:-3], put(b"12")[-3:]):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        assert (await answer(reader)).startswith(b"HTTP/1.1 200 ")
        assert node.service.value(b"colour") == b"12"
        writer.write(put(b"3"))
        assert (await answer(reader)).startswith(b"HTTP/1.1 200 ")
        assert node.direct.taken >= 1


async def test_requests_sent_at_once_are_answered_in_their_order() -> None:
    async with served() as node, node.client() as (reader, writer):
        writer.write(put(b"1") + GET + put(b"2") + GET)
        answers = [await answer(reader) for _ in range(4)]
        assert b'"value":1,' in answers[1]
        assert b'"value":2,' in answers[3]


async def test_a_request_behind_one_under_way_waits_for_it() -> None:
    async with served() as node, node.client() as (reader, writer):
        node.service.held = []
        writer.write(put(b"1"))
        await soon(lambda: node.direct.taken == 1)
        writer.write(b"GET /livez HTTP/1.1\r\nHost: k\r\n\r\n" + GET)
        await soon(lambda: bool(node.service.held))
        node.service.release()
        assert b'"revision":1' in await answer(reader)
        assert (await answer(reader)).startswith(b"HTTP/1.1 200 ")
        assert b'"value":1' in await answer(reader)


async def test_a_server_that_stops_answers_first_and_says_that_it_was_the_last() -> None:
    async with served() as node, node.client() as (reader, writer):
        node.service.held = []
        writer.write(put(b"1"))
        await soon(lambda: node.direct.taken == 1)
        node.server.should_exit = True
        await soon(lambda: not any(map(_keeps_alive, node.server.server_state.connections)))
        node.service.release()
        assert b"connection: close\r\n" in await answer(reader)
        assert await reader.read() == b""


def _keeps_alive(connection: object) -> bool:
    assert isinstance(connection, HttpProtocol)
    return connection.keep_alive


async def test_a_refusal_that_sends_clients_elsewhere_closes_the_connection() -> None:
    async with served() as node, node.client() as (reader, writer):
        node.service.failure = Rejected("ask another one")
        writer.write(put(b"1"))
        refused = await answer(reader)
        assert refused.startswith(b"HTTP/1.1 503 ")
        assert b"connection: close\r\n" in refused
        assert await reader.read() == b""


async def test_a_client_that_hangs_up_disturbs_nobody() -> None:
    async with served() as node:
        node.service.held = []
        _, gone = await node.connect()
        gone.write(put(b"1"))
        await soon(lambda: node.direct.taken == 1)
        gone.close()
        await soon(lambda: not node.server.server_state.connections)
        node.service.release()
        async with node.client() as (reader, writer):
            writer.write(GET)
            assert b'"value":1' in await answer(reader)


class Hasty(HttpProtocol):
    """Lets nobody idle for long."""

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)  # type: ignore[arg-type]  # uvicorn's own
        self.timeout_keep_alive = 0


async def test_an_idle_connection_is_closed_also_after_direct_answers() -> None:
    async with served(protocol=Hasty) as node, node.client() as (reader, writer):
        writer.write(GET)
        assert (await answer(reader)).startswith(b"HTTP/1.1 404 ")
        assert await reader.read() == b""


async def test_an_unexpected_error_is_a_500_and_the_others_get_their_answers(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with served() as node, node.client() as (reader, writer):
        node.service.raised = ZeroDivisionError("a bug")
        writer.write(GET)
        assert (await answer(reader)).startswith(b"HTTP/1.1 500 ")
        node.service.raised = None
        writer.write(put(b"1"))
        assert (await answer(reader)).startswith(b"HTTP/1.1 200 ")
    assert "unexpected error while answering GET" in caplog.text


async def test_an_error_while_one_answer_is_made_leaves_the_others_theirs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    service = FakeService()
    service.quota_bytes, service.held = 1, []
    monkeypatch.setattr(service, "store_info", lambda: 1 / 0)
    direct = Counting(service, OPTIONS, Requests(), asyncio.get_running_loop().call_soon)
    clients = [connected(general(service), direct) for _ in range(2)]
    for (protocol, _), request in zip(clients, (put(b"1"), GET), strict=True):
        protocol.data_received(request)
    service.release()
    await soon(lambda: all(protocol.cycle.response_complete for protocol, _ in clients))
    statuses = [bytes(transport.written[:13]) for _, transport in clients]
    assert statuses == [b"HTTP/1.1 500 ", b"HTTP/1.1 404 "]
    for protocol, _ in clients:
        protocol.connection_lost(None)


async def test_what_cannot_be_read_here_is_left_to_the_general_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("kvorum.rest.direct_keys.parse_put", lambda *_: 1 / 0)
    async with served() as node, node.client() as (reader, writer):
        writer.write(put(b"1"))
        assert (await answer(reader)).startswith(b"HTTP/1.1 200 ")
        assert node.direct.taken == 0
