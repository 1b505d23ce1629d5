"""Parts of streams: frames, the ones that are kept, and clients that leave."""

import asyncio

import httpx
import pytest
from httpx_sse import EventSource
from litestar.types import ReceiveMessage

from kvorum.mvcc.record import Event, Record
from kvorum.node.views import Change
from kvorum.rest import sse
from kvorum.rest.observer import route_label
from kvorum.rest.presence import while_connected
from kvorum.rest.watch_events import Frames, change_frame


def change(revision: int, *keys: bytes) -> Change:
    record = Record(b"1", revision, revision, 1)
    return Change(revision, tuple(Event(revision, key, record, None) for key in keys))


# Frames --------------------------------------------------------------------------------------


def read(stream: bytes) -> list[tuple[str, str, str]]:
    """As a client library reads it; without what carries nothing."""
    answer = httpx.Response(200, headers={"content-type": "text/event-stream"}, content=stream)
    events = EventSource(answer).iter_sse()
    return [(event.event, event.data, event.id) for event in events if event.data]


def test_a_client_library_reads_the_frames() -> None:
    stream = (
        sse.opening(b"opened", b"{}", last_id=3)
        + sse.heartbeat()
        + sse.frame(b"change", b'{"a":1}', last_id=4)
        + sse.heartbeat(last_id=7)
        + sse.frame(b"cancelled", b"[]")
    )
    assert read(stream) == [
        ("opened", "{}", "3"),
        ("change", '{"a":1}', "4"),
        ("cancelled", "[]", "7"),
    ]


@pytest.mark.parametrize("line_break", ["\n", "\r", "\r\n"])
def test_a_line_break_within_json_ends_no_field(line_break: str) -> None:
    data = f'{{"a":{line_break}1,{line_break}"b":"x\\ny"}}'.encode()
    [(_, told, _)] = read(sse.frame(b"change", data))
    assert told.replace(" ", "") == '{"a":1,"b":"x\\ny"}'


class Maker:
    def __init__(self, size_bytes: int = 10) -> None:
        self.made: list[int] = []
        self._size_bytes = size_bytes

    def __call__(self, made: Change) -> bytes:
        self.made.append(made.revision)
        return b"x" * self._size_bytes


def test_those_who_watch_alike_share_one_frame() -> None:
    maker = Maker()
    frames = Frames(maker)
    one = change(1, b"a", b"b")
    same = Change(1, tuple(one.events))
    assert frames.of(one) is frames.of(one)
    assert frames.of(same) is frames.of(one)
    assert maker.made == [1]


def test_those_who_watch_otherwise_do_not() -> None:
    maker = Maker()
    frames = Frames(maker)
    both = change(1, b"a", b"b")
    for events in (both.events, both.events[:1], both.events[1:]):
        frames.of(Change(1, events))
    assert len(maker.made) == 3
    assert change_frame(both) != change_frame(Change(1, both.events[:1]))


def test_frames_are_bounded_in_number() -> None:
    maker = Maker()
    frames = Frames(maker, frames_max=3)
    changes = [change(revision, b"k") for revision in range(1, 6)]
    for one in changes:
        frames.of(one)
    for one in changes[2:]:
        frames.of(one)
    assert maker.made == [1, 2, 3, 4, 5]
    frames.of(changes[0])
    assert maker.made == [1, 2, 3, 4, 5, 1]


def test_frames_are_bounded_in_bytes() -> None:
    maker = Maker(size_bytes=40)
    frames = Frames(maker, bytes_max=100)
    changes = [change(revision, b"k") for revision in range(1, 4)]
    for one in (*changes, changes[2], changes[1], changes[0]):
        frames.of(one)
    assert maker.made == [1, 2, 3, 1]


def test_a_frame_that_is_too_large_is_not_kept() -> None:
    maker = Maker(size_bytes=200)
    frames = Frames(maker, bytes_max=100)
    one = change(1, b"k")
    assert frames.of(one) == frames.of(one)
    assert maker.made == [1, 1]


def test_readers_of_the_same_changes_share_what_is_sent() -> None:
    frames = Frames(Maker())
    changes = change(1, b"a"), change(2, b"b")
    [first], [second] = frames.parts(changes), frames.parts(changes)
    assert first == frames.of(changes[0]) + frames.of(changes[1])
    assert second is first
    [other] = frames.parts((change(3, b"a"),))
    assert other == b"x" * 10
    [third] = frames.parts(changes)
    assert third == first


def test_much_is_sent_in_parts_that_are_made_when_they_are_needed() -> None:
    maker = Maker(size_bytes=30_000)
    changes = tuple(change(revision, b"k") for revision in range(1, 8))
    for _ in range(2):
        parts = Frames(maker).parts(changes)
        assert len(next(parts)) == 90_000
        assert len(maker.made) == 3, "the client may read slowly"
        assert [len(part) for part in parts] == [90_000, 30_000]
        assert maker.made == list(range(1, 8))
        maker.made.clear()


def test_a_part_that_is_full_is_not_all() -> None:
    frames = Frames(Maker(size_bytes=70_000))
    changes = change(1, b"k"), change(2, b"k")
    for _ in range(2):
        assert [len(part) for part in frames.parts(changes)] == [70_000, 70_000]


# Presence ------------------------------------------------------------------------------------


class Client:
    """What a server's ``receive`` tells of it."""

    def __init__(self) -> None:
        self.left = asyncio.Event()
        self.error: Exception | None = None

    async def receive(self) -> ReceiveMessage:
        await self.left.wait()
        if self.error is not None:
            raise self.error
        return {"type": "http.disconnect"}


async def test_whoever_stays_changes_nothing() -> None:
    client = Client()
    async with while_connected(client.receive):
        await asyncio.sleep(0)
        reached = True
    assert reached


async def test_the_body_ends_where_it_waits_when_the_client_leaves() -> None:
    client = Client()
    reached = []
    async with while_connected(client.receive):
        reached.append("body")
        client.left.set()
        await asyncio.Event().wait()
        reached.append("beyond")
    reached.append("after")
    assert reached == ["body", "after"]


async def test_what_the_body_raises_is_raised() -> None:
    client = Client()
    with pytest.raises(TimeoutError, match="mine"):
        async with while_connected(client.receive):
            raise TimeoutError("mine")


async def test_what_receiving_raises_is_raised() -> None:
    client = Client()
    client.error = RuntimeError("broken")
    client.left.set()
    with pytest.raises(RuntimeError, match="broken"):
        async with while_connected(client.receive):
            await asyncio.Event().wait()


async def test_a_cancelled_request_is_cancelled() -> None:
    client = Client()

    async def request() -> None:
        async with while_connected(client.receive):
            await asyncio.Event().wait()

    task = asyncio.create_task(request())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


async def test_nobody_listens_any_more_afterwards() -> None:
    client = Client()
    before = asyncio.all_tasks()
    async with while_connected(client.receive):
        assert len(asyncio.all_tasks() - before) == 1
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


# Labels --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("/watch", "/watch"),
        ("/leases", "/leases"),
        ("/leases/x", "/leases/{id}"),
        ("/leases/x/keepalive", "/leases/{id}/keepalive"),
        ("/locks", "/locks"),
        ("/locks/a/b", "/locks/{name}"),
        ("/elections", "/elections"),
        ("/elections/x", "/elections/{name}"),
        ("/compact", "/compact"),
        ("/snapshot", "/snapshot"),
        ("/watches", "other"),
    ],
)
def test_labels_are_templates(path: str, label: str) -> None:
    assert route_label(path) == label
