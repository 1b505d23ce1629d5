"""``/watch``: what a client is sent, when, and how it ends."""

import asyncio

import pytest
from litestar.types import ASGIApp
from prometheus_client import CollectorRegistry

from kvorum.errors import NoLeader
from kvorum.mvcc.command import Compact, Delete, DeleteOp, LeaseGrant, Put, PutOp, Txn
from kvorum.rest.app import create_app
from tests.support.virtual_time import in_virtual_time
from tests.unit.rest.asgi import call
from tests.unit.rest.conftest import OPTIONS
from tests.unit.rest.fake_service import FakeService
from tests.unit.rest.stream_client import StreamClient, StreamEvent, streaming


def put(service: FakeService, key: str, value: bytes = b"1", **more: object) -> None:
    command = Put(service.new_request_id(), key.encode(), value, **more)  # type: ignore[arg-type]  # fields of a put
    assert service.append(command)[0].success


def delete(service: FakeService, key: str) -> None:
    assert service.append(Delete(service.new_request_id(), key.encode()))[0].success


async def test_a_stream_begins_with_where_it_stands(app: ASGIApp, service: FakeService) -> None:
    put(service, "a")
    async with streaming(app, b"/watch?prefix=") as client:
        assert client.status == 200
        assert client.headers == {
            b"content-type": b"text/event-stream",
            b"cache-control": b"no-cache",
            b"x-accel-buffering": b"no",
        }
        assert await client.event() == StreamEvent("opened", {"revision": 1}, "1")


async def test_the_first_event_says_when_to_connect_again(app: ASGIApp) -> None:
    async with streaming(app, b"/watch?prefix=") as client:
        assert (await client.received()).startswith(b"retry: 1000\n")


async def test_changes_are_told_with_their_revision_as_id(
    app: ASGIApp, service: FakeService
) -> None:
    async with streaming(app, b"/watch?prefix=c") as client:
        await client.event()
        put(service, "colour", b'{"a":\n1}')
        put(service, "other")
        delete(service, "colour")
        assert await client.event() == StreamEvent(
            "change",
            {
                "revision": 1,
                "events": [
                    {
                        "type": "put",
                        "key": "colour",
                        "value": {"a": 1},
                        "createRevision": 1,
                        "modRevision": 1,
                        "version": 1,
                    }
                ],
            },
            "1",
        )
        assert await client.event() == StreamEvent(
            "change", {"revision": 3, "events": [{"type": "delete", "key": "colour"}]}, "3"
        )


async def test_bytes_and_leases_are_told(app: ASGIApp, service: FakeService) -> None:
    service.append(LeaseGrant("g", "worker-7", 10_000))
    async with streaming(app, b"/watch?key=photo") as client:
        await client.event()
        put(service, "photo", b"\x89PNG", content_type="image/png", lease="worker-7")
        [event] = (await client.event()).data["events"]
    assert event["valueBase64"] == "iVBORw=="
    assert event["contentType"] == "image/png"
    assert event["lease"] == "worker-7"
    assert "value" not in event


async def test_previous_values_are_told_on_request(app: ASGIApp, service: FakeService) -> None:
    async with streaming(app, b"/watch?key=k&previous=true") as client:
        await client.event()
        put(service, "k", b"1")
        put(service, "k", b"2")
        delete(service, "k")
        previous = [(await client.event()).data["events"][0]["previous"] for _ in range(3)]
    assert previous == [
        None,
        {"key": "k", "value": 1, "createRevision": 1, "modRevision": 1, "version": 1},
        {"key": "k", "value": 2, "createRevision": 1, "modRevision": 2, "version": 2},
    ]


