"""The server as foreign clients see it: unary calls, health, reflection, nonsense."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import msgspec
import pytest
from google.protobuf import descriptor_pb2
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from kvorum.errors import StartError
from kvorum.raft.messages import AppendEntries, AppendResponse, Message, RequestVote, VoteResponse
from kvorum.raft.types import EntryId, EntryKind, Index, NodeId, Term
from kvorum.transport.introduction import Hello
from kvorum.transport.introduction_codec import encode_hello
from kvorum.transport.options import PROTOCOL_VERSION
from kvorum.transport.pb import raft_pb2 as pb
from kvorum.transport.pb import raft_pb2_grpc
from tests.integration.transport.harness import (
    Cluster,
    Node,
    ack,
    eventually,
    free_addresses,
    node_options,
)

STREAM = "/raft_protocol.RaftService/Stream"
OURS = (("kvorum-cluster-id", "cluster-a"),)


@pytest.fixture
async def node(cluster: Cluster) -> Node:
    """Node 1 of two; the other one is away."""
    (node,) = await cluster.start(node_options(free_addresses(2), 1, unary_timeout_ms=300))
    return node


@pytest.fixture
async def channel(node: Node) -> AsyncIterator[aio.Channel]:
    async with aio.insecure_channel(node.address) as channel:
        yield channel


def peer_of(node: Node) -> str:
    return node.transport._links.by_member.copy().popitem()[0]


def answer_like_a_core(node: Node) -> None:
    """A follower that grants every vote and accepts every append."""

    def answer(message: Message) -> None:
        to, me, term = message.sender, NodeId(node.address), message.term
        reply: Message
        match message:
            case RequestVote(pre=pre):
                reply = VoteResponse(to=to, sender=me, term=term, granted=True, pre=pre)
            case AppendEntries(prev=prev, entries=entries):
                match = Index(prev.index + len(entries))
                reply = AppendResponse(to=to, sender=me, term=term, success=True, match=match)
            case _:
                raise AssertionError(message)
        asyncio.get_running_loop().call_soon(node.transport.send, [reply])

    node.on_message = answer


async def failure(call: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(aio.AioRpcError) as caught:
        await call
    return caught.value.code(), caught.value.details() or ""


async def test_request_for_vote(node: Node, channel: aio.Channel) -> None:
    answer_like_a_core(node)
    stub: Any = raft_pb2_grpc.RaftServiceStub(channel)
    request = pb.RequestForVoteRequest(
        term=7, candidateId=peer_of(node), lastLogIndex=3, lastLogTerm=2, preVote=True
    )
    reply = await stub.RequestForVote(request, metadata=OURS)
    assert reply == pb.RequestForVoteResponse(term=7, voteGranted=True, preVote=True)
    assert node.inbox == [
        RequestVote(
            to=NodeId(node.address),
            sender=NodeId(peer_of(node)),
            term=Term(7),
            last=EntryId(Term(2), Index(3)),
            pre=True,
        )
    ]
    assert not node.recorder.drops, "the answer must not go to the (absent) peer's stream"


async def test_append_entries(node: Node, channel: aio.Channel) -> None:
    answer_like_a_core(node)
    stub: Any = raft_pb2_grpc.RaftServiceStub(channel)
    request = pb.AppendEntriesRequest(
        term=7,
        leaderId=peer_of(node),
        entries=[pb.LogEntry(term=6, command=b"x"), pb.LogEntry(term=7, kind=pb.NOOP)],
        leaderCommit=1,
    )
    replies = await asyncio.gather(*(stub.AppendEntries(request, metadata=OURS) for _ in range(5)))
    assert replies == [pb.AppendEntriesResponse(term=7, success=True, matchIndex=2)] * 5
    message = node.inbox[0]
    assert isinstance(message, AppendEntries)
    assert [(e.index, e.kind, e.data) for e in message.entries] == [
        (1, EntryKind.COMMANDS, b"x"),
        (2, EntryKind.NOOP, b""),
    ]


@pytest.mark.parametrize("metadata", [(), (("kvorum-cluster-id", "cluster-b"),)])
async def test_unary_calls_need_our_cluster_id(
    node: Node, channel: aio.Channel, metadata: tuple[tuple[str, str], ...]
) -> None:
    stub: Any = raft_pb2_grpc.RaftServiceStub(channel)
    request = pb.RequestForVoteRequest(term=7, candidateId=peer_of(node))
    code, details = await failure(stub.RequestForVote(request, metadata=metadata))
    assert code is grpc.StatusCode.FAILED_PRECONDITION
    assert "kvorum-cluster-id" in details
    assert "cluster-a" in details
    assert node.inbox == []


async def test_unary_calls_need_a_member_as_sender(node: Node, channel: aio.Channel) -> None:
    stub: Any = raft_pb2_grpc.RaftServiceStub(channel)
    for sender in ("localhost:1", node.address, ""):
        request = pb.AppendEntriesRequest(term=7, leaderId=sender)
        code, _ = await failure(stub.AppendEntries(request, metadata=OURS))
        assert code is grpc.StatusCode.PERMISSION_DENIED
    assert node.inbox == []


async def test_a_node_that_lost_its_disk_answers_no_unary_call(
    node: Node, channel: aio.Channel
) -> None:
    node.transport._standing.disowned = "the disk is lost"
    stub: Any = raft_pb2_grpc.RaftServiceStub(channel)
    request = pb.RequestForVoteRequest(term=7, candidateId=peer_of(node))
    failed = await failure(stub.RequestForVote(request, metadata=OURS))
    assert failed == (grpc.StatusCode.PERMISSION_DENIED, "the disk is lost")
    assert node.inbox == []


async def test_a_unary_call_that_nobody_answers_expires(node: Node, channel: aio.Channel) -> None:
    stub: Any = raft_pb2_grpc.RaftServiceStub(channel)
    request = pb.RequestForVoteRequest(term=7, candidateId=peer_of(node))
    code, details = await failure(stub.RequestForVote(request, metadata=OURS))
    assert code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert "did not answer in time" in details
    await eventually(lambda: node.transport._calls.waiting == 0)


async def test_too_many_unary_calls_are_refused(cluster: Cluster) -> None:
    addresses = free_addresses(2)
    (node,) = await cluster.start(node_options(addresses, 1, unary_calls_max=1))
    async with aio.insecure_channel(node.address) as channel:
        stub: Any = raft_pb2_grpc.RaftServiceStub(channel)
        request = pb.RequestForVoteRequest(term=7, candidateId=addresses[1])
        first = stub.RequestForVote(request, metadata=OURS)
        await eventually(lambda: node.inbox)
        code, _ = await failure(stub.RequestForVote(request, metadata=OURS))
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
        answer = VoteResponse(
            to=NodeId(addresses[1]), sender=NodeId(node.address), term=Term(9), granted=False
        )
        node.transport.send([answer])
        assert await first == pb.RequestForVoteResponse(term=9)


async def test_an_answer_for_the_peer_still_travels_on_the_stream(cluster: Cluster) -> None:
    """Only the kind of answer that a unary call waits for is kept back."""
    one, two = await cluster.start_linked(2)
    async with aio.insecure_channel(one.address) as channel:
        stub: Any = raft_pb2_grpc.RaftServiceStub(channel)
        request = pb.RequestForVoteRequest(term=7, candidateId=two.address)
        call = stub.RequestForVote(request, metadata=OURS)
        await eventually(lambda: one.inbox)
        one.transport.send([ack(one.address, two.address, 1)])
        await eventually(lambda: two.inbox)
        call.cancel()


@pytest.mark.parametrize(
    ("method", "raw"),
    [
        ("RequestForVote", b"\xff\xff\xff"),
        ("AppendEntries", b"\xff\xff\xff"),
        ("AppendEntries", pb.AppendEntriesRequest(term=1 << 63).SerializeToString()),
        (
            "AppendEntries",
            pb.AppendEntriesRequest(
                term=3, entries=[pb.LogEntry(term=2), pb.LogEntry(term=1)]
            ).SerializeToString(),
        ),
    ],
)
async def test_nonsense_in_a_unary_call(
    node: Node, channel: aio.Channel, method: str, raw: bytes
) -> None:
    call: Any = channel.unary_unary(f"/raft_protocol.RaftService/{method}", None, None)
    code, _ = await failure(call(raw, metadata=OURS))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert node.recorder.refusals == {"malformed": 1}
    assert node.inbox == []


def hello_to(node: Node) -> bytes:
    return encode_hello(
        Hello(
            protocol_version=PROTOCOL_VERSION,
            cluster_id="cluster-a",
            node_id="Node-2",
            member=NodeId(peer_of(node)),
            uid="uid-2",
            virgin=False,
            sender_address=peer_of(node),
            receiver_address=node.address,
            receiver_member=node.member,
            receiver_vacant=True,
            members=(node.address, peer_of(node)),
            membership_index=Index(0),
            executed_commands_key="_executed",
        )
    )


def vote_of(sender: str) -> bytes:
    frame = pb.PeerFrame()
    frame.batch.messages.add(requestVote=pb.RequestForVoteRequest(term=1, candidateId=sender))
    return frame.SerializeToString()


@pytest.mark.parametrize(
    ("frame", "complaint"),
    [
        (b"\xff\xff\xff", "not a PeerFrame"),
        (b"", "a frame after the first must be a batch"),
        (vote_of("localhost:1"), "a message of 'localhost:1' on the stream of"),
        (
            pb.PeerFrame(batch=pb.Batch(messages=[pb.PeerMessage()])).SerializeToString(),
            "a message of unknown kind",
        ),
    ],
)
async def test_nonsense_on_a_stream_ends_only_that_stream(
    node: Node, channel: aio.Channel, frame: bytes, complaint: str
) -> None:
    call: Any = channel.stream_stream(STREAM, None, None)(None)
    await call.write(hello_to(node))
    assert pb.StreamReply.FromString(await call.read()).hello.accepted
    await call.write(vote_of(peer_of(node)))
    await eventually(lambda: len(node.inbox) == 1)
    await call.write(frame)
    assert await call.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert complaint in await call.details()
    assert node.recorder.refusals == {"malformed": 1}
    assert len(node.inbox) == 1
    # The next stream is welcome.
    again: Any = channel.stream_stream(STREAM, None, None)(None)
    await again.write(hello_to(node))
    assert pb.StreamReply.FromString(await again.read()).hello.accepted


@pytest.mark.parametrize("first", [b"\xff\xff\xff", vote_of("localhost:1"), bytes(100_000)])
async def test_a_stream_must_begin_with_a_hello(
    node: Node, channel: aio.Channel, first: bytes
) -> None:
    call: Any = channel.stream_stream(STREAM, None, None)(None)
    await call.write(first)
    assert await call.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert node.inbox == []


async def test_a_caller_that_says_nothing_is_hung_up_on(cluster: Cluster) -> None:
    options = node_options(free_addresses(2), 1, handshake_timeout_ms=50)
    (node,) = await cluster.start(options)
    async with aio.insecure_channel(node.address) as channel:
        call: Any = channel.stream_stream(STREAM, None, None)(None)
        assert await call.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert await call.details() == "no hello in time"


async def test_health_follows_readiness(node: Node, channel: aio.Channel) -> None:
    stub: Any = health_pb2_grpc.HealthStub(channel)

    async def status(service: str) -> int:
        request = health_pb2.HealthCheckRequest(service=service)
        reply = await stub.Check(request)
        return int(reply.status)

    serving = health_pb2.HealthCheckResponse.SERVING
    not_serving = health_pb2.HealthCheckResponse.NOT_SERVING
    assert await status("") == serving
    assert await status("raft_protocol.RaftService") == not_serving
    watch: Any = stub.Watch(health_pb2.HealthCheckRequest(service="raft_protocol.RaftService"))
    assert (await watch.read()).status == not_serving
    node.transport.set_ready(True)
    assert (await watch.read()).status == serving
    assert await status("raft_protocol.RaftService") == serving
    node.transport.set_ready(False)
    assert (await watch.read()).status == not_serving
    node.transport.set_ready(True)
    assert (await watch.read()).status == serving
    stopping = asyncio.create_task(node.stop())
    assert (await watch.read()).status == not_serving
    await stopping


async def test_reflection_describes_the_protocol(node: Node, channel: Any) -> None:
    # The stubs know only the blocking channel.
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
    call = stub.ServerReflectionInfo()
    await call.write(reflection_pb2.ServerReflectionRequest(list_services=""))
    services = (await call.read()).list_services_response.service
    assert {service.name for service in services} == {
        "raft_protocol.RaftService",
        "kvorum.v1.Watch",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }
    symbol = reflection_pb2.ServerReflectionRequest(
        file_containing_symbol="raft_protocol.RaftService"
    )
    await call.write(symbol)
    raw = (await call.read()).file_descriptor_response.file_descriptor_proto[0]
    file = descriptor_pb2.FileDescriptorProto.FromString(raw)
    assert file.name == "raft.proto"
    assert [method.name for method in file.service[0].method] == [
        "RequestForVote",
        "AppendEntries",
        "Stream",
    ]
    await call.done_writing()


async def test_a_second_server_on_one_port_is_refused(node: Node, cluster: Cluster) -> None:
    second = Node(node_options([node.address], 1))
    cluster.nodes.append(second)
    with pytest.raises(StartError, match=f"SELF_ADDRESS {node.address} is already in use"):
        await second.start()


@pytest.mark.parametrize("listen", ["127.0.0.1", "[::1]"])
async def test_half_a_port_is_not_enough(cluster: Cluster, listen: str) -> None:
    """`localhost` is two addresses; a process on either of them is in the way."""
    addresses = free_addresses(2)
    port = addresses[0].rpartition(":")[2]
    await cluster.start(node_options(addresses, 1, listen_address=f"{listen}:{port}"))
    second = Node(node_options([addresses[0]], 1))
    cluster.nodes.append(second)
    with pytest.raises(StartError, match="already in use"):
        await second.start()


@pytest.mark.parametrize("listen", ["no-such-host.invalid:8001", "192.0.2.1:8001"])
async def test_an_address_of_another_machine_is_explained(cluster: Cluster, listen: str) -> None:
    options = msgspec.structs.replace(node_options(free_addresses(1), 1), listen_address=listen)
    node = Node(options)
    cluster.nodes.append(node)
    with pytest.raises(StartError, match=f"cannot listen on {listen}.*set LISTEN_ADDRESS"):
        await node.start()
