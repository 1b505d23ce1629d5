"""Consensus messages → bytes on the wire (``proto/raft.proto``)."""

from collections.abc import Callable, Sequence
from typing import Any

from kvorum.raft.membership import Membership
from kvorum.raft.messages import (
    AppendEntries,
    AppendResponse,
    InstallSnapshot,
    InstallSnapshotResponse,
    Message,
    Propose,
    ProposeResponse,
    ReadIndex,
    ReadIndexResponse,
    RequestVote,
    StateHash,
    TimeoutNow,
    TransferLeadership,
    VoteResponse,
)
from kvorum.telemetry.spans import TraceNote
from kvorum.transport.pb import raft_pb2 as pb

_ENTRY_OVERHEAD_BYTES = 24  # term, kind, tags and lengths of one entry on the wire
_MESSAGE_OVERHEAD_BYTES = 128  # the same for everything of fixed size, but the names
_NAME_OVERHEAD_BYTES = 8  # tag and length of one name
_CHARACTER_BYTES = 4  # at most, in UTF-8


def message_bytes(message: Message) -> int:
    """Upper bound of the encoded size of ``message``, in bytes; cheap."""
    size = _MESSAGE_OVERHEAD_BYTES + _CHARACTER_BYTES * len(message.sender)
    match message:
        case AppendEntries(entries=entries):
            for entry in entries:
                size += len(entry.data) + _ENTRY_OVERHEAD_BYTES
        case Propose(data=data):
            size += len(data)
        case ProposeResponse(refusal=refusal):
            size += _CHARACTER_BYTES * len(refusal)
        case InstallSnapshot(snapshot=snapshot, data=data):
            size += len(data) + _membership_bytes(snapshot.membership)
        case TransferLeadership(target=target):
            size += _CHARACTER_BYTES * len(target or "")
    return size


def _membership_bytes(membership: Membership) -> int:
    lists = (membership.voters, membership.outgoing, membership.learners, membership.heirs)
    return sum(
        _NAME_OVERHEAD_BYTES + _CHARACTER_BYTES * len(name) for names in lists for name in names
    )


def encode_vote_request(message: RequestVote) -> pb.RequestForVoteRequest:
    return pb.RequestForVoteRequest(
        term=message.term,
        candidateId=message.sender,
        lastLogIndex=message.last.index,
        lastLogTerm=message.last.term,
        preVote=message.pre,
        transfer=message.transfer,
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
    return pb.Propose(
        term=message.term,
        ticket=message.ticket,
        data=message.data,
        kind=pb.EntryKind.ValueType(message.kind),
    )


def _encode_propose_response(message: ProposeResponse) -> pb.ProposeResponse:
    entry = message.entry
    return pb.ProposeResponse(
        term=message.term,
        ticket=message.ticket,
        entryTerm=entry.term if entry else 0,
        entryIndex=entry.index if entry else None,
        refusal=message.refusal,
    )


def _encode_read_index(message: ReadIndex) -> pb.ReadIndex:
    return pb.ReadIndex(term=message.term, ticket=message.ticket)


def _encode_read_index_response(message: ReadIndexResponse) -> pb.ReadIndexResponse:
    return pb.ReadIndexResponse(term=message.term, ticket=message.ticket, index=message.index)


def _encode_membership(membership: Membership) -> pb.Membership:
    return pb.Membership(
        voters=membership.voters,
        outgoing=membership.outgoing,
        learners=membership.learners,
        heirs=membership.heirs,
    )


def _encode_install(message: InstallSnapshot) -> pb.InstallSnapshot:
    snapshot = message.snapshot
    return pb.InstallSnapshot(
        term=message.term,
        snapshot=pb.Snapshot(
            lastTerm=snapshot.last.term,
            lastIndex=snapshot.last.index,
            membership=_encode_membership(snapshot.membership),
            sizeBytes=snapshot.size_bytes,
            checksum=snapshot.checksum,
        ),
        offset=message.offset,
        data=message.data,
    )


def _encode_install_response(message: InstallSnapshotResponse) -> pb.InstallSnapshotResponse:
    return pb.InstallSnapshotResponse(
        term=message.term,
        lastTerm=message.last.term,
        lastIndex=message.last.index,
        checksum=message.checksum,
        offset=message.offset,
    )


def _encode_timeout_now(message: TimeoutNow) -> pb.TimeoutNow:
    return pb.TimeoutNow(term=message.term)


def _encode_transfer(message: TransferLeadership) -> pb.TransferLeadership:
    return pb.TransferLeadership(term=message.term, target=message.target)


def _encode_state_hash(message: StateHash) -> pb.StateHash:
    return pb.StateHash(term=message.term, index=message.index, hash=message.hash)


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
    InstallSnapshot: ("installSnapshot", _encode_install),
    InstallSnapshotResponse: ("installSnapshotResponse", _encode_install_response),
    TimeoutNow: ("timeoutNow", _encode_timeout_now),
    TransferLeadership: ("transferLeadership", _encode_transfer),
    StateHash: ("stateHash", _encode_state_hash),
}


def encode_batch(messages: Sequence[Message], notes: Sequence[TraceNote] = ()) -> bytes:
    """One frame with all ``messages``, in order, and ``notes`` about some of them."""
    frame = pb.PeerFrame()
    frame.batch.SetInParent()  # an empty batch is still a batch
    add = frame.batch.messages.add
    for message in messages:
        name, encode = _ENCODERS[type(message)]
        add(**{name: encode(message)})
    for note in notes:
        frame.batch.traces.add(
            subject=pb.TraceNote.Subject.ValueType(note.subject),
            number=note.number,
            term=note.term,
            traceparent=note.context.traceparent,
        )
    return frame.SerializeToString()


def encode_with_notes(
    messages: Sequence[Message], notes: Sequence[TraceNote], bytes_max: int
) -> bytes:
    """The same, without ``notes`` if the receiver would refuse a frame that large."""
    raw = encode_batch(messages, notes)
    return encode_batch(messages) if notes and len(raw) > bytes_max else raw