async def test_what_one_revision_did_comes_in_one_event(app: ASGIApp, service: FakeService) -> None:
    put(service, "x/gone")
    async with streaming(app, b"/watch?prefix=x/") as client:
        await client.event()
        writes = PutOp(b"x/a", b"1"), PutOp(b"y", b"2"), DeleteOp(b"x/gone"), PutOp(b"x/b", b"3")
        service.append(Txn("t", (), writes))
        told = await client.event()
    assert [(event["type"], event["key"]) for event in told.data["events"]] == [
        ("put", "x/a"),
        ("delete", "x/gone"),
        ("put", "x/b"),
    ]


@pytest.mark.parametrize(
    ("query", "kinds"),
    [
        (b"types=put", ["put", "put"]),
        (b"types=delete", ["delete"]),
        (b"types=delete,put", ["put", "delete", "put"]),
    ],
)
async def test_types_are_filtered(
    app: ASGIApp, service: FakeService, query: bytes, kinds: list[str]
) -> None:
    async with streaming(app, b"/watch?key=k&" + query) as client:
        await client.event()
        put(service, "k")
        delete(service, "k")
        put(service, "k")
        told = [(await client.event()).data["events"][0]["type"] for _ in kinds]
    assert told == kinds


@pytest.mark.parametrize(
    ("query", "keys"),
    [
        (b"key=b", ["b"]),
        (b"prefix=b", ["b", "ba"]),
        (b"start=b&end=c", ["b", "ba"]),
        (b"start=ba", ["ba", "c"]),
        (b"end=b", ["a"]),
        (b"prefix=", ["a", "b", "ba", "c"]),
    ],
)
async def test_keys_are_selected(
    app: ASGIApp, service: FakeService, query: bytes, keys: list[str]
) -> None:
    async with streaming(app, b"/watch?fromRevision=1&" + query) as client:
        for key in ("a", "b", "ba", "c"):
            put(service, key)
        await client.event()
        assert [(await client.event()).data["events"][0]["key"] for _ in keys] == keys


async def test_a_stream_can_begin_in_the_past(app: ASGIApp, service: FakeService) -> None:
    for _ in range(5):
        put(service, "k")
    async with streaming(app, b"/watch?key=k&fromRevision=4") as client:
        assert await client.event() == StreamEvent("opened", {"revision": 5}, "3")
        assert [(await client.event()).last_id for _ in range(2)] == ["4", "5"]
        put(service, "k")
        assert (await client.event()).last_id == "6"


async def test_a_reader_that_connects_again_goes_on_behind_its_last_event(
    app: ASGIApp, service: FakeService
) -> None:
    for _ in range(5):
        put(service, "k")
    header = (b"last-event-id", b"3")
    async with streaming(app, b"/watch?key=k&fromRevision=1", header) as client:
        assert (await client.event()).last_id == "3"
        assert [(await client.event()).last_id for _ in range(2)] == ["4", "5"]


async def test_a_revision_that_is_still_to_come_is_waited_for(
    app: ASGIApp, service: FakeService
) -> None:
    async with streaming(app, b"/watch?key=k&fromRevision=3") as client:
        assert (await client.event()).last_id == "2"
        for _ in range(3):
            put(service, "k")
        assert (await client.event()).last_id == "3"


@in_virtual_time
async def test_heartbeats_show_that_the_stream_lives() -> None:
    service = FakeService()
    app = create_app(service, OPTIONS, registry=CollectorRegistry())
    loop = asyncio.get_running_loop()
    async with streaming(app, b"/watch?key=k&heartbeatSeconds=2") as client:
        await client.event()
        begin_s = loop.time()
        assert await client.event() == StreamEvent("", None, None, "heartbeat")
        assert loop.time() - begin_s == pytest.approx(2, abs=0.1)


@in_virtual_time
async def test_a_heartbeat_moves_the_id_along_with_the_store() -> None:
    service = FakeService()
    app = create_app(service, OPTIONS, registry=CollectorRegistry())
    async with streaming(app, b"/watch?key=k&heartbeatSeconds=1") as client:
        await client.event()
        put(service, "other")
        assert await client.event() == StreamEvent("", None, "1", "heartbeat")
        assert await client.event() == StreamEvent("", None, None, "heartbeat")


