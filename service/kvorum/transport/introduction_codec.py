"""The handshake ↔ bytes on the wire."""

from kvorum.raft.types import Index, NodeId
from kvorum.transport.introduction import Hello, HelloReply
from kvorum.transport.pb import raft_pb2 as pb
from kvorum.transport.wire import NUMBER_MAX, malformed, parse

HELLO_BYTES_MAX = 64 << 10


def encode_hello(hello: Hello) -> bytes:
    frame = pb.PeerFrame(
        hello=pb.Hello(
            protocolVersion=hello.protocol_version,
            clusterId=hello.cluster_id,
            nodeId=hello.node_id,
            member=hello.member,
            uid=hello.uid,
            virgin=hello.virgin,
            senderAddress=hello.sender_address,
            receiverAddress=hello.receiver_address,
            receiverMember=hello.receiver_member,
            receiverVacant=hello.receiver_vacant,
            members=hello.members,
            membershipIndex=hello.membership_index,
            executedCommandsKey=hello.executed_commands_key,
        )
    )
    return frame.SerializeToString()


def decode_hello(raw: bytes) -> Hello:
    """The first frame of a stream. Raises MalformedMessage.

    Member ids are taken as they come: another version's may look different, and that is for
    the handshake to tell.
    """
    if len(raw) > HELLO_BYTES_MAX:
        malformed(f"a first frame of {len(raw)} bytes")
    frame = parse(pb.PeerFrame, raw)
    if frame.WhichOneof("frame") != "hello":
        malformed("the first frame must be a hello")
    wire = frame.hello
    return Hello(
        protocol_version=wire.protocolVersion,
        cluster_id=wire.clusterId,
        node_id=wire.nodeId,
        member=NodeId(wire.member),
        uid=wire.uid,
        virgin=wire.virgin,
        sender_address=wire.senderAddress,
        receiver_address=wire.receiverAddress,
        receiver_member=NodeId(wire.receiverMember),
        receiver_vacant=wire.receiverVacant,
        members=tuple(wire.members),
        membership_index=_index(wire.membershipIndex),
        executed_commands_key=wire.executedCommandsKey,
    )


def encode_reply(reply: HelloReply) -> bytes:
    wire = pb.HelloReply(
        accepted=reply.accepted,
        reason=reply.reason,
        protocolVersion=reply.protocol_version,
        clusterId=reply.cluster_id,
        nodeId=reply.node_id,
        member=reply.member,
        uid=reply.uid,
        virgin=reply.virgin,
        membershipIndex=reply.membership_index,
        members=reply.members,
        refusal=reply.refusal,
        assigned=reply.assigned,
    )
    return pb.StreamReply(hello=wire).SerializeToString()


def decode_reply(raw: bytes) -> HelloReply:
    """The answer to a hello. Raises MalformedMessage."""
    if len(raw) > HELLO_BYTES_MAX:
        malformed(f"an answer of {len(raw)} bytes to the hello")
    reply = parse(pb.StreamReply, raw)
    if reply.WhichOneof("reply") != "hello":
        malformed("the first reply must answer the hello")
    wire = reply.hello
    return HelloReply(
        accepted=wire.accepted,
        reason=wire.reason,
        protocol_version=wire.protocolVersion,
        cluster_id=wire.clusterId,
        node_id=wire.nodeId,
        member=wire.member,
        uid=wire.uid,
        virgin=wire.virgin,
        membership_index=_index(wire.membershipIndex),
        members=tuple(wire.members),
        refusal=wire.refusal,
        assigned=wire.assigned,
    )


def _index(number: int) -> Index:
    if number > NUMBER_MAX:
        malformed(f"index {number} is out of range")
    return Index(number)
