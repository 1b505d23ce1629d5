"""Committed entries: applied in order, answered at once, never skipped."""

import pytest

from kvorum.mvcc.command import encode_batch
from kvorum.mvcc.state_machine import StateMachine
from kvorum.node.applier import Applier
from kvorum.node.log_time import LogTime
from kvorum.raft.ready import Receipt
from kvorum.raft.types import Entry, EntryKind, Index, Term
from tests.unit.node.fakes import (
    STAMP,
    Bench,
    FakeClock,
    batch,
    eid,
    entry,
    put_command,
)


def applier_of(machine: StateMachine, bench: Bench) -> Applier:
    return Applier(machine, bench.proposals, LogTime(FakeClock()))


async def test_commands_and_noops_advance_the_index_and_answer() -> None:
    bench, machine = Bench(), StateMachine()
    applier = applier_of(machine, bench)
    first = bench.proposals.submit("a", put_command("a"))
    second = bench.proposals.submit("b", put_command("b"))
    assert applier.applied == 0
    applier.apply([entry(1, 1), entry(1, 2, batch("a", "b")), entry(1, 3)])
    assert applier.applied == 3
    assert first.result().revision == 1
    assert second.result().revision == 2


async def test_a_noop_in_the_place_of_a_batch_supersedes_it() -> None:
    bench = Bench()
    applier = applier_of(StateMachine(), bench)
    _ = bench.proposals.submit("a", put_command("a"))
    [(ticket, _)] = bench.proposals.take_batches(STAMP)
    bench.proposals.on_receipt(Receipt(ticket, eid(1, 1)), Index(0))
    applier.apply([entry(2, 1)])
    assert len(bench.proposals.take_batches(STAMP)) == 1


async def test_an_entry_that_cannot_be_read_ends_the_node_and_changes_nothing() -> None:
    bench, machine = Bench(), StateMachine()
    applier = applier_of(machine, bench)
    bad = Entry(Term(1), Index(1), EntryKind.COMMANDS, b"\xffgarbage of another release")
    with pytest.raises(ValueError, match="version"):
        applier.apply([bad])
    assert applier.applied == 0


async def test_an_empty_batch_is_applied_like_any_other() -> None:
    bench = Bench()
    applier = applier_of(StateMachine(), bench)
    applier.apply([entry(1, 1, encode_batch([], STAMP))])
    assert applier.applied == 1


async def test_a_gap_is_a_bug_that_is_not_papered_over() -> None:
    applier = applier_of(StateMachine(), Bench())
    with pytest.raises(AssertionError, match="entry 2 applied where 1 was next"):
        applier.apply([entry(1, 2)])