@in_virtual_time
async def test_bookmarks_tell_up_to_where_everything_was_sent() -> None:
    service = FakeService()
    app = create_app(service, OPTIONS, registry=CollectorRegistry())
    async with streaming(app, b"/watch?key=k&heartbeatSeconds=1&bookmarks=true") as client:
        await client.event()
        put(service, "other")
        assert await client.event() == StreamEvent("bookmark", {"revision": 1}, "1")
        put(service, "other")
        put(service, "k")
        assert (await client.event()).last_id == "3"
        assert await client.event() == StreamEvent("bookmark", {"revision": 3}, "3")


async def test_forgotten_history_is_a_problem_that_names_the_oldest(
    app: ASGIApp, service: FakeService
) -> None:
    for _ in range(5):
        put(service, "k")
    assert service.append(Compact("c", 4))[0].success
    reply = await call(app, "GET", b"/watch?key=k&fromRevision=4")
    assert (reply.status, reply.json["type"]) == (410, "urn:kvorum:problem:compacted")
    assert reply.json["oldestRevision"] == 5
    async with streaming(app, b"/watch?key=k&fromRevision=5") as client:
        await client.event()
        assert (await client.event()).last_id == "5"


async def test_a_node_that_stops_ends_its_streams_at_once(
    app: ASGIApp, service: FakeService
) -> None:
    put(service, "k")
    async with streaming(app, b"/watch?key=k") as client:
        await client.event()
        service.hub.close()
        end = await client.event()
        assert (end.event, end.data["reason"], end.data["resumeRevision"]) == (
            "cancelled",
            "stopping",
            2,
        )
        assert end.data["detail"]
        assert await client.end() == b""
    assert (await call(app, "GET", b"/watch?key=k")).status == 503


async def test_whoever_reads_too_slowly_is_told_where_to_go_on(
    app: ASGIApp, service: FakeService
) -> None:
    service.buffer_events_max = 100
    async with streaming(app, b"/watch?prefix=") as client:
        await client.event()
        client.stop_reading()
        for number in range(1000):
            put(service, f"k{number}")
            await asyncio.sleep(0)
        client.read_on()
        told = 0
        while (event := await client.event()).event == "change":
            told += 1
            assert event.data["revision"] == told
        assert (event.event, event.data["reason"]) == ("cancelled", "lagging")
        assert event.data["resumeRevision"] == told + 1
        assert told < 1000
        await client.end()


async def test_a_client_that_leaves_is_forgotten_at_once(
    app: ASGIApp, service: FakeService
) -> None:
    async with streaming(app, b"/watch?key=k&heartbeatSeconds=300") as client:
        await client.event()
        assert service.hub.watchers == 1
        client.leave()
        await client.done()
        assert service.hub.watchers == 0
        assert not client.is_complete


async def test_a_client_that_leaves_without_reading_is_forgotten_too(
    app: ASGIApp, service: FakeService
) -> None:
    async with streaming(app, b"/watch?key=k") as client:
        await client.event()
        client.stop_reading()
        put(service, "k")
        await asyncio.sleep(0)
        client.leave()
        await client.done()
        assert service.hub.watchers == 0


async def test_a_server_that_gives_up_closes_the_watch(app: ASGIApp, service: FakeService) -> None:
    client = StreamClient(app, "GET", b"/watch?key=k")
    await client.event()
    client.task.cancel()
    await asyncio.wait([client.task])
    assert client.task.cancelled()
    assert service.hub.watchers == 0


async def test_head_does_not_stream(app: ASGIApp, service: FakeService) -> None:
    reply = await call(app, "HEAD", b"/watch?key=k")
    assert (reply.status, reply.body) == (200, b"")
    assert service.hub.watchers == 0


