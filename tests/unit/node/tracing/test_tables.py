"""Tables of what is traced: bounded in number and age, and right about what replaced what."""

import asyncio
from asyncio import Future

import pytest

from kvorum.node.tracing.entries import EntryTraces
from kvorum.node.tracing.hub import NodeTracing
from kvorum.node.tracing.limits import AGE_NS_MAX, NOTES_MAX, OPEN_MAX
from kvorum.node.tracing.reads import ConfirmTraces
from kvorum.node.tracing.replication import ReplicationTraces
from kvorum.node.tracing.writes import WriteTraces
from kvorum.raft.messages import AppendEntries, AppendResponse, Propose
from kvorum.raft.types import Entry, EntryId, EntryKind, Index, NodeId, Term, Ticket
from kvorum.telemetry.spans import LINKS_MAX, Subject, TraceNote
from tests.support.recorded_spans import Recorded, RecordedSpans

SELF, PEER, OTHER = NodeId("a:1"), NodeId("b:1"), NodeId("c:1")


def eid(term: int, index: int) -> EntryId:
    return EntryId(Term(term), Index(index))


def entry(term: int, index: int) -> Entry:
    return Entry(Term(term), Index(index), EntryKind.COMMANDS, b"data")


def append(*entries: Entry, to: NodeId = PEER) -> AppendEntries:
    return AppendEntries(
        to=to,
        sender=SELF,
        term=entries[-1].term,
        prev=eid(entries[0].term, entries[0].index - 1),
        entries=entries,
        commit=Index(0),
    )


def accepted(term: int, match: int, sender: NodeId = PEER) -> AppendResponse:
    return AppendResponse(to=SELF, sender=sender, term=Term(term), success=True, match=Index(match))


class EntryBench:
    def __init__(self) -> None:
        self.spans = RecordedSpans()
        self.replication = ReplicationTraces(self.spans, str)
        self.entries = EntryTraces(self.spans, self.replication)
        self.now_ns = 0

    def lead(self, term: int, index: int) -> Recorded:
        context = self.entries.lead(eid(term, index), [self.spans.context(1)], self.now_ns, {})
        [span] = [each for each in self.spans.made if each.context == context]
        return span

    def follow(self, term: int, index: int) -> None:
        self.entries.follow(eid(term, index), self.spans.context(1), self.now_ns)

    def sync(self, *entries: Entry, error: str = "") -> None:
        self.entries.saved(self.entries.saving(entries, self.now_ns), self.now_ns, error)


# --- led ---------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["commit", "sync"])
def test_an_append_ends_once_it_is_committed_and_durable(first: str) -> None:
    bench = EntryBench()
    span = bench.lead(1, 3)
    for step in (first, {"commit": "sync", "sync": "commit"}[first]):
        assert span.end_ns is None
        bench.now_ns += 1
        if step == "commit":
            bench.entries.committed(Index(3), bench.now_ns)
        else:
            bench.sync(entry(1, 3))
    assert (span.end_ns, span.error) == (2, "")


def test_a_failed_sync_is_told() -> None:
    bench = EntryBench()
    span = bench.lead(1, 3)
    bench.sync(entry(1, 3), error="OSError")
    bench.entries.committed(Index(3), 1)
    assert bench.spans.one("kvorum.fsync").error == "OSError"
    assert span.end_ns is None


def test_an_entry_of_another_term_is_not_the_one() -> None:
    bench = EntryBench()
    bench.lead(2, 3)
    bench.sync(entry(1, 3))
    bench.entries.sent(append(entry(1, 3)), 0)
    assert not bench.spans.named("kvorum.fsync")
    assert not bench.spans.named("kvorum.replicate")
    bench.entries.applied(entry(3, 3), 0, 0)
    assert not bench.spans.named("kvorum.apply")
    assert bench.spans.one("kvorum.append").error == "abandoned"


def test_a_term_that_goes_on_loses_nothing() -> None:
    bench = EntryBench()
    span = bench.lead(2, 3)
    bench.entries.reigns(Term(2), is_leader=True, at_ns=1)
    assert span in bench.spans.open
    bench.entries.reigns(Term(3), is_leader=True, at_ns=2)  # elected again meanwhile
    assert (span.end_ns, span.error) == (2, "leadership_lost")
    assert bench.spans.one("kvorum.commit").error == "leadership_lost"


# --- sent to peers -----------------------------------------------------------------------


def test_an_entry_is_sent_once_however_often_it_is_repeated() -> None:
    bench = EntryBench()
    bench.lead(1, 3)
    for _ in range(3):
        bench.entries.sent(append(entry(1, 3)), 0)
    bench.entries.sent(append(entry(1, 3), to=OTHER), 0)
    found = bench.spans.named("kvorum.replicate")
    assert [span.attributes["kvorum.peer"] for span in found] == [PEER, OTHER]
    assert bench.replication.context(PEER, eid(1, 3)) == found[0].context


