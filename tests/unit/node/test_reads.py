"""Linearizable reads: whose answer counts for whom, and for how long anyone waits."""

from asyncio import Future, get_running_loop

import pytest

from kvorum.errors import NoLeader, Overloaded, Rejected
from kvorum.node.reads import PENDING_WEIGHT_FACTOR, SERVED_WEIGHT_MAX
from kvorum.raft.ready import ReadState
from kvorum.raft.types import Index, Ticket
from tests.unit.node.fakes import OTHER, Bench, options


class Read:
    """A waiter that counts how often it was served."""

    def __init__(self, weight: int = 1) -> None:
        self.weight = weight
        self.waiter: Future[None] = get_running_loop().create_future()
        self.served = 0

    def serve(self) -> None:
        self.served += 1
        self.waiter.set_result(None)


def submit(bench: Bench, weight: int = 1) -> Read:
    read = Read(weight)
    bench.reads.submit(read)
    return read


def ask(bench: Bench) -> Ticket:
    ticket = bench.reads.take_ticket()
    assert ticket is not None
    return ticket


def answer(bench: Bench, ticket: Ticket, index: int | None) -> None:
    bench.reads.on_read_state(ReadState(ticket, None if index is None else Index(index)))


def wait_for_retry(bench: Bench) -> None:
    """Long enough for an attempt to count as lost, short of anyone's patience."""
    bench.clock.advance(2 * bench.options.heartbeat_ticks * bench.options.tick_s)
    bench.reads.expire()


# --- batches -----------------------------------------------------------------------------


async def answered_readers(bench: Bench, count: int) -> None:
    for _ in range(count):
        submit(bench)
    answer(bench, ask(bench), 3)
    bench.reads.serve(Index(3))
    bench.wakes = 0


async def test_the_next_batch_waits_until_those_who_were_answered_are_back() -> None:
    """Instead of setting out with the first of them."""
    bench = Bench()
    await answered_readers(bench, 3)
    for _ in range(2):
        submit(bench)
        assert bench.reads.take_ticket() is None
    assert bench.wakes == 0
    submit(bench)
    assert bench.wakes == 1
    assert ask(bench)


async def test_but_not_for_long() -> None:
    bench = Bench()
    await answered_readers(bench, 3)
    submit(bench)
    bench.timers.run_out()
    assert bench.wakes == 1
    assert ask(bench)


async def test_reads_that_came_during_a_round_wait_for_those_that_it_answered() -> None:
    bench = Bench()
    first = [submit(bench) for _ in range(2)]
    ticket = ask(bench)
    submit(bench)
    bench.wakes = 0
    answer(bench, ticket, 3)
    bench.reads.serve(Index(3))
    assert [read.served for read in first] == [1, 1]
    assert (bench.wakes, bench.reads.take_ticket()) == (0, None)
    for _ in range(2):
        submit(bench)
    assert bench.wakes == 1
    assert ask(bench)


async def test_a_round_that_ends_before_its_index_is_applied_keeps_nobody_waiting() -> None:
    bench = Bench()
    submit(bench)
    ticket = ask(bench)
    submit(bench)
    bench.wakes = 0
    answer(bench, ticket, 3)
    bench.reads.serve(Index(2))
    assert bench.wakes == 1
    assert ask(bench)


async def test_while_a_round_is_out_no_wait_begins() -> None:
    """Those who were answered gather anyway; a wait that nobody notices would count as in vain."""
    bench = Bench()
    first = [submit(bench) for _ in range(3)]
    answer(bench, ask(bench), 3)
    submit(bench)
    bench.reads.serve(Index(2))
    assert ask(bench)
    bench.reads.serve(Index(3))
    assert [read.served for read in first] == [1, 1, 1]
    assert bench.timers.running == []


async def test_reads_that_arrive_together_ask_once() -> None:
    bench = Bench()
    reads = [submit(bench) for _ in range(5)]
    assert bench.wakes == 1
    assert bench.reads.pending == 5
    ticket = ask(bench)
    assert bench.reads.take_ticket() is None
    answer(bench, ticket, 3)
    bench.reads.serve(Index(3))
    assert [read.served for read in reads] == [1] * 5
    assert bench.reads.pending == 0


async def test_a_read_that_arrives_while_a_batch_asks_waits_for_the_next_round() -> None:
    """The answer to the first may be older than a write that it must see."""
    bench = Bench()
    first = submit(bench)
    ticket = ask(bench)
    second = submit(bench)
    assert bench.reads.take_ticket() is None, "one batch at a time asks"
    answer(bench, ticket, 1)
    bench.reads.serve(Index(9))
    assert first.served == 1
    assert second.served == 0
    bench.timers.run_out()
    next_ticket = ask(bench)
    assert next_ticket != ticket
    answer(bench, next_ticket, 2)
    bench.reads.serve(Index(9))
    assert second.served == 1


async def test_reads_that_come_while_a_batch_asks_take_no_turn_of_the_driver() -> None:
    bench = Bench()
    submit(bench)
    ask(bench)
    wakes = bench.wakes
    submit(bench)
    assert bench.wakes == wakes