@pytest.mark.parametrize("path", [b"/watch/", b"//watch", b"/%77atch"])
async def test_a_path_is_found_by_the_rules_of_the_framework(
    app: ASGIApp, service: FakeService, path: bytes
) -> None:
    assert (await call(app, "HEAD", path + b"?key=k")).status == 200
    async with streaming(app, path + b"?key=k") as client:
        assert (await client.event()).event == "opened"


async def test_other_methods_are_refused(app: ASGIApp) -> None:
    reply = await call(app, "POST", b"/watch?key=k", body=b"{}")
    assert reply.status == 405
    assert b"GET" in reply.headers[b"allow"]


async def test_no_more_watches_than_allowed(app: ASGIApp, service: FakeService) -> None:
    service.watchers_max = 1
    async with streaming(app, b"/watch?key=k"):
        reply = await call(app, "GET", b"/watch?key=k")
    assert reply.status == 429
    assert reply.headers[b"retry-after"] == b"1"


async def test_a_node_that_serves_nobody_says_so(app: ASGIApp, service: FakeService) -> None:
    service.raised = NoLeader("this node stopped serving")
    reply = await call(app, "GET", b"/watch?key=k")
    assert (reply.status, reply.json["error"]) == (503, "this node stopped serving")


@pytest.mark.parametrize(
    ("query", "status", "names"),
    [
        (b"", 400, "key"),
        (b"key=", 400, "key"),
        (b"key=a&prefix=b", 400, "prefix"),
        (b"start=b&end=a", 400, "start"),
        (b"key=" + b"k" * 65, 413, "key"),
        (b"key=%FF", 400, "key"),
        (b"key=%2", 400, "key"),
        (b"key=a&fromRevision=0", 400, "fromRevision"),
        (b"key=a&fromRevision=x", 400, "fromRevision"),
        (b"key=a&fromRevision=99999999999999999999", 400, "fromRevision"),
        (b"key=a&types=put,cas", 400, "types"),
        (b"key=a&types=", 400, "types"),
        (b"key=a&previous=maybe", 400, "previous"),
        (b"key=a&bookmarks=1", 400, "bookmarks"),
        (b"key=a&heartbeatSeconds=0", 400, "heartbeatSeconds"),
        (b"key=a&heartbeatSeconds=301", 400, "heartbeatSeconds"),
        (b"key=a&fromRevison=3", 400, "fromRevison"),
    ],
)
async def test_a_wrong_parameter_is_refused_by_name(
    app: ASGIApp, query: bytes, status: int, names: str
) -> None:
    reply = await call(app, "GET", b"/watch?" + query)
    assert reply.status == status
    assert names in reply.json["error"]
    assert reply.headers[b"content-type"] == b"application/problem+json"
    assert reply.json["instance"] == "/watch"


@pytest.mark.parametrize("value", [b"x", b"-1", b"1.5", b"9223372036854775807", b"1" * 30])
async def test_a_wrong_last_id_is_refused(app: ASGIApp, value: bytes) -> None:
    reply = await call(app, "GET", b"/watch?key=k", headers=[(b"last-event-id", value)])
    assert reply.status == 400
    assert "Last-Event-ID" in reply.json["error"]


class Recorder:
    def __init__(self) -> None:
        self.seen: list[tuple[str, str, int]] = []

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        self.seen.append((route, method, status))


async def test_a_stream_is_observed_when_it_begins(service: FakeService) -> None:
    recorder = Recorder()
    app = create_app(service, OPTIONS, registry=CollectorRegistry(), observer=recorder)
    async with streaming(app, b"/watch?key=k") as client:
        await client.event()
        assert recorder.seen == [("/watch", "GET", 200)]
    await call(app, "GET", b"/watch")
    assert recorder.seen == [("/watch", "GET", 200), ("/watch", "GET", 400)]


async def test_the_framework_alone_streams_as_well(
    framework: ASGIApp, service: FakeService
) -> None:
    async with streaming(framework, b"/watch?key=k") as client:
        assert (await client.event()).event == "opened"
        put(service, "k")
        assert (await client.event()).event == "change"
