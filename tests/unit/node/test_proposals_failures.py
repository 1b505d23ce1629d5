"""Writes whose leader is lost: what is certain, what is not, and who is told which."""

import pytest

from kvorum.errors import NoLeader, OutcomeUnknown, Rejected
from kvorum.mvcc.command import decode_batch
from kvorum.raft.ready import Receipt
from kvorum.raft.types import Index, Ticket
from tests.unit.node.fakes import STAMP, Bench, batch, eid, entry, outcome, put_command
from tests.unit.node.test_proposals import assert_empty, ids_of

NOTHING_APPLIED = Index(0)


def send(bench: Bench) -> tuple[Ticket, bytes]:
    """The one batch that waits, handed to the core."""
    [sent] = bench.proposals.take_batches(STAMP)
    return sent


def run_out_of_patience(bench: Bench) -> None:
    bench.clock.advance(bench.options.request_timeout_s + 0.001)
    bench.proposals.expire()


# --- proposed again ----------------------------------------------------------------------


async def test_a_batch_that_was_appended_nowhere_is_proposed_again_in_order() -> None:
    bench = Bench()
    for request_id in ("a", "b"):
        _ = bench.proposals.submit(request_id, put_command(request_id))
    ticket, _ = send(bench)
    _ = bench.proposals.submit("younger", put_command("younger"))
    bench.proposals.on_receipt(Receipt(ticket, None), NOTHING_APPLIED)
    assert bench.proposals.take_batches(STAMP) == [], "whoever refused would refuse again"
    bench.clock.advance(bench.options.heartbeat_ticks * bench.options.tick_s)
    bench.proposals.expire()
    again, data = send(bench)
    assert again != ticket
    assert ids_of(data) == ["a", "b", "younger"]


async def test_an_entry_that_lost_its_place_is_proposed_again() -> None:
    bench = Bench()
    _ = bench.proposals.submit("a", put_command("a"))
    ticket, _ = send(bench)
    bench.proposals.on_receipt(Receipt(ticket, eid(1, 5)), NOTHING_APPLIED)
    bench.proposals.on_applied(entry(2, 5), ())
    _, data = send(bench)
    assert ids_of(data) == ["a"]
    assert bench.failed("superseded") == 1


async def test_an_entry_that_can_no_longer_commit_is_proposed_again_at_once() -> None:
    """The new leader's log ended before it; terms never fall along a log, so it is gone.

    In a quiet cluster nothing else may ever be applied at its index.
    """
    bench = Bench()
    _ = bench.proposals.submit("a", put_command("a"))
    ticket, _ = send(bench)
    bench.proposals.on_receipt(Receipt(ticket, eid(1, 5)), NOTHING_APPLIED)
    bench.proposals.on_applied(entry(2, 4), ())
    _, data = send(bench)
    assert ids_of(data) == ["a"]


async def test_a_receipt_for_a_place_already_taken_means_again() -> None:
    bench = Bench()
    _ = bench.proposals.submit("a", put_command("a"))
    ticket, _ = send(bench)
    bench.proposals.on_receipt(Receipt(ticket, eid(1, 5)), Index(5))
    _, data = send(bench)
    assert ids_of(data) == ["a"]


async def test_two_leaders_entries_for_one_place_each_find_their_batch() -> None:
    bench = Bench()
    lost = bench.proposals.submit("lost", put_command("lost"))
    first, _ = send(bench)
    bench.proposals.on_receipt(Receipt(first, eid(1, 5)), NOTHING_APPLIED)
    kept = bench.proposals.submit("kept", put_command("kept"))
    second, data = send(bench)
    bench.proposals.on_receipt(Receipt(second, eid(2, 5)), NOTHING_APPLIED)
    bench.proposals.on_applied(entry(2, 5, data), [outcome("kept")])
    assert kept.done()
    assert not lost.done()
    _, data = send(bench)
    assert ids_of(data) == ["lost"]


async def test_a_new_leader_gets_what_the_former_one_did_not_acknowledge() -> None:
    bench = Bench()
    _ = bench.proposals.submit("a", put_command("a"))
    send(bench)
    _ = bench.proposals.submit("b", put_command("b"))
    send(bench)
    _ = bench.proposals.submit("c", put_command("c"))
    bench.proposals.on_new_leader()
    _, data = send(bench)
    assert ids_of(data) == ["a", "b", "c"]
    assert decode_batch(data)[0] == STAMP


