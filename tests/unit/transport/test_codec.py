"""Round trips of every message, and what decoding refuses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from kvorum.raft.types import ORIGIN, Entry, EntryId, EntryKind, Index, NodeId, Term, Ticket
from kvorum.transport.codec import (
    NUMBER_MAX,
    MalformedMessage,
    decode_append_request,
    decode_batch,
    decode_hello,
    decode_reply,
    decode_vote_request,
    encode_append_request,
    encode_batch,
    encode_hello,
    encode_reply,
    encode_vote_request,
    message_bytes,
)
from kvorum.transport.handshake import Hello, HelloReply
from kvorum.transport.pb import raft_pb2 as pb

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


@st.composite
def appends(draw: st.DrawFn) -> AppendEntries:
    count = draw(st.integers(0, 5))
    ordered = sorted(draw(st.lists(terms, min_size=count + 2, max_size=count + 2)))
    prev = EntryId(ordered[0], Index(draw(st.integers(1, NUMBER_MAX - count))))
    if draw(st.booleans()):
        prev = ORIGIN
    entries = tuple(
        Entry(
            ordered[number],
            Index(prev.index + number),
            draw(st.sampled_from(EntryKind)),
            draw(st.binary(max_size=50)),
        )
        for number in range(1, count + 1)
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
    st.builds(RequestVote, term=terms, last=entry_ids, pre=st.booleans(), **ends),
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
    st.builds(ProposeResponse, term=terms, ticket=tickets, entry=hints, **ends),
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
    ],
)
def test_what_no_node_would_send_is_malformed(raw: bytes, complaint: str) -> None:
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


@given(st.builds(Hello, protocol_version=versions))
def test_a_hello_survives_the_wire(hello: Hello) -> None:
    assert decode_hello(encode_hello(hello)) == hello


@given(st.builds(HelloReply, protocol_version=versions))
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
