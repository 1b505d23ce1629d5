"""Watches and observers over scripted endpoints: cuts, resumption, ends."""

import asyncio
import gc
import socket
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from kvorum.client import AsyncClient, Client
from kvorum.client.errors import (
    ClientClosed,
    Compacted,
    DeadlineExceeded,
    InvalidRequest,
    Unavailable,
    UnexpectedAnswer,
)
from tests.support.wait import eventually
from tests.unit.client.scripted import (
    EVENT_STREAM,
    Log,
    Pieces,
    change,
    entered,
    first_of,
    frame,
    make_client,
    ok,
    refusal,
    settled,
    streamed,
)

CUT = httpx.ReadError("the connection broke")


def opened(revision: int) -> bytes:
    return frame("opened", last_id=revision, revision=revision)


def in_turn(*responses: Any) -> Log:
    left = list(responses)

    def node(_: httpx.Request) -> httpx.Response:
        response = left.pop(0)
        if isinstance(response, Exception):
            raise response
        assert isinstance(response, httpx.Response)
        return response

    return Log(node)


async def revisions(kind: str, log: Log, count: int, **options: Any) -> list[int]:
    async with (
        entered(make_client(kind, log)) as client,
        entered(client.watch(**options)) as watch,
    ):
        return [(await first_of(watch)).revision for _ in range(count)]


async def test_changes_come_in_order(kind: str) -> None:
    log = in_turn(streamed(opened(4), change(5), change(6), change(9)))
    assert await revisions(kind, log, 3, prefix="x/", previous=True, deletes=False) == [5, 6, 9]
    request = log.requests[0]
    assert dict(request.url.params) == {
        "prefix": "x/",
        "bookmarks": "true",
        "heartbeatSeconds": "15",
        "previous": "true",
        "types": "put",
    }
    assert request.headers["accept"] == "text/event-stream"
    assert "last-event-id" not in request.headers


async def test_a_cut_in_the_middle_of_an_event_leaves_neither_gap_nor_duplicate(kind: str) -> None:
    whole = change(6)
    for at in range(1, len(whole)):
        log = in_turn(
            streamed(opened(4), change(5), whole[:at], CUT), streamed(opened(8), whole, change(7))
        )
        assert await revisions(kind, log, 3, key="k") == [5, 6, 7], whole[:at]
        resumed_after = log.header("last-event-id")[1]
        assert resumed_after == "5", whole[:at]
        assert log.hosts == ["a", "b"]


async def test_a_stream_that_just_ends_is_resumed(kind: str) -> None:
    log = in_turn(streamed(opened(4), change(5)), streamed(opened(6), change(6)))
    assert await revisions(kind, log, 2, key="k") == [5, 6]
    assert log.header("last-event-id") == ["", "5"]


async def test_a_cut_before_the_first_change_resumes_where_it_was_opened(kind: str) -> None:
    log = in_turn(streamed(opened(4), CUT), streamed(opened(7), change(5)))
    assert await revisions(kind, log, 1, key="k") == [5]
    assert log.header("last-event-id") == ["", "4"]


async def test_a_watch_can_begin_in_the_past(kind: str) -> None:
    log = in_turn(streamed(opened(9), change(3), CUT), streamed(opened(9), change(4)))
    assert await revisions(kind, log, 2, key="k", from_revision=3) == [3, 4]
    assert log.header("last-event-id") == ["2", "3"]


async def test_bookmarks_move_the_place_to_resume_at(kind: str) -> None:
    bookmark = frame("bookmark", last_id=80, revision=80)
    log = in_turn(streamed(opened(4), bookmark, CUT), streamed(opened(90), change(85)))
    assert await revisions(kind, log, 1, key="k") == [85]
    assert log.header("last-event-id") == ["", "80"]


async def test_what_was_seen_already_is_not_told_again(kind: str) -> None:
    log = in_turn(streamed(opened(4), change(5), change(5), change(4), change(6)))
    assert await revisions(kind, log, 2, key="k") == [5, 6]


