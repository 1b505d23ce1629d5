"""Consensus messages ↔ bytes on the wire (``proto/raft.proto``).

Decoding trusts nothing: whatever comes out can be stepped into the core, which
asserts what this module checked. A wire message carries no receiver, and most
carry no sender: those are the two ends of the stream it came on.
"""

from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeVar

from google.protobuf.message import DecodeError
from google.protobuf.message import Message as ProtobufMessage

from kvorum.raft.messages import (
    AppendEntries,
    AppendResponse,
    Message,
    Propose,
    ProposeResponse,
    ReadIndex,
    ReadIndexResponse,
    RequestVote,
    VoteResponse,
)
from kvorum.raft.types import Entry, EntryId, EntryKind, Index, NodeId, Term, Ticket
from kvorum.transport.handshake import Hello, HelloReply
from kvorum.transport.pb import raft_pb2 as pb

NUMBER_MAX = (1 << 63) - 1
"""Terms and indexes beyond this are no work of Raft; it leaves room to add to them."""

HELLO_BYTES_MAX = 64 << 10

_KINDS = {kind.value: kind for kind in EntryKind}
_ENTRY_OVERHEAD_BYTES = 24  # term, kind, tags and lengths of one entry on the wire
_MESSAGE_OVERHEAD_BYTES = 128  # the same for everything of fixed size, but the names

_Wire = TypeVar("_Wire", bound=ProtobufMessage)


class MalformedMessage(Exception):
    """Bytes from a peer that no kvorum node would send."""


def _malformed(what: str) -> NoReturn:
    raise MalformedMessage(what)


def _parse(kind: type[_Wire], raw: bytes) -> _Wire:
    try:
        return kind.FromString(raw)
    except DecodeError as error:
        raise MalformedMessage(f"not a {kind.DESCRIPTOR.name}: {error}") from error


def _term(number: int) -> Term:
    if number > NUMBER_MAX:
        _malformed(f"term {number} is out of range")
    return Term(number)


def _index(number: int) -> Index:
    if number > NUMBER_MAX:
        _malformed(f"index {number} is out of range")
    return Index(number)


def _position(term: int, index: int) -> EntryId:
    """An entry, or what precedes the first one: there both are 0."""
    if (term == 0) != (index == 0):
        _malformed(f"there is no entry {index} of term {term}")
    return EntryId(_term(term), _index(index))


def _same_sender(named: str, sender: NodeId) -> None:
    if named != sender:
        _malformed(f"a message of {named!r} on the stream of {sender}")


def message_bytes(message: Message) -> int:
    """Upper bound of the encoded size of ``message``, in bytes; cheap."""
    size = _MESSAGE_OVERHEAD_BYTES + 3 * len(message.sender)
    match message:
        case AppendEntries(entries=entries):
            for entry in entries:
                size += len(entry.data) + _ENTRY_OVERHEAD_BYTES
        case Propose(data=data):
            size += len(data)
    return size


# --- encoding ---------------------------------------------------------------------


def encode_vote_request(message: RequestVote) -> pb.RequestForVoteRequest:
    return pb.RequestForVoteRequest(
        term=message.term,
        candidateId=message.sender,
        lastLogIndex=message.last.index,
        lastLogTerm=message.last.term,
        preVote=message.pre,
    )


def encode_vote_response(message: VoteResponse) -> pb.RequestForVoteResponse:
    return pb.RequestForVoteResponse(
        term=message.term, voteGranted=message.granted, preVote=message.pre
    )


def encode_append_request(message: AppendEntries) -> pb.AppendEntriesRequest:
    request = pb.AppendEntriesRequest(
        term=message.term,
        leaderId=message.sender,
        prevLogIndex=message.prev.index,
        prevLogTerm=message.prev.term,
        leaderCommit=message.commit,
        round=message.round,
    )
    add = request.entries.add
    for entry in message.entries:
        add(term=entry.term, command=entry.data, kind=pb.EntryKind.ValueType(entry.kind))
    return request


def encode_append_response(message: AppendResponse) -> pb.AppendEntriesResponse:
    conflict = message.conflict
    return pb.AppendEntriesResponse(
        term=message.term,
        success=message.success,
        conflictTerm=conflict.term if conflict else 0,
        conflictIndex=conflict.index if conflict else None,
        matchIndex=message.match,
        rejectedIndex=message.rejected,
        round=message.round,
    )


def _encode_propose(message: Propose) -> pb.Propose:
    return pb.Propose(term=message.term, ticket=message.ticket, data=message.data)


