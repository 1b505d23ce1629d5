"""Watches as clients see them over gRPC."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from kvorum.transport.pb import kvorum_pb2 as pb
from kvorum.transport.pb import kvorum_pb2_grpc
from kvorum.transport.watch_service import WATCH_SERVICE
from tests.integration.transport.harness import (
    DEADLINE_S,
    Cluster,
    Node,
    eventually,
    free_addresses,
    node_options,
)

Call = Any  # gRPC's own types of calls are generic in a way that mypy cannot follow
Request = pb.WatchRequest
PUT, DELETE = pb.EVENT_KIND_PUT, pb.EVENT_KIND_DELETE


@pytest.fixture
async def node(cluster: Cluster) -> Node:
    """Node 1 of two; the other one is away."""
    (node,) = await cluster.start(node_options(free_addresses(2), 1))
    return node


@pytest.fixture
async def stub(node: Node) -> AsyncIterator[Any]:
    async with aio.insecure_channel(node.address) as channel:
        yield kvorum_pb2_grpc.WatchStub(channel)


async def read(call: Call) -> pb.WatchResponse:
    async with asyncio.timeout(DEADLINE_S):
        response: pb.WatchResponse = await call.read()
        return response


async def opened(stub: Any, request: Request) -> Call:
    """The call, once the node has answered that it watches."""
    call = stub.Watch(request)
    assert (await read(call)).WhichOneof("response") == "opened"
    return call


async def refusal(stub: Any, request: Request) -> tuple[grpc.StatusCode, str, dict[str, str]]:
    with pytest.raises(aio.AioRpcError) as caught:
        await read(stub.Watch(request))
    metadata = {key: str(value) for key, value in caught.value.trailing_metadata()}
    return caught.value.code(), caught.value.details() or "", metadata


async def read_all(call: Call) -> tuple[int, pb.WatchCancelled]:
    """The last revision, of changes without a gap from the first one on, and the end."""
    seen = 0
    while (response := await read(call)).WhichOneof("response") == "change":
        assert response.change.revision == seen + 1
        seen += 1
    return seen, response.cancelled


async def test_opened_and_changes(node: Node, stub: Any) -> None:
    node.watches.put(b"a")
    call = stub.Watch(Request(prefix=b"k/"))
    assert (await read(call)).opened.revision == 1
    node.watches.write((b"k/1", b"{}"), (b"a", b"2"), (b"k/2", b"[]"))
    node.watches.write((b"k/1", None))
    first, second = (await read(call)).change, (await read(call)).change
    assert (first.revision, second.revision) == (2, 3)
    assert [(event.key, event.record.value) for event in first.events] == [
        (b"k/1", b"{}"),
        (b"k/2", b"[]"),
    ]
    assert first.events[0].record.mod_revision == first.events[0].record.create_revision == 2
    assert first.events[0].record.version == 1
    (deletion,) = second.events
    assert deletion.key == b"k/1"
    assert not deletion.HasField("record")
    assert not deletion.HasField("previous")


async def test_previous_values(node: Node, stub: Any) -> None:
    plain = await opened(stub, Request(key=b"a"))
    previous = await opened(stub, Request(key=b"a", previous=True))
    node.watches.put(b"a", b"1")
    node.watches.write((b"a", None))
    for call, held in ((plain, False), (previous, True)):
        put, delete = (await read(call)).change.events[0], (await read(call)).change.events[0]
        assert not put.HasField("previous")
        assert delete.HasField("previous") == held
        assert delete.previous.value == (b"1" if held else b"")


@pytest.mark.parametrize(
    ("keys", "kinds", "told"),
    [
        (Request(key=b"b"), [], [2, 5]),
        (Request(prefix=b""), [], [1, 2, 3, 4, 5]),
        (Request(range=pb.KeyRange(start=b"aa", end=b"c")), [], [2, 4, 5]),
        (Request(range=pb.KeyRange(start=b"b")), [], [2, 3, 5]),
        (Request(prefix=b""), [DELETE], [5]),
        (Request(prefix=b"b"), [PUT], [2]),
        (Request(prefix=b"b"), [PUT, DELETE], [2, 5]),
    ],
)
async def test_selectors(
    node: Node, stub: Any, keys: Request, kinds: list[pb.EventKind.ValueType], told: list[int]
) -> None:
    for key in (b"a", b"b", b"c", b"aaa"):
        node.watches.put(key)
    node.watches.write((b"b", None))
    request = Request(from_revision=1, kinds=kinds)
    request.MergeFrom(keys)
    call = await opened(stub, request)
    assert [(await read(call)).change.revision for _ in told] == told


async def test_a_large_change_comes_in_parts(node: Node, stub: Any) -> None:
    call = await opened(stub, Request(prefix=b""))
    written = [(b"%d" % number, b"x" * 400_000) for number in range(5)]
    node.watches.write(*written)
    node.watches.put(b"a")
    parts = [(await read(call)).change for _ in range(3)]
    assert [part.continued for part in parts] == [True, True, False]
    assert {part.revision for part in parts} == {1}
    assert [event.key for part in parts for event in part.events] == [key for key, _ in written]
    assert (await read(call)).change.revision == 2


async def test_heartbeats_tell_how_far_it_is(node: Node, stub: Any) -> None:
    call = await opened(stub, Request(key=b"a", heartbeat_seconds=1))
    node.watches.put(b"b")
    assert (await read(call)).heartbeat.revision == 1


async def test_a_client_that_hangs_up_is_forgotten(node: Node, stub: Any) -> None:
    call = await opened(stub, Request(prefix=b""))
    assert node.watches.hub.watchers == 1
    call.cancel()
    await eventually(lambda: node.watches.hub.watchers == 0)


async def test_a_client_that_does_not_read_is_cut_off(node: Node, stub: Any) -> None:
    call = await opened(stub, Request(prefix=b""))
    service = node.transport._server._watches
    written = 0
    while node.watches.hub.watchers:
        node.watches.put(b"a", b"x" * 100_000)
        written += 1
        assert written < 2000, "200 MB went somewhere"
        await asyncio.sleep(0.001)  # so that what can be sent is sent
    seen, cancelled = await read_all(call)
    assert 0 < seen < written - 50
    assert cancelled.reason == pb.WatchCancelled.REASON_LAGGING
    assert cancelled.resume_revision == seen + 1
    await eventually(lambda: service.streams == 0)
    again = await opened(stub, Request(prefix=b"", from_revision=seen + 1))
    assert (await read(again)).change.revision == seen + 1


async def test_a_full_stream_counts(cluster: Cluster) -> None:
    """Else clients that do not read could take all calls that the server allows."""
    (node,) = await cluster.start(node_options(free_addresses(2), 1, watch_streams_max=1))
    async with aio.insecure_channel(node.address) as channel:
        stub: Any = kvorum_pb2_grpc.WatchStub(channel)
        await opened(stub, Request(prefix=b""))
        while node.watches.hub.watchers:
            node.watches.put(b"a", b"x" * 100_000)
            await asyncio.sleep(0.001)
        code, detail, _ = await refusal(stub, Request(prefix=b""))
        assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "streams" in detail


class TestEnds:
    async def test_a_node_that_stops_says_so(self, node: Node, stub: Any) -> None:
        node.watches.put(b"a")
        call = await opened(stub, Request(prefix=b""))
        node.watches.hub.close()
        cancelled = (await read(call)).cancelled
        assert cancelled.reason == pb.WatchCancelled.REASON_STOPPING
        assert cancelled.resume_revision == 2
        assert "another" in cancelled.detail
        assert await call.read() is aio.EOF
        assert await call.code() == grpc.StatusCode.OK

    async def test_compacted_meanwhile(self, node: Node, stub: Any) -> None:
        call = await opened(stub, Request(prefix=b""))
        node.watches.history.put(b"a")
        node.watches.history.compact(1)
        node.watches.put(b"a")
        cancelled = (await read(call)).cancelled
        assert cancelled.reason == pb.WatchCancelled.REASON_COMPACTED
        assert cancelled.resume_revision == 2


class TestRefusals:
    @pytest.mark.parametrize(
        ("request_", "names"),
        [
            (Request(), "key, prefix and range"),
            (Request(key=b""), "key: it is empty"),
            (Request(range=pb.KeyRange(start=b"b", end=b"b")), "range"),
            (Request(range=pb.KeyRange(start=b"b", end=b"")), "range"),
            (Request(prefix=b"", from_revision=0), "from_revision"),
            (Request(prefix=b"", from_revision=1 << 63), "from_revision"),
            (Request(prefix=b"", kinds=[pb.EVENT_KIND_UNSPECIFIED]), "kinds"),
            (Request(prefix=b"", heartbeat_seconds=301), "heartbeat_seconds"),
        ],
    )
    async def test_bad_requests(self, node: Node, stub: Any, request_: Request, names: str) -> None:
        code, detail, _ = await refusal(stub, request_)
        assert code == grpc.StatusCode.INVALID_ARGUMENT
        assert names in detail
        assert node.watches.hub.watchers == 0

    async def test_what_is_no_request(self, node: Node) -> None:
        async with aio.insecure_channel(node.address) as channel:
            watch: Any = channel.unary_stream(f"/{WATCH_SERVICE}/Watch")
            call = watch(b"\xff\xff")
            with pytest.raises(aio.AioRpcError) as caught:
                await call.read()
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT

    async def test_too_old(self, node: Node, stub: Any) -> None:
        for _ in range(5):
            node.watches.put(b"a")
        node.watches.history.compact(3)
        code, detail, metadata = await refusal(stub, Request(prefix=b"", from_revision=2))
        assert code == grpc.StatusCode.OUT_OF_RANGE
        assert metadata["kvorum-oldest-revision"] == "4"
        assert "before revision 4" in detail

    async def test_too_many_watches(self, node: Node, stub: Any) -> None:
        calls = [await opened(stub, Request(prefix=b"")) for _ in range(3)]
        code, detail, _ = await refusal(stub, Request(prefix=b""))
        assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "3 watches" in detail
        calls[0].cancel()
        await eventually(lambda: node.watches.hub.watchers == 2)
        await opened(stub, Request(prefix=b""))

    async def test_a_node_that_serves_nobody(self, node: Node, stub: Any) -> None:
        node.watches.hub.close()
        code, detail, _ = await refusal(stub, Request(prefix=b""))
        assert code == grpc.StatusCode.UNAVAILABLE
        assert "stopping" in detail


async def test_watches_do_not_use_up_the_calls_of_peers(cluster: Cluster) -> None:
    """A node full of watches still talks to its peers."""
    options = [
        node_options(free, number, concurrent_rpcs_max=4, watch_streams_max=3)
        for free in [free_addresses(2)]
        for number in (1, 2)
    ]
    first = await cluster.start_one(options[0])
    async with aio.insecure_channel(first.address) as channel:
        stub: Any = kvorum_pb2_grpc.WatchStub(channel)
        calls = [await opened(stub, Request(prefix=b"")) for _ in range(3)]
        second = await cluster.start_one(options[1])
        await second.linked_to(first)
        assert len(calls) == first.watches.hub.watchers


async def test_many_clients_that_come_at_once_are_all_answered(node: Node, stub: Any) -> None:
    """As when another node has died: more than gRPC itself would let wait."""
    calls = [stub.Watch(Request(prefix=b"")) for _ in range(1500)]
    codes = Counter[object]()
    for call in calls:
        try:
            codes[(await read(call)).WhichOneof("response")] += 1
        except aio.AioRpcError as error:
            codes[error.code()] += 1
    assert codes == {"opened": 3, grpc.StatusCode.RESOURCE_EXHAUSTED: 1497}


async def test_health_knows_the_service(node: Node) -> None:
    async with aio.insecure_channel(node.address) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest(service=WATCH_SERVICE)
        assert (await health.Check(request)).status == health_pb2.HealthCheckResponse.NOT_SERVING
        node.transport.set_ready(True)
        updates = health.Watch(request)
        while (await updates.read()).status != health_pb2.HealthCheckResponse.SERVING:
            pass
        updates.cancel()