def test_an_acknowledgement_ends_all_that_it_covers() -> None:
    bench = EntryBench()
    for index in (3, 4, 5):
        bench.lead(1, index)
    bench.entries.sent(append(entry(1, 3), entry(1, 4), entry(1, 5)), 0)
    bench.replication.acknowledged(accepted(1, 4), 7)
    assert [span.end_ns for span in bench.spans.named("kvorum.replicate")] == [7, 7, None]
    assert bench.replication.context(PEER, eid(1, 3)) is None


def test_what_a_peer_acknowledged_to_an_earlier_leader_says_nothing() -> None:
    bench = EntryBench()
    bench.lead(2, 3)
    bench.entries.sent(append(entry(2, 3)), 0)
    bench.replication.acknowledged(accepted(1, 9), 7)
    bench.replication.acknowledged(accepted(2, 9, OTHER), 7)
    assert bench.spans.one("kvorum.replicate").end_ns is None


# --- followed ----------------------------------------------------------------------------


def test_a_repeated_entry_is_followed_once() -> None:
    bench = EntryBench()
    bench.follow(1, 3)
    bench.follow(1, 3)
    bench.entries.reached(Index(4))
    bench.follow(1, 4)
    assert len(bench.spans.named("kvorum.follow")) == 1


def test_what_another_leader_writes_replaces_what_was_there() -> None:
    bench = EntryBench()
    for index in (3, 4, 5):
        bench.follow(1, index)
    bench.follow(2, 4)
    bench.entries.acknowledged(accepted(2, 4), 9)
    found = bench.spans.named("kvorum.follow")
    assert [span.error for span in found] == ["", "abandoned", "abandoned", ""]
    assert [span.end_ns for span in found] == [9, 0, 0, 9]


def test_an_entry_applied_before_it_is_durable_still_ends() -> None:
    """A majority of others may decide it first."""
    bench = EntryBench()
    bench.follow(1, 3)
    syncs = bench.entries.saving([entry(1, 3)], 1)
    bench.entries.applied(entry(1, 3), 2, 3)
    bench.entries.saved(syncs, 4)
    bench.entries.acknowledged(accepted(1, 3), 5)
    assert bench.spans.one("kvorum.fsync").end_ns == 4
    assert (bench.spans.one("kvorum.apply").end_ns, bench.spans.one("kvorum.follow").end_ns) == (
        3,
        5,
    )
    assert bench.entries.is_idle


def test_a_snapshot_takes_the_place_of_entries() -> None:
    bench = EntryBench()
    for index in (3, 4, 5):
        bench.follow(1, index)
    bench.entries.restored(Index(4), 6)
    assert [span.error for span in bench.spans.named("kvorum.follow")] == ["abandoned"] * 2 + [""]
    bench.follow(1, 4)
    assert len(bench.spans.named("kvorum.follow")) == 3


# --- bounds ------------------------------------------------------------------------------


def test_no_more_than_so_many_entries() -> None:
    bench = EntryBench()
    for index in range(OPEN_MAX):
        bench.lead(1, index + 1)
    bench.entries.sent(append(*(entry(1, index + 1) for index in range(OPEN_MAX))), 0)
    made = len(bench.spans.made)
    assert bench.entries.lead(eid(1, OPEN_MAX + 1), [bench.spans.context(1)], 0, {}) is None
    bench.entries.sent(append(entry(1, 1), to=OTHER), 0)
    bench.follow(1, OPEN_MAX + 2)
    assert len(bench.spans.made) == made


def test_nothing_is_kept_for_ever() -> None:
    bench = EntryBench()
    bench.lead(1, 3)
    bench.entries.sent(append(entry(1, 3)), 0)
    bench.follow(1, 4)
    bench.now_ns = AGE_NS_MAX
    bench.follow(1, 5)
    for at_ns in (AGE_NS_MAX, AGE_NS_MAX + 1):
        bench.entries.expire(at_ns)
        bench.replication.expire(at_ns)
    first, second = bench.spans.named("kvorum.follow")
    assert (first.error, second.error, second.end_ns) == ("timeout", "", None)
    assert bench.spans.one("kvorum.append").error == "timeout"
    assert bench.spans.one("kvorum.replicate").error == "timeout"
    bench.entries.expire(2 * AGE_NS_MAX + 1)
    assert bench.entries.is_idle
    assert bench.replication.is_idle


