"""The plain twin of the state machine, and what is compared with it."""

import pytest

from kvorum.mvcc.command import Command, CompareAndSet, Delete, Put, Stamp, encode_batch
from kvorum.mvcc.command import encode_command as encoded
from kvorum.mvcc.outcome import Status
from kvorum.mvcc.state_machine import StateMachine
from kvorum.raft.types import Entry, EntryKind, Index, Term
from kvorum.testing.history import History, Read, WrongAnswer, check_revisions
from kvorum.testing.linearizability import Answer, Kind, Operation
from kvorum.testing.oracle import Oracle, check_answers, check_state

KEEP = Stamp(time_ms=1, outcomes_count_max=100, outcomes_age_s_max=100)


def entry(index: int, *commands: Command, stamp: Stamp = KEEP) -> Entry:
    data = encode_batch([encoded(command) for command in commands], stamp)
    return Entry(Term(1), Index(index), EntryKind.COMMANDS, data)


def put(request_id: str, value: bytes, after: int = 0) -> Put:
    return Put(request_id, b"k", value, after)


LOG = [
    entry(1, put("a", b"1")),
    entry(2, CompareAndSet("b", b"k", b"1", b"2", 0), put("a", b"9")),
    entry(3, CompareAndSet("c", b"k", b"1", b"3", 0)),
    entry(4, Delete("d", b"k", 0), Delete("e", b"k", 0)),
]


def write(answer: Answer, revision: int, kind: Kind = Kind.PUT) -> Operation:
    return Operation("c1", "k", kind, (b"1",), answer, 0.0, 1.0, revision)


def test_agrees_with_the_state_machine() -> None:
    oracle, machine = Oracle(LOG), StateMachine()
    for each in LOG:
        machine.apply(each.index, each.data)
    check_state(oracle, machine, "n1")
    for request_id, result in oracle.results.items():
        outcome = machine.outcome(request_id)
        assert outcome is not None
        assert (outcome.status, outcome.revision) == (result.status, result.revision)
    assert oracle.results["c"].status is Status.VALUE_MISMATCH


def test_knows_every_revision() -> None:
    oracle = Oracle(LOG)
    assert [oracle.value_at(b"k", revision) for revision in range(4)] == [None, b"1", b"2", None]


def test_notices_a_gap_in_what_was_seen() -> None:
    with pytest.raises(WrongAnswer, match="entry 2"):
        Oracle([LOG[0], LOG[2]])


def test_notices_a_second_execution() -> None:
    """The first outcome was forgotten, and nothing said that there may have been one."""
    forgetting = Stamp(time_ms=2, outcomes_count_max=1, outcomes_age_s_max=100)
    log = [entry(1, put("a", b"1")), entry(2, put("b", b"2"), stamp=forgetting)]
    assert Oracle([*log, entry(3, put("a", b"1", after=0))]).revision == 2
    with pytest.raises(WrongAnswer, match="a was executed by entry 1 and again by entry 3"):
        Oracle([*log, entry(3, put("a", b"1", after=2))])


def test_notices_a_lost_write() -> None:
    history = History()
    history.add_write("gone", write(Answer.OK, 1))
    with pytest.raises(WrongAnswer, match="not in the log"):
        check_answers(Oracle(LOG), history)


def test_notices_an_answer_that_differs_from_the_log() -> None:
    history = History()
    history.add_write("a", write(Answer.OK, 7))
    with pytest.raises(WrongAnswer, match="the client was told"):
        check_answers(Oracle(LOG), history)


def test_notices_a_refused_write_that_happened() -> None:
    history = History()
    history.refused.append("a")
    with pytest.raises(WrongAnswer, match="refused, but executed"):
        check_answers(Oracle(LOG), history)


def test_notices_a_read_of_what_never_was() -> None:
    history = History()
    history.reads.append(Read("k", b"1", 2))
    with pytest.raises(WrongAnswer, match="but the log says"):
        check_answers(Oracle(LOG), history)


def test_notices_a_node_in_another_state() -> None:
    machine = StateMachine()
    machine.apply(1, entry(1, put("a", b"other")).data)
    with pytest.raises(WrongAnswer, match="n1 holds"):
        check_state(Oracle(LOG[:1]), machine, "n1")
    with pytest.raises(WrongAnswer, match="n1 is at revision 1"):
        check_state(Oracle(LOG), machine, "n1")


def timed(kind: Kind, revision: int, begin: float, end: float) -> Operation:
    result: bytes | Answer = b"1" if kind is Kind.GET else Answer.OK
    return Operation("c1", "k", kind, (b"1",), result, begin, end, revision)


def test_revisions_follow_time() -> None:
    check_revisions([timed(Kind.PUT, 1, 0, 1), timed(Kind.GET, 1, 2, 3), timed(Kind.PUT, 2, 2, 4)])


@pytest.mark.parametrize(
    "later",
    [timed(Kind.GET, 1, 3, 4), timed(Kind.PUT, 2, 3, 4)],
    ids=["a read of an older store", "a write that changed an older store"],
)
def test_notices_revisions_that_go_back(later: Operation) -> None:
    with pytest.raises(WrongAnswer, match="revision"):
        check_revisions([timed(Kind.GET, 2, 0, 1), later])


def test_notices_two_writes_of_one_revision() -> None:
    with pytest.raises(WrongAnswer, match="one revision"):
        check_revisions([timed(Kind.PUT, 2, 0, 5), timed(Kind.PUT, 2, 0, 5)])