async def test_what_was_acknowledged_is_not_sent_to_the_new_leader() -> None:
    bench = Bench()
    future = bench.proposals.submit("a", put_command("a"))
    ticket, data = send(bench)
    bench.proposals.on_receipt(Receipt(ticket, eid(1, 5)), NOTHING_APPLIED)
    bench.proposals.on_new_leader()
    assert bench.proposals.take_batches(STAMP) == []
    bench.proposals.on_applied(entry(1, 5, data), [outcome("a")])
    assert future.result() == outcome("a")


async def test_a_late_receipt_of_the_former_leader_changes_nothing() -> None:
    bench = Bench()
    future = bench.proposals.submit("a", put_command("a"))
    former, _ = send(bench)
    bench.proposals.on_new_leader()
    send(bench)
    bench.proposals.on_receipt(Receipt(former, None), NOTHING_APPLIED)
    assert bench.proposals.take_batches(STAMP) == []
    run_out_of_patience(bench)
    assert isinstance(future.exception(), OutcomeUnknown)


# --- given up ----------------------------------------------------------------------------


async def test_a_write_never_sent_is_refused_for_certain() -> None:
    bench = Bench()
    future = bench.proposals.submit("a", put_command("a"))
    run_out_of_patience(bench)
    assert isinstance(future.exception(), NoLeader)
    assert bench.failed("no_leader") == 1
    assert_empty(bench)


async def test_nobody_is_given_up_on_before_the_time() -> None:
    bench = Bench()
    future = bench.proposals.submit("a", put_command("a"))
    bench.clock.advance(bench.options.request_timeout_s - 0.001)
    bench.proposals.expire()
    assert not future.done()
    assert bench.proposals.pending == 1


async def test_only_those_whose_time_has_come_are_given_up_on() -> None:
    bench = Bench()
    old = bench.proposals.submit("old", put_command("old"))
    bench.clock.advance(bench.options.request_timeout_s / 2)
    young = bench.proposals.submit("young", put_command("young"))
    bench.clock.advance(bench.options.request_timeout_s / 2 + 0.001)
    bench.proposals.expire()
    assert isinstance(old.exception(), NoLeader)
    assert not young.done()


async def test_a_write_that_was_expired_is_not_proposed() -> None:
    bench = Bench()
    future = bench.proposals.submit("a", put_command("a"))
    run_out_of_patience(bench)
    assert bench.proposals.take_batches(STAMP) == []
    assert isinstance(future.exception(), NoLeader)


async def test_writes_given_up_on_do_not_pile_up_while_no_batch_is_taken() -> None:
    """As on a leader whose disk hangs: only those who wait may take memory."""
    bench = Bench()
    for number in range(5):
        _ = bench.proposals.submit(f"r{number}", put_command("r"))
        run_out_of_patience(bench)
    last = bench.proposals.submit("last", put_command("last"))
    bench.proposals.expire()
    assert [write.request_id for write in bench.proposals._queue] == ["last"]
    assert not last.done()


async def test_a_lost_receipt_means_unknown_and_leaves_no_batch() -> None:
    bench = Bench()
    future = bench.proposals.submit("a", put_command("a"))
    send(bench)
    run_out_of_patience(bench)
    error = future.exception()
    assert isinstance(error, OutcomeUnknown)
    assert error.request_id == "a"
    assert bench.failed("unknown") == 1
    assert_empty(bench)


async def test_a_placed_write_that_is_not_applied_in_time_is_unknown() -> None:
    bench = Bench()
    future = bench.proposals.submit("a", put_command("a"))
    ticket, _ = send(bench)
    bench.proposals.on_receipt(Receipt(ticket, eid(1, 5)), NOTHING_APPLIED)
    run_out_of_patience(bench)
    assert isinstance(future.exception(), OutcomeUnknown)
    bench.proposals.on_applied(entry(2, 5), ())  # what is left goes when its index is applied
    assert bench.proposals.take_batches(STAMP) == []
    assert_empty(bench)


async def test_a_superseded_write_that_finds_no_leader_is_refused_for_certain() -> None:
    bench = Bench()
    future = bench.proposals.submit("a", put_command("a"))
    ticket, _ = send(bench)
    bench.proposals.on_receipt(Receipt(ticket, eid(1, 5)), NOTHING_APPLIED)
    bench.proposals.on_applied(entry(2, 5), ())
    run_out_of_patience(bench)
    assert isinstance(future.exception(), NoLeader)
    assert_empty(bench)