@pytest.mark.parametrize("reason", ["lagging", "stopping"])
async def test_a_stream_that_a_node_ends_goes_on_elsewhere(kind: str, reason: str) -> None:
    end = frame("cancelled", reason=reason, resumeRevision=6, detail="…")
    log = in_turn(streamed(opened(4), change(5), end), streamed(opened(6), change(6)))
    assert await revisions(kind, log, 2, key="k") == [5, 6]
    assert log.hosts == ["a", "b"]


async def test_changes_that_are_forgotten_are_an_error(kind: str) -> None:
    end = frame("cancelled", reason="compacted", resumeRevision=40, detail="too late")
    for log in (
        in_turn(streamed(opened(4), end)),
        in_turn(streamed(opened(4), CUT), refusal(410, "compacted", oldestRevision=40)),
    ):
        with pytest.raises(Compacted) as caught:
            await revisions(kind, log, 1, key="k")
        assert caught.value.oldest_revision == 40


async def test_events_of_a_later_release_are_passed_over(kind: str) -> None:
    log = in_turn(streamed(opened(4), frame("weather", sun=True), b": hello\n\n", change(5)))
    assert await revisions(kind, log, 1, key="k") == [5]


async def test_what_is_no_event_stream_is_an_error(kind: str) -> None:
    with pytest.raises(UnexpectedAnswer):
        await revisions(kind, in_turn(ok()), 1, key="k")
    garbled = streamed(opened(4), b"event: change\ndata: {\n\n")
    with pytest.raises(UnexpectedAnswer):
        await revisions(kind, in_turn(garbled), 1, key="k")


async def test_events_show_puts_deletes_and_what_was_before(kind: str) -> None:
    events = [
        {"type": "put", "key": "a", "valueBase64": "AP8=", "contentType": "x/y", "modRevision": 5},
        {"type": "delete", "key": "b", "previous": {"key": "b", "value": 1, "modRevision": 2}},
    ]
    both = frame("change", last_id=5, revision=5, events=events)
    log = in_turn(streamed(opened(4), both))
    async with entered(make_client(kind, log)) as client, entered(client.watch()) as watch:
        assert watch.revision is None or watch.revision == 4
        told = await first_of(watch)
        assert watch.revision == 5
    put, delete = told.events
    assert (put.item.value, put.item.content_type, put.is_delete) == (b"\x00\xff", "x/y", False)
    assert (delete.key, delete.item, delete.is_delete) == ("b", None, True)
    assert (delete.previous.value, delete.previous.mod_revision) == (1, 2)


async def test_an_outage_can_have_a_limit(kind: str) -> None:
    def node(request: httpx.Request) -> httpx.Response:
        if len(log.requests) == 1:
            return streamed(opened(4), CUT)
        raise httpx.ConnectError("refused", request=request)

    log = Log(node)
    with pytest.raises(Unavailable):
        await revisions(kind, log, 1, key="k", outage_s=0.2)
    assert len(log.requests) > 3


