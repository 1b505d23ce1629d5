"""How the calls that a server answers are counted: by method and code, streams while open."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from kvorum.transport.pb import kvorum_pb2 as kvorum
from kvorum.transport.pb import kvorum_pb2_grpc, raft_pb2_grpc
from kvorum.transport.pb import raft_pb2 as raft
from tests.integration.transport.harness import (
    Cluster,
    Node,
    eventually,
    free_addresses,
    node_options,
)

CHECK = "grpc.health.v1.Health/Check"
HEALTH_WATCH = "grpc.health.v1.Health/Watch"
REFLECTION = "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
STREAM = "raft_protocol.RaftService/Stream"
VOTE = "raft_protocol.RaftService/RequestForVote"
WATCH = "kvorum.v1.Watch/Watch"


@pytest.fixture
async def node(cluster: Cluster) -> Node:
    """Node 1 of two; the other one is away."""
    (node,) = await cluster.start(node_options(free_addresses(2), 1, unary_timeout_ms=300))
    return node


@pytest.fixture
async def channel(node: Node) -> AsyncIterator[aio.Channel]:
    async with aio.insecure_channel(node.address) as channel:
        yield channel


async def refused_with(call: Any) -> grpc.StatusCode:
    with pytest.raises(aio.AioRpcError) as caught:
        await call
    code: grpc.StatusCode = caught.value.code()
    return code


async def test_answers_and_refusals_of_calls(node: Node, channel: aio.Channel) -> None:
    health: Any = health_pb2_grpc.HealthStub(channel)
    votes: Any = raft_pb2_grpc.RaftServiceStub(channel)
    await health.Check(health_pb2.HealthCheckRequest())
    code = await refused_with(health.Check(health_pb2.HealthCheckRequest(service="none")))
    assert code is grpc.StatusCode.NOT_FOUND
    code = await refused_with(votes.RequestForVote(raft.RequestForVoteRequest()))
    assert code is grpc.StatusCode.FAILED_PRECONDITION
    nothing: Any = channel.unary_unary("/no.Such/Method")
    code = await refused_with(nothing(b""))
    assert code is grpc.StatusCode.UNIMPLEMENTED
    assert node.recorder.calls == {
        (CHECK, "OK"): 1,
        (CHECK, "NOT_FOUND"): 1,
        (VOTE, "FAILED_PRECONDITION"): 1,
        ("other", "UNIMPLEMENTED"): 1,
    }
    assert len(node.recorder.durations_s) == 3
    assert all(0 < seconds < 60 for seconds in node.recorder.durations_s)
    assert not node.recorder.open_streams


async def test_a_caller_that_hangs_up(node: Node, channel: aio.Channel) -> None:
    method: Any = channel.unary_unary(f"/{VOTE}")
    metadata = (("kvorum-cluster-id", "cluster-a"),)
    sender = next(iter(node.transport._links.by_member))
    request = raft.RequestForVoteRequest(term=1, candidateId=sender)
    call = method(request.SerializeToString(), metadata=metadata)
    await eventually(lambda: node.inbox)
    call.cancel()
    await eventually(lambda: node.recorder.calls[VOTE, "CANCELLED"] == 1)


async def test_streams_count_while_they_are_open(node: Node, channel: aio.Channel) -> None:
    watch: Any = kvorum_pb2_grpc.WatchStub(channel)
    call = watch.Watch(kvorum.WatchRequest(prefix=b""))
    assert (await call.read()).WhichOneof("response") == "opened"
    assert node.recorder.open_streams[WATCH] == 1
    assert node.recorder.calls[WATCH, "OK"] == 0
    call.cancel()
    await eventually(lambda: node.recorder.calls[WATCH, "CANCELLED"] == 1)
    assert node.recorder.open_streams[WATCH] == 0


async def test_streams_of_others(node: Node, channel: aio.Channel) -> None:
    """Of a service that generates answers, and of one that writes them."""
    stub_of: Any = reflection_pb2_grpc.ServerReflectionStub
    reflection = stub_of(channel)
    call = reflection.ServerReflectionInfo()
    await call.write(reflection_pb2.ServerReflectionRequest(list_services=""))
    names = {service.name for service in (await call.read()).list_services_response.service}
    assert "raft_protocol.RaftService" in names
    assert node.recorder.open_streams[REFLECTION] == 1
    await call.done_writing()
    await eventually(lambda: node.recorder.calls[REFLECTION, "OK"] == 1)
    health: Any = health_pb2_grpc.HealthStub(channel)
    watch = health.Watch(health_pb2.HealthCheckRequest())
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
    watch.cancel()
    await eventually(lambda: node.recorder.calls[HEALTH_WATCH, "CANCELLED"] == 1)
    assert set(node.recorder.open_streams.values()) == {0}


async def test_a_stream_of_a_peer_that_stops(cluster: Cluster) -> None:
    addresses = free_addresses(2)
    one, two = await cluster.start(node_options(addresses, 1), node_options(addresses, 2))
    await eventually(lambda: one.recorder.open_streams[STREAM] == 1)
    await two.stop()
    await eventually(lambda: one.recorder.open_streams[STREAM] == 0)
    [(method, _)] = [key for key, times in one.recorder.calls.items() if times]
    assert method == STREAM


async def test_a_refused_stream_is_over_at_once(node: Node, channel: aio.Channel) -> None:
    stream: Any = channel.stream_stream(f"/{STREAM}")()
    async with asyncio.timeout(30):
        await stream.write(b"nonsense")
        assert await stream.code() is grpc.StatusCode.INVALID_ARGUMENT
    await eventually(lambda: node.recorder.calls[STREAM, "INVALID_ARGUMENT"] == 1)
    assert node.recorder.open_streams[STREAM] == 0
