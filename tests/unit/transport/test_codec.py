"""Round trips of every message, and what decoding refuses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvorum.raft.membership import (
    AddLearner,
    Membership,
    Promote,
    Remove,
    Replace,
    encode_change,
    encode_membership,
)
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
from kvorum.transport.decoding import (
    decode_append_request,
    decode_batch,
    decode_vote_request,
)
from kvorum.transport.encoding import (
    encode_append_request,
    encode_batch,
    encode_vote_request,
    message_bytes,
)
from kvorum.transport.introduction import REASON_CHARACTERS_MAX, Hello, HelloReply
from kvorum.transport.introduction_codec import (
    decode_hello,
    decode_reply,
    encode_hello,
    encode_reply,
)
from kvorum.transport.pb import raft_pb2 as pb
from kvorum.transport.wire import NUMBER_MAX, MalformedMessage

SENDER = NodeId("localhost:8001")
TO = NodeId("localhost:8002")
UINT64_MAX = (1 << 64) - 1

terms = st.integers(1, NUMBER_MAX).map(Term)
indexes = st.integers(0, NUMBER_MAX).map(Index)
rounds = st.integers(0, UINT64_MAX)
tickets = rounds.map(Ticket)
entry_ids = st.just(ORIGIN) | st.builds(EntryId, terms, st.integers(1, NUMBER_MAX).map(Index))
hints = st.none() | st.builds(EntryId, st.integers(0, NUMBER_MAX).map(Term), indexes)
ends = {"to": st.just(TO), "sender": st.just(SENDER)}
numbers = st.none() | st.integers(1, (1 << 60) - 1)
members = st.builds(
    lambda host, port, number: NodeId(f"{host}:{port}" + (f"#{number:x}" if number else "")),
    st.text("abcü.-", min_size=1, max_size=12),
    st.integers(1, 65535),
    numbers,
)
lists = st.lists(members, max_size=4).map(tuple)
memberships = st.builds(
    Membership,
    voters=st.lists(members, min_size=1, max_size=4).map(tuple),
    outgoing=lists,
    learners=lists,
    heirs=lists,
)
changes = st.one_of(
    st.builds(AddLearner, st.text(max_size=20)),
    *(st.builds(kind, members) for kind in (Promote, Remove, Replace)),
)
refusals = st.text(st.characters(categories=["L", "N", "P"]), max_size=REASON_CHARACTERS_MAX)


def data_of(kind: EntryKind) -> st.SearchStrategy[bytes]:
    if kind is EntryKind.MEMBERSHIP:
        return memberships.map(encode_membership)
    return st.binary(max_size=50)


@st.composite
def installs(draw: st.DrawFn) -> InstallSnapshot:
    data = draw(st.binary(max_size=50))
    offset = draw(st.integers(0, NUMBER_MAX - len(data) - 1))
    size = draw(st.integers(offset + len(data), NUMBER_MAX).filter(bool))
    first, second = sorted(draw(st.tuples(terms, terms)))
    last = EntryId(first, Index(draw(st.integers(1, NUMBER_MAX))))
    checksum = draw(st.integers(0, (1 << 32) - 1))
    snapshot = Snapshot(last, draw(memberships), size, checksum)
    return InstallSnapshot(
        to=TO, sender=SENDER, term=second, snapshot=snapshot, offset=offset, data=data
    )


@st.composite
def appends(draw: st.DrawFn) -> AppendEntries:
    count = draw(st.integers(0, 5))
    ordered = sorted(draw(st.lists(terms, min_size=count + 2, max_size=count + 2)))
    prev = EntryId(ordered[0], Index(draw(st.integers(1, NUMBER_MAX - count))))
    if draw(st.booleans()):
        prev = ORIGIN
    kinds = [draw(st.sampled_from(EntryKind)) for _ in range(count)]
    entries = tuple(
        Entry(ordered[number], Index(prev.index + number), kind, draw(data_of(kind)))
        for number, kind in enumerate(kinds, 1)
    )
    return AppendEntries(
        to=TO,
        sender=SENDER,
        term=ordered[-1],
        prev=prev,
        entries=entries,
        commit=draw(indexes),
        round=draw(rounds),
    )


messages: st.SearchStrategy[Message] = st.one_of(
    appends(),
    installs(),
    st.builds(
        RequestVote,
        term=terms,
        last=entry_ids,
        pre=st.booleans(),
        transfer=st.booleans(),
        **ends,
    ),
    st.builds(VoteResponse, term=terms, granted=st.booleans(), pre=st.booleans(), **ends),
    st.builds(
        AppendResponse,
        term=terms,
        success=st.booleans(),
        match=indexes,
        rejected=indexes,
        conflict=hints,
        round=rounds,
        **ends,
    ),
    st.builds(Propose, term=terms, ticket=tickets, data=st.binary(max_size=50), **ends),
    st.builds(
        Propose,
        term=terms,
        ticket=tickets,
        data=changes.map(encode_change),
        kind=st.just(EntryKind.MEMBERSHIP),
        **ends,
    ),
    st.builds(ProposeResponse, term=terms, ticket=tickets, entry=hints, refusal=refusals, **ends),
    st.builds(
        InstallSnapshotResponse,
        term=terms,
        last=entry_ids,
        checksum=st.integers(0, (1 << 32) - 1),
        offset=st.integers(0, NUMBER_MAX),
        **ends,
    ),
    st.builds(TimeoutNow, term=terms, **ends),
    st.builds(TransferLeadership, term=terms, target=st.none() | members, **ends),
    st.builds(StateHash, term=terms, index=indexes, hash=rounds, **ends),
    st.builds(ReadIndex, term=terms, ticket=tickets, **ends),
    st.builds(ReadIndexResponse, term=terms, ticket=tickets, index=st.none() | indexes, **ends),
)


@given(st.lists(messages, max_size=8))
def test_a_batch_survives_the_wire(batch: list[Message]) -> None:
    assert decode_batch(encode_batch(batch), SENDER, TO) == batch


@given(messages)
def test_the_size_is_never_underestimated(message: Message) -> None:
    assert len(encode_batch([message])) <= message_bytes(message)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_decode_or_are_malformed(raw: bytes) -> None:
    for decode in (
        lambda: decode_batch(raw, SENDER, TO),
        lambda: decode_hello(raw),
        lambda: decode_reply(raw),
        lambda: decode_vote_request(raw, TO),
        lambda: decode_append_request(raw, TO),
    ):
        try:
            decode()
        except MalformedMessage:
            continue


@given(messages, st.data())
def test_a_damaged_batch_decodes_or_is_malformed(message: Message, data: st.DataObject) -> None:
    raw = bytearray(encode_batch([message]))
    position = data.draw(st.integers(0, len(raw) - 1))
    raw[position] ^= data.draw(st.integers(1, 255))
    try:
        decoded = decode_batch(bytes(raw), SENDER, TO)
    except MalformedMessage:
        return
    assert all(each.sender == SENDER and each.to == TO for each in decoded)


@given(appends())
def test_a_unary_append_names_its_sender(message: AppendEntries) -> None:
    raw = encode_append_request(message).SerializeToString()
    assert decode_append_request(raw, TO) == message


@given(st.builds(RequestVote, term=terms, last=entry_ids, pre=st.booleans(), **ends))
def test_a_unary_vote_request_names_its_sender(message: RequestVote) -> None:
    raw = encode_vote_request(message).SerializeToString()
    assert decode_vote_request(raw, TO) == message


def test_the_contracts_field_names_are_on_the_wire() -> None:
    """Tools written for the original call by these names (grpcurl, JSON)."""
    names = {
        name: [field.name for field in message.fields]
        for name, message in pb.DESCRIPTOR.message_types_by_name.items()
    }
    assert names["RequestForVoteRequest"][:4] == [
        "term",
        "candidateId",
        "lastLogIndex",
        "lastLogTerm",
    ]
    assert names["RequestForVoteResponse"][:2] == ["term", "voteGranted"]
    assert names["AppendEntriesRequest"][:6] == [
        "term",
        "leaderId",
        "prevLogIndex",
        "prevLogTerm",
        "entries",
        "leaderCommit",
    ]
    assert names["LogEntry"][:2] == ["term", "command"]
    assert names["AppendEntriesResponse"][:4] == [
        "term",
        "success",
        "conflictTerm",
        "conflictIndex",
    ]


def batch_of(**kind: object) -> bytes:
    wire = pb.PeerMessage(**kind)  # type: ignore[arg-type] # one field of many types
    return pb.PeerFrame(batch=pb.Batch(messages=[wire])).SerializeToString()


def append_of(**fields: object) -> bytes:
    wire = pb.AppendEntriesRequest(
        leaderId=SENDER,
        **fields,  # type: ignore[arg-type] # fields of many types
    )
    return batch_of(appendEntries=wire)


def install_of(**changes: object) -> bytes:
    """Four bytes from the tenth on, of a snapshot as wrong as asked for."""
    fields = {
        "lastTerm": 1,
        "lastIndex": 7,
        "membership": pb.Membership(voters=["a:1"]),
        "sizeBytes": 14,
        **changes,
    }
    snapshot = pb.Snapshot(**fields)  # type: ignore[arg-type] # fields of many types
    return batch_of(
        installSnapshot=pb.InstallSnapshot(term=2, snapshot=snapshot, offset=10, data=b"data")
    )


@pytest.mark.parametrize(
    ("raw", "complaint"),
    [
        (pb.PeerFrame(hello=pb.Hello()).SerializeToString(), "must be a batch"),
        (append_of(term=NUMBER_MAX + 1), "term 9223372036854775808 is out of range"),
        (append_of(term=1, leaderCommit=NUMBER_MAX + 1), "is out of range"),
        (append_of(term=1, prevLogIndex=4), "there is no entry 4 of term 0"),
        (append_of(term=1, prevLogTerm=1), "there is no entry 0 of term 1"),
        (append_of(term=1, entries=[pb.LogEntry(term=2)]), "entry 1 of term 2"),
        (append_of(term=1, entries=[pb.LogEntry()]), "entry 1 of term 0"),
        (
            append_of(term=9, prevLogIndex=4, prevLogTerm=5, entries=[pb.LogEntry(term=4)]),
            "entry 5 of term 4 after one of term 5",
        ),
        (
            append_of(term=2, prevLogIndex=NUMBER_MAX, prevLogTerm=1, entries=[pb.LogEntry()]),
            "is out of range",
        ),
        (batch_of(requestVote=pb.RequestForVoteRequest(candidateId="x")), "a message of 'x'"),
        (batch_of(readIndexResponse=pb.ReadIndexResponse(index=UINT64_MAX)), "out of range"),
        (
            append_of(term=1, entries=[pb.LogEntry(term=1, kind=pb.MEMBERSHIP, command=b"?")]),
            "entry 1 cannot be read: not a membership",
        ),
        (batch_of(propose=pb.Propose(term=1, kind=pb.NOOP)), "a proposal of the kind 1"),
        (
            batch_of(propose=pb.Propose(term=1, kind=pb.MEMBERSHIP, data=b"?")),
            "a proposed change cannot be read",
        ),
        (batch_of(transferLeadership=pb.TransferLeadership(target="")), "'' is no member id"),
        (batch_of(transferLeadership=pb.TransferLeadership(target="a:1#0x")), "no member id"),
        (batch_of(transferLeadership=pb.TransferLeadership(target="a:1#")), "no member id"),
        (batch_of(transferLeadership=pb.TransferLeadership(target="a:1#01")), "no member id"),
        (install_of(), None),
        (install_of(lastIndex=0, lastTerm=0), "a snapshot of nothing"),
        (install_of(lastTerm=0), "there is no entry 7 of term 0"),
        (install_of(lastTerm=3), "a snapshot up to term 3 in term 2"),
        (install_of(sizeBytes=0), "a snapshot of 0 bytes"),
        (install_of(sizeBytes=NUMBER_MAX + 1), "a snapshot of 9223372036854775808 bytes"),
        (install_of(sizeBytes=13), "bytes 10 to 14 of a snapshot of 13"),
        (install_of(membership=pb.Membership(learners=["a:1"])), "a membership without voters"),
        (install_of(membership=pb.Membership(voters=["#7"])), "'#7' is no member id"),
        (
            batch_of(installSnapshotResponse=pb.InstallSnapshotResponse(offset=UINT64_MAX)),
            "18446744073709551615 bytes of a snapshot",
        ),
    ],
)
def test_what_no_node_would_send_is_malformed(raw: bytes, complaint: str | None) -> None:
    if complaint is None:
        assert decode_batch(raw, SENDER, TO)
        return
    with pytest.raises(MalformedMessage, match=complaint):
        decode_batch(raw, SENDER, TO)


def test_an_unknown_kind_of_entry_is_malformed() -> None:
    request = pb.AppendEntriesRequest(term=1, leaderId=SENDER)
    entry = request.entries.add(term=1)
    entry.MergeFromString(b"\x18\x07")  # kind: 7
    with pytest.raises(MalformedMessage, match="entry 1 is of the unknown kind 7"):
        decode_batch(batch_of(appendEntries=request), SENDER, TO)


def test_fields_of_a_newer_version_are_ignored() -> None:
    message = ReadIndex(to=TO, sender=SENDER, term=Term(1), ticket=Ticket(2))
    wire = pb.ReadIndex(term=1, ticket=2)
    raw = wire.SerializeToString() + b"\xf8\x07\x01"  # field 127
    known = pb.ReadIndex.FromString(raw)
    assert decode_batch(batch_of(readIndex=known), SENDER, TO) == [message]


versions = st.integers(0, (1 << 32) - 1)


@given(st.builds(Hello, protocol_version=versions, membership_index=indexes))
def test_a_hello_survives_the_wire(hello: Hello) -> None:
    assert decode_hello(encode_hello(hello)) == hello


@given(st.builds(HelloReply, protocol_version=versions, membership_index=indexes))
def test_a_reply_survives_the_wire(reply: HelloReply) -> None:
    assert decode_reply(encode_reply(reply)) == reply


def test_a_hello_is_bounded_and_comes_first() -> None:
    with pytest.raises(MalformedMessage, match="a first frame of"):
        decode_hello(encode_batch([]) + bytes(1 << 20))
    with pytest.raises(MalformedMessage, match="must be a hello"):
        decode_hello(encode_batch([]))
    with pytest.raises(MalformedMessage, match="must answer the hello"):
        decode_reply(b"")
    with pytest.raises(MalformedMessage, match="to the hello"):
        decode_reply(bytes(1 << 20))