async def test_opening_has_a_deadline(kind: str) -> None:
    def node(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(DeadlineExceeded):
        await revisions(kind, Log(node), 1, key="k", timeout_s=0.2)


def test_a_watch_of_nothing_is_refused(kind: str) -> None:
    client = make_client(kind, lambda _: ok())
    with pytest.raises(InvalidRequest):
        client.watch(puts=False, deletes=False)
    with pytest.raises(InvalidRequest):
        client.watch("k", prefix="x")


async def test_observers_are_told_each_leader_once(kind: str) -> None:
    def leader(token: int) -> bytes:
        return frame("leader", leader={"lease": f"l{token}", "token": token, "value": "v"})

    nobody = frame("leader", leader=None)
    log = in_turn(
        streamed(nobody, leader(3), CUT), streamed(leader(3), leader(8), nobody, leader(9))
    )
    async with (
        entered(make_client(kind, log)) as client,
        entered(client.elections.observe("e/1")) as seen,
    ):
        leaders = [(await first_of(seen)).leader for _ in range(5)]
    assert [leader and leader.token for leader in leaders] == [None, 3, 8, None, 9]
    assert leaders[1].lease == "l3"
    assert log.requests[0].url.raw_path == b"/elections/e%2F1/observe"


class QuietNode:
    """A real socket that opens a watch and then says no more."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.connections: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            connection.recv(65536)
            head = f"HTTP/1.1 200 OK\r\ncontent-type: {EVENT_STREAM['content-type']}\r\n\r\n"
            connection.sendall(head.encode() + opened(4))

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self.connections:
            connection.close()
        self._thread.join(5)


@pytest.fixture
def quiet() -> Iterator[QuietNode]:
    node = QuietNode()
    yield node
    node.close()


@pytest.mark.parametrize("closes", ["watch", "client"])
def test_closing_from_another_thread_ends_a_waiting_watch(quiet: QuietNode, closes: str) -> None:
    with Client(quiet.url) as client:
        watch = client.watch("k").open()
        told: list[Any] = []
        reader = threading.Thread(target=lambda: told.extend(watch))
        reader.start()
        eventually("the watch is open", lambda: watch.revision == 4)
        (watch if closes == "watch" else client).close()
        reader.join(10)
        assert not reader.is_alive()
        assert told == []


@pytest.mark.parametrize("closes", ["watch", "client"])
async def test_closing_from_another_task_ends_a_waiting_watch(
    quiet: QuietNode, closes: str
) -> None:
    async with AsyncClient(quiet.url) as client:
        watch = client.watch("k")

        async def read() -> list[Any]:
            return [change async for change in watch]

        reader = asyncio.create_task(read())
        await asyncio.to_thread(eventually, "the watch is open", lambda: watch.revision == 4)
        await (watch if closes == "watch" else client).close()
        assert await asyncio.wait_for(reader, 10) == []


async def test_silence_beyond_two_heartbeats_is_an_end(kind: str, quiet: QuietNode) -> None:
    client = Client(quiet.url) if kind == "sync" else AsyncClient(quiet.url)
    async with entered(client):
        watch = client.watch("k", heartbeat_s=1)
        reader = asyncio.create_task(first_of(watch))
        await asyncio.to_thread(eventually, "it connects anew", lambda: len(quiet.connections) > 1)
        await settled(watch.close())
        assert await asyncio.wait_for(reader, 10) is None


async def test_a_quiet_watch_may_be_silent_for_longer_than_an_answer(
    kind: str, quiet: QuietNode
) -> None:
    options: Any = {"timeout_s": 0.5, "attempt_timeout_s": 0.5}
    client = Client(quiet.url, **options) if kind == "sync" else AsyncClient(quiet.url, **options)
    async with entered(client), entered(client.watch("k")) as watch:
        reader = asyncio.create_task(first_of(watch))
        done, _ = await asyncio.wait((reader,), timeout=1.5)
        assert not done
        assert len(quiet.connections) == 1
        await settled(watch.close())
        assert await asyncio.wait_for(reader, 10) is None


async def test_a_watch_of_a_closed_client_says_so(kind: str) -> None:
    client = make_client(kind, lambda _: ok())
    watch = client.watch("k")
    await settled(client.close())
    with pytest.raises(ClientClosed):
        await first_of(watch)


async def test_a_forgotten_watch_of_a_thread_closes_its_connection() -> None:
    body = Pieces((opened(4), change(5), change(6)))
    log = in_turn(httpx.Response(200, headers=EVENT_STREAM, stream=body))
    with make_client("sync", log) as client:
        for told in client.watch("k"):
            assert told.revision == 5
            break
        gc.collect()
        assert body.closes > 0


async def test_leaving_the_block_closes_the_connection(kind: str) -> None:
    body = Pieces((opened(4), change(5), change(6)))
    log = in_turn(httpx.Response(200, headers=EVENT_STREAM, stream=body))
    async with entered(make_client(kind, log)) as client:
        async with entered(client.watch("k")) as watch:
            assert (await first_of(watch)).revision == 5
            assert body.closes == 0
        assert body.closes > 0
        assert await first_of(watch) is None