async def test_the_next_batch_wakes_the_driver_when_the_first_is_confirmed() -> None:
    bench = Bench()
    submit(bench)
    ticket = ask(bench)
    submit(bench)
    wakes = bench.wakes
    answer(bench, ticket, 1)
    bench.reads.serve(Index(0))
    assert bench.wakes == wakes + 1


async def test_a_read_waits_until_its_index_is_applied() -> None:
    bench = Bench()
    read = submit(bench)
    answer(bench, ask(bench), 7)
    bench.reads.serve(Index(6))
    assert read.served == 0
    bench.reads.serve(Index(7))
    assert read.served == 1


async def test_the_next_batch_asks_while_a_confirmed_one_waits_to_be_applied() -> None:
    bench = Bench()
    first = submit(bench)
    answer(bench, ask(bench), 7)
    second = submit(bench)
    answer(bench, ask(bench), 8)
    bench.reads.serve(Index(7))
    assert (first.served, second.served) == (1, 0)
    bench.reads.serve(Index(8))
    assert (first.served, second.served) == (1, 1)


async def test_costly_reads_are_served_over_several_turns_in_order() -> None:
    bench = Bench(options(pending_reads_max=2000))
    reads = [submit(bench, SERVED_WEIGHT_MAX // 2) for _ in range(5)]
    answer(bench, ask(bench), 1)
    later = submit(bench)
    answer(bench, ask(bench), 1)
    turns = []
    while bench.reads.pending:
        wakes = bench.wakes
        bench.reads.serve(Index(1))
        assert (bench.wakes > wakes) == (bench.reads.pending > 0), "it goes on by itself"
        turns.append(([read.served for read in reads], later.served))
    assert turns == [([1, 1, 0, 0, 0], 0), ([1, 1, 1, 1, 0], 0), ([1, 1, 1, 1, 1], 1)]


async def test_whoever_is_not_served_yet_is_told_when_the_node_stops() -> None:
    bench = Bench(options(pending_reads_max=2000))
    reads = [submit(bench, SERVED_WEIGHT_MAX) for _ in range(2)]
    answer(bench, ask(bench), 1)
    bench.reads.serve(Index(1))
    bench.reads.close()
    assert reads[0].served == 1
    assert isinstance(reads[1].waiter.exception(), NoLeader)
    assert bench.reads.pending == 0


async def test_what_waits_is_bounded_by_what_it_costs_too() -> None:
    bench = Bench()
    most = PENDING_WEIGHT_FACTOR * bench.options.pending_reads_max
    alone = submit(bench, 2 * most)
    with pytest.raises(Overloaded, match="shorter pages"):
        submit(bench)
    answer(bench, ask(bench), 1)
    bench.reads.serve(Index(1))
    assert alone.served == 1
    submit(bench, most - 1)
    submit(bench)
    with pytest.raises(Overloaded, match="shorter pages"):
        submit(bench)


async def test_nothing_is_asked_for_nobody_or_of_nobody() -> None:
    bench = Bench()
    assert bench.reads.take_ticket() is None
    submit(bench)
    bench.leadership.report(None)
    assert bench.reads.take_ticket() is None
    bench.leadership.report(OTHER)
    assert bench.reads.take_ticket() is not None


# --- attempts ----------------------------------------------------------------------------


async def test_an_attempt_without_answer_is_repeated_under_a_fresh_ticket() -> None:
    bench = Bench()
    read = submit(bench)
    lost = ask(bench)
    bench.reads.expire()
    assert bench.reads.take_ticket() is None, "not yet"
    wait_for_retry(bench)
    fresh = ask(bench)
    assert fresh != lost
    answer(bench, fresh, 1)
    bench.reads.serve(Index(1))
    assert read.served == 1


async def test_a_refused_attempt_is_repeated_under_a_fresh_ticket() -> None:
    bench = Bench()
    read = submit(bench)
    refused = ask(bench)
    answer(bench, refused, None)
    bench.reads.serve(Index(100))
    assert read.served == 0
    wait_for_retry(bench)
    assert ask(bench) != refused


async def test_the_answer_to_one_batch_never_serves_a_later_one() -> None:
    bench = Bench()
    submit(bench)
    ticket = ask(bench)
    answer(bench, ticket, 1)
    later = submit(bench)
    answer(bench, ticket, 1)
    ask(bench)
    answer(bench, ticket, 1)
    bench.reads.serve(Index(100))
    assert later.served == 0


# --- bounds and patience -----------------------------------------------------------------


async def test_without_hope_a_read_is_refused_at_once() -> None:
    bench = Bench()
    bench.lose_hope()
    with pytest.raises(NoLeader):
        submit(bench)
    assert bench.reads.pending == 0


async def test_too_many_reads_are_refused_until_one_is_answered() -> None:
    bench = Bench(options(pending_reads_max=2))
    submit(bench)
    ticket = ask(bench)
    submit(bench)
    with pytest.raises(Overloaded, match="PENDING_READS_MAX"):
        submit(bench)
    answer(bench, ticket, 0)
    bench.reads.serve(Index(0))
    submit(bench)
    assert bench.reads.pending == 2


async def test_a_read_that_waited_too_long_is_refused_wherever_it_stands() -> None:
    bench = Bench()
    confirmed = submit(bench)
    answer(bench, ask(bench), 99)  # never applied
    asking = submit(bench)
    ask(bench)
    forming = submit(bench)
    bench.clock.advance(bench.options.leaderless_grace_s + 0.001)
    bench.reads.expire()
    for read in (confirmed, asking, forming):
        assert isinstance(read.waiter.exception(), NoLeader)
        assert read.served == 0
    assert bench.reads.pending == 0
    bench.reads.serve(Index(99))
    assert bench.reads.take_ticket() is None


async def test_a_lost_leader_ends_the_waiting_of_all() -> None:
    bench = Bench(options(request_timeout_s=60.0))
    asking = submit(bench)
    ask(bench)
    forming = submit(bench)
    bench.lose_hope()
    bench.reads.expire()
    assert isinstance(asking.waiter.exception(), NoLeader)
    assert isinstance(forming.waiter.exception(), NoLeader)


async def test_a_younger_batch_outlives_an_older_one() -> None:
    bench = Bench()
    old = submit(bench)
    ask(bench)
    bench.clock.advance(bench.options.leaderless_grace_s / 2)
    young = submit(bench)
    bench.clock.advance(bench.options.leaderless_grace_s / 2 + 0.001)
    bench.reads.expire()
    assert isinstance(old.waiter.exception(), NoLeader)
    assert not young.waiter.done()
    answer(bench, ask(bench), 1)
    bench.reads.serve(Index(1))
    assert young.served == 1


async def test_an_answer_after_the_end_of_patience_serves_nobody() -> None:
    bench = Bench()
    read = submit(bench)
    ticket = ask(bench)
    bench.clock.advance(bench.options.leaderless_grace_s + 0.001)
    bench.reads.expire()
    later = submit(bench)
    answer(bench, ticket, 1)
    assert ask(bench) != ticket
    answer(bench, ticket, 1)
    bench.reads.serve(Index(100))
    assert isinstance(read.waiter.exception(), NoLeader)
    assert later.served == 0


async def test_a_client_that_went_away_is_not_served_and_frees_its_place() -> None:
    bench = Bench()
    gone, here = submit(bench), submit(bench)
    gone.waiter.cancel()
    answer(bench, ask(bench), 1)
    bench.reads.serve(Index(1))
    assert (gone.served, here.served) == (0, 1)
    assert bench.reads.pending == 0


async def test_close_leaves_nobody_waiting() -> None:
    bench = Bench()
    confirmed = submit(bench)
    answer(bench, ask(bench), 99)
    asking = submit(bench)
    ask(bench)
    forming, gone = submit(bench), submit(bench)
    gone.waiter.cancel()
    bench.reads.close()
    for read in (confirmed, asking, forming):
        assert isinstance(read.waiter.exception(), NoLeader)
    assert bench.reads.pending == 0


async def test_after_close_nobody_begins_to_wait() -> None:
    """The front end may outlive the driver; there is nobody left to answer."""
    bench = Bench()
    bench.reads.close()
    with pytest.raises(Rejected):
        submit(bench)


# --- what is counted -----------------------------------------------------------------------


def counted(bench: Bench, name: str, **labels: str) -> float:
    return bench.registry.get_sample_value(name, labels) or 0.0


async def test_the_time_until_leadership_is_proved_is_counted_from_the_first_attempt() -> None:
    bench = Bench()
    submit(bench)
    ask(bench)
    wait_for_retry(bench)
    ticket = ask(bench)
    bench.clock.advance(0.5)
    answer(bench, ticket, 3)
    retried_s = 2 * bench.options.heartbeat_ticks * bench.options.tick_s
    duration = "kvorum_read_index_duration_seconds"
    assert counted(bench, f"{duration}_count") == 1
    assert counted(bench, f"{duration}_sum") == pytest.approx(retried_s + 0.5)
    submit(bench)
    answer(bench, ask(bench), 3)
    assert counted(bench, f"{duration}_count") == 2
    assert counted(bench, f"{duration}_sum") == pytest.approx(retried_s + 0.5), "anew"


async def test_refused_reads_are_counted_by_reason() -> None:
    bench = Bench(options(pending_reads_max=2))
    reads = [submit(bench) for _ in range(2)]
    with pytest.raises(Overloaded):
        submit(bench)
    heavy = PENDING_WEIGHT_FACTOR * bench.options.pending_reads_max
    failed = "kvorum_reads_failed_total"
    assert counted(bench, failed, reason="overloaded") == 1
    assert counted(bench, failed, reason="no_leader") == 0
    bench.lose_hope()
    bench.reads.expire()
    assert counted(bench, failed, reason="no_leader") == 2
    with pytest.raises(NoLeader):
        submit(bench)
    assert counted(bench, failed, reason="no_leader") == 3
    bench.leadership.report(OTHER)
    submit(bench)
    with pytest.raises(Overloaded):
        submit(bench, heavy)
    assert counted(bench, failed, reason="overloaded") == 2
    assert all(isinstance(read.waiter.exception(), NoLeader) for read in reads)