def _encode_propose_response(message: ProposeResponse) -> pb.ProposeResponse:
    entry = message.entry
    return pb.ProposeResponse(
        term=message.term,
        ticket=message.ticket,
        entryTerm=entry.term if entry else 0,
        entryIndex=entry.index if entry else None,
    )


def _encode_read_index(message: ReadIndex) -> pb.ReadIndex:
    return pb.ReadIndex(term=message.term, ticket=message.ticket)


def _encode_read_index_response(message: ReadIndexResponse) -> pb.ReadIndexResponse:
    return pb.ReadIndexResponse(term=message.term, ticket=message.ticket, index=message.index)


# Any: each encoder takes its own message type, which a table cannot express.
_ENCODERS: dict[type[Any], tuple[str, Callable[[Any], Any]]] = {
    RequestVote: ("requestVote", encode_vote_request),
    VoteResponse: ("voteResponse", encode_vote_response),
    AppendEntries: ("appendEntries", encode_append_request),
    AppendResponse: ("appendResponse", encode_append_response),
    Propose: ("propose", _encode_propose),
    ProposeResponse: ("proposeResponse", _encode_propose_response),
    ReadIndex: ("readIndex", _encode_read_index),
    ReadIndexResponse: ("readIndexResponse", _encode_read_index_response),
}


def encode_batch(messages: Sequence[Message]) -> bytes:
    """One frame with all ``messages``, in order."""
    frame = pb.PeerFrame()
    frame.batch.SetInParent()  # an empty batch is still a batch
    add = frame.batch.messages.add
    for message in messages:
        name, encode = _ENCODERS[type(message)]
        add(**{name: encode(message)})
    return frame.SerializeToString()


# --- decoding ---------------------------------------------------------------------


def _decode_entries(wire: pb.AppendEntriesRequest, prev: EntryId) -> tuple[Entry, ...]:
    """Number the entries on from ``prev``; their terms never decrease (§3.5)."""
    _index(prev.index + len(wire.entries))
    entries = []
    term = max(prev.term, 1)
    for index, item in enumerate(wire.entries, prev.index + 1):
        if not term <= item.term <= wire.term:
            _malformed(f"entry {index} of term {item.term} after one of term {term}")
        term = item.term
        kind = _KINDS.get(item.kind)
        if kind is None:
            _malformed(f"entry {index} is of the unknown kind {item.kind}")
        entries.append(Entry(Term(term), Index(index), kind, item.command))
    return tuple(entries)


def _decode_vote_request(wire: pb.RequestForVoteRequest, sender: NodeId, to: NodeId) -> RequestVote:
    _same_sender(wire.candidateId, sender)
    return RequestVote(
        to=to,
        sender=sender,
        term=_term(wire.term),
        last=_position(wire.lastLogTerm, wire.lastLogIndex),
        pre=wire.preVote,
    )


def _decode_vote_response(
    wire: pb.RequestForVoteResponse, sender: NodeId, to: NodeId
) -> VoteResponse:
    return VoteResponse(
        to=to, sender=sender, term=_term(wire.term), granted=wire.voteGranted, pre=wire.preVote
    )


def _decode_append_request(
    wire: pb.AppendEntriesRequest, sender: NodeId, to: NodeId
) -> AppendEntries:
    _same_sender(wire.leaderId, sender)
    prev = _position(wire.prevLogTerm, wire.prevLogIndex)
    return AppendEntries(
        to=to,
        sender=sender,
        term=_term(wire.term),
        prev=prev,
        entries=_decode_entries(wire, prev),
        commit=_index(wire.leaderCommit),
        round=wire.round,
    )


def _decode_append_response(
    wire: pb.AppendEntriesResponse, sender: NodeId, to: NodeId
) -> AppendResponse:
    conflict = None
    if wire.HasField("conflictIndex"):
        conflict = EntryId(_term(wire.conflictTerm), _index(wire.conflictIndex))
    return AppendResponse(
        to=to,
        sender=sender,
        term=_term(wire.term),
        success=wire.success,
        match=_index(wire.matchIndex),
        rejected=_index(wire.rejectedIndex),
        conflict=conflict,
        round=wire.round,
    )


def _decode_propose(wire: pb.Propose, sender: NodeId, to: NodeId) -> Propose:
    return Propose(
        to=to, sender=sender, term=_term(wire.term), ticket=Ticket(wire.ticket), data=wire.data
    )


def _decode_propose_response(
    wire: pb.ProposeResponse, sender: NodeId, to: NodeId
) -> ProposeResponse:
    entry = None
    if wire.HasField("entryIndex"):
        entry = EntryId(_term(wire.entryTerm), _index(wire.entryIndex))
    return ProposeResponse(
        to=to, sender=sender, term=_term(wire.term), ticket=Ticket(wire.ticket), entry=entry
    )