async def test_a_write_appended_nowhere_that_finds_no_leader_is_refused_for_certain() -> None:
    bench = Bench()
    future = bench.proposals.submit("a", put_command("a"))
    ticket, _ = send(bench)
    bench.proposals.on_receipt(Receipt(ticket, None), NOTHING_APPLIED)
    bench.lose_hope()
    bench.proposals.expire()
    assert isinstance(future.exception(), NoLeader)
    assert_empty(bench)


@pytest.mark.parametrize("second_attempt", ["queued", "refused", "superseded"])
async def test_doubt_stays_whatever_becomes_of_later_attempts(second_attempt: str) -> None:
    """The first leader vanished without a word: it may have appended the write."""
    bench = Bench()
    future = bench.proposals.submit("a", put_command("a"))
    send(bench)
    bench.proposals.on_new_leader()
    if second_attempt != "queued":
        ticket, _ = send(bench)
        place = None if second_attempt == "refused" else eid(2, 5)
        bench.proposals.on_receipt(Receipt(ticket, place), NOTHING_APPLIED)
    if second_attempt == "superseded":
        bench.proposals.on_applied(entry(3, 5), ())
    run_out_of_patience(bench)
    assert isinstance(future.exception(), OutcomeUnknown)
    assert_empty(bench)


async def test_doubt_is_per_write_not_per_batch() -> None:
    bench = Bench()
    doubtful = bench.proposals.submit("a", put_command("a"))
    send(bench)
    bench.proposals.on_new_leader()
    certain = bench.proposals.submit("b", put_command("b"))
    ticket, data = send(bench)
    assert ids_of(data) == ["a", "b"]
    bench.proposals.on_receipt(Receipt(ticket, None), NOTHING_APPLIED)
    run_out_of_patience(bench)
    assert isinstance(doubtful.exception(), OutcomeUnknown)
    assert isinstance(certain.exception(), NoLeader)


async def test_without_hope_everyone_is_answered_long_before_the_timeout() -> None:
    bench = Bench()
    sent = bench.proposals.submit("sent", put_command("sent"))
    send(bench)
    waiting = bench.proposals.submit("waiting", put_command("waiting"))
    bench.lose_hope()
    bench.proposals.expire()
    assert isinstance(sent.exception(), OutcomeUnknown)
    assert isinstance(waiting.exception(), NoLeader)
    assert_empty(bench)


async def test_a_batch_with_one_late_member_is_kept_until_the_last() -> None:
    bench = Bench()
    early = bench.proposals.submit("a", put_command("a"))
    bench.clock.advance(1)
    late = bench.proposals.submit("b", put_command("b"))
    ticket, data = send(bench)
    bench.clock.advance(bench.options.request_timeout_s - 0.999)
    bench.proposals.expire()
    assert isinstance(early.exception(), OutcomeUnknown)
    bench.proposals.on_receipt(Receipt(ticket, eid(1, 1)), NOTHING_APPLIED)
    bench.proposals.on_applied(entry(1, 1, data), [outcome("a"), outcome("b")])
    assert late.result() == outcome("b")
    assert_empty(bench)


# --- the end -----------------------------------------------------------------------------


async def test_close_leaves_nobody_waiting() -> None:
    bench = Bench()
    sent = bench.proposals.submit("sent", put_command("sent"))
    send(bench)
    queued = bench.proposals.submit("queued", put_command("queued"))
    cancelled = bench.proposals.submit("cancelled", put_command("cancelled"))
    cancelled.cancel()
    bench.proposals.close()
    assert isinstance(sent.exception(), OutcomeUnknown)
    assert isinstance(queued.exception(), NoLeader)
    assert cancelled.cancelled()


async def test_after_close_nobody_begins_to_wait() -> None:
    """The front end may outlive the driver; there is nobody left to answer."""
    bench = Bench()
    bench.proposals.close()
    with pytest.raises(Rejected):
        _ = bench.proposals.submit("a", put_command("a"))


async def test_answers_that_come_after_the_end_of_patience_are_harmless() -> None:
    bench = Bench()
    future = bench.proposals.submit("a", put_command("a"))
    ticket, _ = send(bench)
    run_out_of_patience(bench)
    assert isinstance(future.exception(), OutcomeUnknown)
    bench.proposals.on_receipt(Receipt(ticket, eid(1, 1)), NOTHING_APPLIED)
    bench.proposals.on_applied(entry(1, 1, batch("a")), [outcome("a")])
    assert_empty(bench)
