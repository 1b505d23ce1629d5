"""The client of paced loads: answers are told apart from broken connections."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bench.connections import Connection, send_all

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
BUSY = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Answering(asyncio.Protocol):
    """Gives each request the next answer, in two pieces; closes when there are no more."""

    def __init__(self, answers: list[bytes]) -> None:
        self._answers = answers
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        assert data == GET, "requests arrive one by one"
        assert self._transport is not None, "it is connected"
        answer = self._answers.pop(0)
        self._transport.write(answer[:20])
        asyncio.get_running_loop().call_soon(self._rest, answer[20:])

    def _rest(self, answer: bytes) -> None:
        assert self._transport is not None, "it is connected"
        self._transport.write(answer)
        if not self._answers:
            self._transport.close()


@asynccontextmanager
async def server(*answers: bytes) -> AsyncIterator[int]:
    left = list(answers)
    loop = asyncio.get_running_loop()
    async with await loop.create_server(lambda: Answering(left), "127.0.0.1", 0) as listening:
        yield listening.sockets[0].getsockname()[1]


async def test_answers_are_read_to_their_end() -> None:
    async with server(OK, CHUNKED, OK) as port:
        connection = await Connection.open(port)
        statuses = [(await connection.send(GET)).status for _ in range(3)]
    assert statuses == [200, 200, 200]
    connection.close()


async def test_an_answer_may_end_the_connection() -> None:
    async with server(BUSY, OK) as port:
        connection = await Connection.open(port)
        assert (await connection.send(GET)).status == 503
        assert not connection.is_open
        assert (await connection.send(GET)).status == 0


async def test_a_broken_connection_is_no_answer() -> None:
    async with server(OK[:10]) as port:
        connection = await Connection.open(port)
        done = await connection.send(GET)
    assert done.status == 0
    assert done.took_s >= 0


async def test_everything_is_sent_once() -> None:
    async with server(*[OK] * 5) as port:
        done = await send_all(port, [GET] * 5, connections=1)
    assert [each.status for each in done] == [200] * 5


async def test_a_refusal_ends_it() -> None:
    async with server(OK, BUSY) as port:
        with pytest.raises(ExceptionGroup, match="unhandled") as raised:
            await send_all(port, [GET] * 3, connections=1)
    assert raised.group_contains(RuntimeError, match="503")
