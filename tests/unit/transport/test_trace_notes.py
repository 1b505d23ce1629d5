"""Notes about traces beside the messages of a frame."""

from collections.abc import Sequence

import pytest

from kvorum.raft.messages import Message, TimeoutNow
from kvorum.raft.types import NodeId, Term
from kvorum.telemetry.spans import SpanContext, Subject, TraceNote
from kvorum.transport.decoding import decode_batch
from kvorum.transport.encoding import encode_batch, encode_with_notes
from kvorum.transport.pb import raft_pb2 as pb
from kvorum.transport.wire import NUMBER_MAX

SENDER, TO = NodeId("localhost:8001"), NodeId("localhost:8002")
MESSAGES = [TimeoutNow(to=TO, sender=SENDER, term=Term(1))]
CONTEXT = SpanContext(0xABC, 0xDEF)
NOTES = [
    TraceNote(Subject.ENTRY, 17, 3, CONTEXT),
    TraceNote(Subject.PROPOSAL, 1, 0, CONTEXT),
    TraceNote(Subject.PROPOSAL, 1, 0, SpanContext(1, 2)),
    TraceNote(Subject.RECEIPT, NUMBER_MAX, 0, CONTEXT),
    TraceNote(Subject.READ, 2, 0, CONTEXT),
]


class Taken:
    """What is told of incoming frames."""

    def __init__(self) -> None:
        self.notes: list[tuple[NodeId, TraceNote]] = []
        self.calls = 0

    def outgoing(self, peer: NodeId, messages: Sequence[Message]) -> Sequence[TraceNote]:
        raise AssertionError("nothing leaves here")

    def incoming(self, peer: NodeId, notes: Sequence[TraceNote]) -> None:
        self.calls += 1
        self.notes += ((peer, note) for note in notes)


def test_notes_survive_the_wire_in_order() -> None:
    taken = Taken()
    assert decode_batch(encode_batch(MESSAGES, NOTES), SENDER, TO, taken) == MESSAGES
    assert taken.notes == [(SENDER, note) for note in NOTES]


def test_a_frame_without_notes_is_what_it_always_was() -> None:
    taken = Taken()
    raw = encode_batch(MESSAGES)
    assert raw == encode_batch(MESSAGES, ())
    assert decode_batch(raw, SENDER, TO, taken) == MESSAGES
    assert not taken.calls


def test_who_does_not_trace_ignores_notes() -> None:
    assert decode_batch(encode_batch(MESSAGES, NOTES), SENDER, TO) == MESSAGES


@pytest.mark.parametrize(
    ("subject", "number", "term", "traceparent"),
    [
        (0, 1, 1, CONTEXT.traceparent),
        (99, 1, 1, CONTEXT.traceparent),  # of a newer release
        (1, 1, 1, ""),
        (1, 1, 1, CONTEXT.traceparent[:-1] + "0"),
        (1, 1, 1, "x" * 10_000),
        (1, NUMBER_MAX + 1, 1, CONTEXT.traceparent),
        (1, 1, NUMBER_MAX + 1, CONTEXT.traceparent),
    ],
)
def test_what_cannot_be_understood_is_left_out(
    subject: int, number: int, term: int, traceparent: str
) -> None:
    frame = pb.PeerFrame.FromString(encode_batch(MESSAGES, NOTES[:1]))
    frame.batch.traces.add(
        subject=pb.TraceNote.Subject.ValueType(subject),
        number=number,
        term=term,
        traceparent=traceparent,
    )
    taken = Taken()
    assert decode_batch(frame.SerializeToString(), SENDER, TO, taken) == MESSAGES
    assert taken.notes == [(SENDER, NOTES[0])]


def test_notes_never_make_a_frame_too_large() -> None:
    plain, noted = encode_batch(MESSAGES), encode_batch(MESSAGES, NOTES)
    assert encode_with_notes(MESSAGES, NOTES, len(noted)) == noted
    assert encode_with_notes(MESSAGES, NOTES, len(noted) - 1) == plain