async def test_writes_are_bounded_and_forgotten() -> None:
    spans = RecordedSpans()
    writes = WriteTraces(spans)
    futures: list[Future[None]] = []
    with spans.of_request():
        for number in range(OPEN_MAX + 1):
            futures.append(asyncio.get_running_loop().create_future())
            writes.submitted(f"r{number}", futures[-1])
    assert len(spans.named("kvorum.propose")) == OPEN_MAX
    writes.taken(Ticket(1), [f"r{number}" for number in range(OPEN_MAX)], 10)
    batch = writes.find(Ticket(1))
    assert batch is not None
    assert len(batch.contexts) == LINKS_MAX + 1
    writes.expire(AGE_NS_MAX + 1)
    assert writes.find(Ticket(1)) is None
    futures[0].set_exception(ValueError("secret"))
    futures[1].cancel()
    for future in futures[2:]:
        future.set_result(None)
    await asyncio.sleep(0)
    first, second, third, *_ = spans.named("kvorum.propose")
    assert (first.error, second.error, third.error) == ("ValueError", "cancelled", "")
    assert not writes.has_open
    assert futures[0].exception()


async def test_two_who_wait_for_one_write_both_have_spans() -> None:
    spans = RecordedSpans()
    writes = WriteTraces(spans)
    with spans.of_request():
        one, two = (asyncio.get_running_loop().create_future() for _ in range(2))
        writes.submitted("r", one)
        writes.submitted("r", two)
    one.cancel()
    await asyncio.sleep(0)
    writes.taken(Ticket(1), ["r"], 10)
    batch = writes.find(Ticket(1))
    assert batch is not None
    assert batch.contexts == [spans.named("kvorum.propose")[1].context]
    two.cancel()


def test_questions_of_followers_are_bounded_and_forgotten() -> None:
    spans = RecordedSpans()
    confirms = ConfirmTraces(spans)
    for number in range(OPEN_MAX + 1):
        confirms.asked(PEER, Ticket(number), spans.context(1), 0)
    assert len(spans.made) == OPEN_MAX
    confirms.answered(PEER, Ticket(0), Index(3), 5)
    confirms.answered(PEER, Ticket(1), None, 5)
    confirms.answered(OTHER, Ticket(2), Index(3), 5)
    assert [span.error for span in spans.made[:3]] == ["", "not_leader", ""]
    assert [span.end_ns for span in spans.made[:3]] == [5, 5, None]
    confirms.expire(AGE_NS_MAX + 1)
    assert confirms.is_idle
    assert spans.made[2].error == "timeout"


# --- notes -------------------------------------------------------------------------------


def test_what_this_node_does_not_sample_is_not_followed() -> None:
    spans = RecordedSpans()
    tracing = NodeTracing(spans, str)
    spans.foreign_accepted = False
    note = TraceNote(Subject.ENTRY, 3, 1, spans.context(1))
    tracing.incoming(PEER, [note])
    assert tracing.is_idle
    spans.foreign_accepted = True
    tracing.incoming(PEER, [note])
    assert not tracing.is_idle


def test_a_peer_cannot_fill_a_node_with_notes() -> None:
    spans = RecordedSpans()
    tracing = NodeTracing(spans, str)
    for start in range(0, 4 * OPEN_MAX, 4 * NOTES_MAX):
        tracing.incoming(
            PEER,
            [
                TraceNote(subject, number, 1, spans.context(1))
                for number in range(start, start + 4 * NOTES_MAX)
                for subject in Subject
            ],
        )
    assert len(spans.made) <= 2 * OPEN_MAX
    assert len(tracing._proposed) <= OPEN_MAX
    for number in range(10 * LINKS_MAX):
        tracing.incoming(PEER, [TraceNote(Subject.PROPOSAL, 1, 0, spans.context(number))])
    assert max(len(each.contexts) for each in tracing._proposed.values()) <= LINKS_MAX + 1


async def test_a_frame_has_a_limited_number_of_notes() -> None:
    spans = RecordedSpans()
    tracing = NodeTracing(spans, str)
    proposals = []
    with spans.of_request():
        for number in range(5 * LINKS_MAX):
            tracing.writes.submitted(f"r{number}", asyncio.get_running_loop().create_future())
    for number in range(5):
        ids = [f"r{each}" for each in range(number * LINKS_MAX, (number + 1) * LINKS_MAX)]
        tracing.writes.taken(Ticket(number), ids, 1)
        proposals.append(
            Propose(to=PEER, sender=SELF, term=Term(1), ticket=Ticket(number), data=b"")
        )
    assert len(tracing.outgoing(PEER, proposals)) == NOTES_MAX
    assert len(tracing.outgoing(PEER, proposals[:1])) == LINKS_MAX