def _decode_read_index(wire: pb.ReadIndex, sender: NodeId, to: NodeId) -> ReadIndex:
    return ReadIndex(to=to, sender=sender, term=_term(wire.term), ticket=Ticket(wire.ticket))


def _decode_read_index_response(
    wire: pb.ReadIndexResponse, sender: NodeId, to: NodeId
) -> ReadIndexResponse:
    return ReadIndexResponse(
        to=to,
        sender=sender,
        term=_term(wire.term),
        ticket=Ticket(wire.ticket),
        index=_index(wire.index) if wire.HasField("index") else None,
    )


# Any: each decoder takes its own protobuf type, which a table cannot express.
_DECODERS: dict[str, Callable[[Any, NodeId, NodeId], Message]] = {
    "requestVote": _decode_vote_request,
    "voteResponse": _decode_vote_response,
    "appendEntries": _decode_append_request,
    "appendResponse": _decode_append_response,
    "propose": _decode_propose,
    "proposeResponse": _decode_propose_response,
    "readIndex": _decode_read_index,
    "readIndexResponse": _decode_read_index_response,
}


def decode_batch(raw: bytes, sender: NodeId, to: NodeId) -> list[Message]:
    """Messages of one frame, in order. Raises MalformedMessage."""
    frame = _parse(pb.PeerFrame, raw)
    if frame.WhichOneof("frame") != "batch":
        _malformed("a frame after the first must be a batch")
    messages = []
    for wire in frame.batch.messages:
        kind = wire.WhichOneof("kind")
        if kind is None:
            _malformed("a message of unknown kind")
        messages.append(_DECODERS[kind](getattr(wire, kind), sender, to))
    return messages


def decode_vote_request(raw: bytes, to: NodeId) -> RequestVote:
    """A unary request names its own sender. Raises MalformedMessage."""
    wire = _parse(pb.RequestForVoteRequest, raw)
    return _decode_vote_request(wire, NodeId(wire.candidateId), to)


def decode_append_request(raw: bytes, to: NodeId) -> AppendEntries:
    """A unary request names its own sender. Raises MalformedMessage."""
    wire = _parse(pb.AppendEntriesRequest, raw)
    return _decode_append_request(wire, NodeId(wire.leaderId), to)


# --- handshake --------------------------------------------------------------------


def encode_hello(hello: Hello) -> bytes:
    frame = pb.PeerFrame(
        hello=pb.Hello(
            protocolVersion=hello.protocol_version,
            clusterId=hello.cluster_id,
            nodeId=hello.node_id,
            senderAddress=hello.sender_address,
            receiverAddress=hello.receiver_address,
            members=hello.members,
            executedCommandsKey=hello.executed_commands_key,
        )
    )
    return frame.SerializeToString()


def decode_hello(raw: bytes) -> Hello:
    """The first frame of a stream. Raises MalformedMessage."""
    if len(raw) > HELLO_BYTES_MAX:
        _malformed(f"a first frame of {len(raw)} bytes")
    frame = _parse(pb.PeerFrame, raw)
    if frame.WhichOneof("frame") != "hello":
        _malformed("the first frame must be a hello")
    wire = frame.hello
    return Hello(
        protocol_version=wire.protocolVersion,
        cluster_id=wire.clusterId,
        node_id=wire.nodeId,
        sender_address=wire.senderAddress,
        receiver_address=wire.receiverAddress,
        members=tuple(wire.members),
        executed_commands_key=wire.executedCommandsKey,
    )


def encode_reply(reply: HelloReply) -> bytes:
    wire = pb.HelloReply(
        accepted=reply.accepted,
        reason=reply.reason,
        protocolVersion=reply.protocol_version,
        clusterId=reply.cluster_id,
        nodeId=reply.node_id,
    )
    return pb.StreamReply(hello=wire).SerializeToString()


def decode_reply(raw: bytes) -> HelloReply:
    """The answer to a hello. Raises MalformedMessage."""
    if len(raw) > HELLO_BYTES_MAX:
        _malformed(f"an answer of {len(raw)} bytes to the hello")
    reply = _parse(pb.StreamReply, raw)
    if reply.WhichOneof("reply") != "hello":
        _malformed("the first reply must answer the hello")
    wire = reply.hello
    return HelloReply(
        accepted=wire.accepted,
        reason=wire.reason,
        protocol_version=wire.protocolVersion,
        cluster_id=wire.clusterId,
        node_id=wire.nodeId,
    )
