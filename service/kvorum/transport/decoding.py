"""Bytes from the wire → consensus messages (``proto/raft.proto``).

Decoding trusts nothing: whatever comes out can be stepped into the core, which
asserts what this module checked. A wire message carries no receiver, and most
carry no sender: those are the two ends of the stream it came on.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from kvorum.raft.membership import Membership, decode_change, decode_membership
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
from kvorum.raft.snapshot import Snapshot
from kvorum.raft.types import ORIGIN, Entry, EntryId, EntryKind, Index, NodeId, Term, Ticket
from kvorum.telemetry.spans import FrameTraces, Subject, TraceNote, parse_traceparent
from kvorum.transport.introduction import REASON_CHARACTERS_MAX, shown
from kvorum.transport.pb import raft_pb2 as pb
from kvorum.transport.wire import NUMBER_MAX, malformed, member_id, parse

_SUBJECTS = {subject.value: subject for subject in Subject}
_KINDS = {kind.value: kind for kind in EntryKind}
_PROPOSED = {kind.value: kind for kind in (EntryKind.COMMANDS, EntryKind.MEMBERSHIP)}


def _term(number: int) -> Term:
    if number > NUMBER_MAX:
        malformed(f"term {number} is out of range")
    return Term(number)


def _index(number: int) -> Index:
    if number > NUMBER_MAX:
        malformed(f"index {number} is out of range")
    return Index(number)


def _position(term: int, index: int) -> EntryId:
    """An entry, or what precedes the first one: there both are 0."""
    if (term == 0) != (index == 0):
        malformed(f"there is no entry {index} of term {term}")
    return EntryId(_term(term), _index(index))


def _same_sender(named: str, sender: NodeId) -> None:
    if named != sender:
        malformed(f"a message of {named!r} on the stream of {sender}")


def _readable(what: str, decode: Callable[[bytes], object], data: bytes) -> None:
    """What this release cannot read must not reach the log, where it would stop every node."""
    try:
        decode(data)
    except ValueError as error:
        malformed(f"{what} cannot be read: {error}")


def _decode_entries(wire: pb.AppendEntriesRequest, prev: EntryId) -> tuple[Entry, ...]:
    """Number the entries on from ``prev``; their terms never decrease (§3.5)."""
    _index(prev.index + len(wire.entries))
    entries = []
    term = max(prev.term, 1)
    for index, item in enumerate(wire.entries, prev.index + 1):
        if not term <= item.term <= wire.term:
            malformed(f"entry {index} of term {item.term} after one of term {term}")
        term = item.term
        kind = _KINDS.get(item.kind)
        if kind is None:
            malformed(f"entry {index} is of the unknown kind {item.kind}")
        if kind is EntryKind.MEMBERSHIP:
            _readable(f"entry {index}", decode_membership, item.command)
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
        transfer=wire.transfer,
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
    kind = _PROPOSED.get(wire.kind)
    if kind is None:
        malformed(f"a proposal of the kind {wire.kind}, which nobody proposes")
    if kind is EntryKind.MEMBERSHIP:
        _readable("a proposed change", decode_change, wire.data)
    return Propose(
        to=to,
        sender=sender,
        term=_term(wire.term),
        ticket=Ticket(wire.ticket),
        data=wire.data,
        kind=kind,
    )


def _decode_propose_response(
    wire: pb.ProposeResponse, sender: NodeId, to: NodeId
) -> ProposeResponse:
    entry = None
    if wire.HasField("entryIndex"):
        entry = EntryId(_term(wire.entryTerm), _index(wire.entryIndex))
    return ProposeResponse(
        to=to,
        sender=sender,
        term=_term(wire.term),
        ticket=Ticket(wire.ticket),
        entry=entry,
        refusal=shown(wire.refusal, REASON_CHARACTERS_MAX),
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


def _snapshot(wire: pb.Snapshot) -> Snapshot:
    last = _position(wire.lastTerm, wire.lastIndex)
    if last == ORIGIN:
        malformed("a snapshot of nothing")
    if not 0 < wire.sizeBytes <= NUMBER_MAX:
        malformed(f"a snapshot of {wire.sizeBytes} bytes")
    return Snapshot(last, _membership(wire.membership), wire.sizeBytes, wire.checksum)


def _membership(wire: pb.Membership) -> Membership:
    def names(ids: Iterable[str]) -> tuple[NodeId, ...]:
        return tuple(member_id(each) for each in ids)

    if not wire.voters:
        malformed("a membership without voters")
    return Membership(
        names(wire.voters), names(wire.outgoing), names(wire.learners), names(wire.heirs)
    )


def _decode_install(wire: pb.InstallSnapshot, sender: NodeId, to: NodeId) -> InstallSnapshot:
    snapshot = _snapshot(wire.snapshot)
    if snapshot.last.term > wire.term:
        malformed(f"a snapshot up to term {snapshot.last.term} in term {wire.term}")
    if wire.offset + len(wire.data) > snapshot.size_bytes:
        malformed(
            f"bytes {wire.offset} to {wire.offset + len(wire.data)} of a snapshot of "
            f"{snapshot.size_bytes}"
        )
    return InstallSnapshot(
        to=to,
        sender=sender,
        term=_term(wire.term),
        snapshot=snapshot,
        offset=wire.offset,
        data=wire.data,
    )


def _decode_install_response(
    wire: pb.InstallSnapshotResponse, sender: NodeId, to: NodeId
) -> InstallSnapshotResponse:
    if wire.offset > NUMBER_MAX:
        malformed(f"{wire.offset} bytes of a snapshot")
    return InstallSnapshotResponse(
        to=to,
        sender=sender,
        term=_term(wire.term),
        last=_position(wire.lastTerm, wire.lastIndex),
        checksum=wire.checksum,
        offset=wire.offset,
    )


def _decode_timeout_now(wire: pb.TimeoutNow, sender: NodeId, to: NodeId) -> TimeoutNow:
    return TimeoutNow(to=to, sender=sender, term=_term(wire.term))


def _decode_transfer(wire: pb.TransferLeadership, sender: NodeId, to: NodeId) -> TransferLeadership:
    target = member_id(wire.target) if wire.HasField("target") else None
    return TransferLeadership(to=to, sender=sender, term=_term(wire.term), target=target)


def _decode_state_hash(wire: pb.StateHash, sender: NodeId, to: NodeId) -> StateHash:
    return StateHash(
        to=to, sender=sender, term=_term(wire.term), index=_index(wire.index), hash=wire.hash
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
    "installSnapshot": _decode_install,
    "installSnapshotResponse": _decode_install_response,
    "timeoutNow": _decode_timeout_now,
    "transferLeadership": _decode_transfer,
    "stateHash": _decode_state_hash,
}


def _decode_notes(notes: Iterable[pb.TraceNote]) -> Iterator[TraceNote]:
    """Only those that can be understood: a trace is no reason to break off a stream."""
    for note in notes:
        subject, context = _SUBJECTS.get(note.subject), parse_traceparent(note.traceparent)
        is_plausible = max(note.number, note.term) <= NUMBER_MAX
        if subject is not None and context is not None and is_plausible:
            yield TraceNote(subject, note.number, note.term, context)


def decode_batch(
    raw: bytes, sender: NodeId, to: NodeId, traces: FrameTraces | None = None
) -> list[Message]:
    """Messages of one frame, in order; notes beside them go to ``traces``.

    Raises MalformedMessage.
    """
    frame = parse(pb.PeerFrame, raw)
    if frame.WhichOneof("frame") != "batch":
        malformed("a frame after the first must be a batch")
    if traces is not None and frame.batch.traces:
        traces.incoming(sender, tuple(_decode_notes(frame.batch.traces)))
    messages = []
    for wire in frame.batch.messages:
        kind = wire.WhichOneof("kind")
        if kind is None:
            malformed("a message of unknown kind")
        messages.append(_DECODERS[kind](getattr(wire, kind), sender, to))
    return messages


def decode_vote_request(raw: bytes, to: NodeId) -> RequestVote:
    """A unary request names its own sender. Raises MalformedMessage."""
    wire = parse(pb.RequestForVoteRequest, raw)
    return _decode_vote_request(wire, NodeId(wire.candidateId), to)


def decode_append_request(raw: bytes, to: NodeId) -> AppendEntries:
    """A unary request names its own sender. Raises MalformedMessage."""
    wire = parse(pb.AppendEntriesRequest, raw)
    return _decode_append_request(wire, NodeId(wire.leaderId), to)
