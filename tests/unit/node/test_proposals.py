"""Writes from a front end to their outcome: the way when nothing goes wrong, and the bounds."""

import asyncio

import pytest

from kvorum.errors import NoLeader, Overloaded
from kvorum.mvcc.command import decode_batch
from kvorum.node.proposals import BATCH_BYTES_MAX, BATCH_WEIGHT_MAX, HANDED_OVER_BYTES_MAX
from kvorum.raft.ready import Receipt
from kvorum.raft.types import Index, Ticket
from tests.unit.node.fakes import (
    STAMP,
    Bench,
    ascending,
    batch,
    eid,
    entry,
    options,
    outcome,
    put_command,
)

NOTHING_APPLIED = Index(0)


def ids_of(data: bytes) -> list[str]:
    return [command.request_id for command in decode_batch(data)[1]]


def assert_empty(bench: Bench) -> None:
    """Nothing is left behind: no request, no byte, no batch."""
    proposals = bench.proposals
    assert proposals.pending == 0
    assert proposals.writes.size_bytes == 0
    assert not proposals._batches
    assert not proposals._placed


# --- batches ---------------------------------------------------------------------------


async def test_all_that_waits_becomes_one_stamped_batch_in_order() -> None:
    bench = Bench()
    for number in range(5):
        _ = bench.proposals.submit(f"r{number}", put_command(f"r{number}"))
    [(_, data)] = bench.proposals.take_batches(STAMP)
    assert ids_of(data) == ["r0", "r1", "r2", "r3", "r4"]
    assert decode_batch(data)[0] == STAMP
    assert bench.proposals.take_batches(STAMP) == []


async def test_a_submission_wakes_the_driver() -> None:
    bench = Bench()
    _ = bench.proposals.submit("r", put_command("r"))
    assert bench.wakes == 1


async def test_a_batch_closes_at_its_number_of_commands() -> None:
    bench = Bench()
    wanted = [f"r{number}" for number in range(BATCH_WEIGHT_MAX + 3)]
    for request_id in wanted:
        _ = bench.proposals.submit(request_id, put_command(request_id))
    batches = bench.proposals.take_batches(STAMP)
    assert [len(ids_of(data)) for _, data in batches] == [BATCH_WEIGHT_MAX, 3]
    assert [request_id for _, data in batches for request_id in ids_of(data)] == wanted
    assert ascending([ticket for ticket, _ in batches])


async def test_a_batch_closes_at_what_its_commands_cost() -> None:
    """One entry is applied in one go, so a few expensive commands fill it."""
    bench = Bench()
    for number, weight in enumerate((1, 400, 400, 400, 1, 5000, 1)):
        request_id = f"r{number}"
        _ = bench.proposals.submit(request_id, put_command(request_id), weight)
    batches = bench.proposals.take_batches(STAMP)
    assert [ids_of(data) for _, data in batches] == [
        ["r0", "r1", "r2"],
        ["r3", "r4"],
        ["r5"],
        ["r6"],
    ]


async def test_a_batch_closes_at_its_bytes() -> None:
    bench = Bench()
    half = b"x" * (BATCH_BYTES_MAX // 2)
    for request_id in ("a", "b", "c"):
        _ = bench.proposals.submit(request_id, put_command(request_id, half))
    batches = bench.proposals.take_batches(STAMP)
    assert [ids_of(data) for _, data in batches] == [["a"], ["b"], ["c"]]


async def test_a_command_larger_than_a_batch_goes_alone() -> None:
    bench = Bench()
    _ = bench.proposals.submit("small", put_command("small"))
    _ = bench.proposals.submit("huge", put_command("huge", b"x" * (2 * BATCH_BYTES_MAX)))
    _ = bench.proposals.submit("last", put_command("last"))
    batches = bench.proposals.take_batches(STAMP)
    assert [ids_of(data) for _, data in batches] == [["small"], ["huge"], ["last"]]


async def test_tickets_are_never_used_twice() -> None:
    bench = Bench()
    tickets = []
    for number in range(4):
        _ = bench.proposals.submit(f"r{number}", put_command(f"r{number}"))
        [(ticket, _)] = bench.proposals.take_batches(STAMP)
        tickets.append(ticket)
    assert ascending(tickets)


# --- outcomes --------------------------------------------------------------------------


async def test_the_outcome_arrives_by_request_id_and_nothing_is_left() -> None:
    bench = Bench()
    first = bench.proposals.submit("a", put_command("a"))
    second = bench.proposals.submit("b", put_command("b"))
    [(ticket, data)] = bench.proposals.take_batches(STAMP)
    bench.proposals.on_receipt(Receipt(ticket, eid(1, 7)), NOTHING_APPLIED)
    assert not first.done()
    bench.proposals.on_applied(entry(1, 7, data), [outcome("a", 3), outcome("b", 4)])
    assert first.result().revision == 3
    assert second.result().revision == 4
    assert bench.committed() == 2
    assert_empty(bench)
    bench.proposals.expire()
    assert not bench.proposals.writes._by_age


async def test_the_same_id_waits_for_the_same_outcome() -> None:
    bench = Bench()
    first = bench.proposals.submit("a", put_command("a"))
    again = bench.proposals.submit("a", put_command("a", b"2"))
    assert bench.proposals.pending == 1
    [(_, data)] = bench.proposals.take_batches(STAMP)
    assert ids_of(data) == ["a"]
    late = bench.proposals.submit("a", put_command("a"))
    assert bench.proposals.take_batches(STAMP) == []
    bench.proposals.on_applied(entry(1, 1, data), [outcome("a")])
    assert first.result() == again.result() == late.result()


async def test_an_id_applied_through_another_node_answers_here_too() -> None:
    bench = Bench()
    future = bench.proposals.submit("a", put_command("a"))
    bench.proposals.on_applied(entry(1, 1, batch("a")), [outcome("a")])
    assert future.result() == outcome("a")
    assert bench.proposals.take_batches(STAMP) == []
    assert_empty(bench)


async def test_outcomes_of_other_nodes_requests_are_none_of_our_business() -> None:
    bench = Bench()
    future = bench.proposals.submit("a", put_command("a"))
    bench.proposals.on_applied(entry(1, 1, batch("x")), [outcome("x")])
    assert not future.done()
    assert bench.committed() == 0


async def test_an_outcome_before_the_receipt_counts() -> None:
    """The entry may be replicated and applied here before the leader's answer arrives."""
    bench = Bench()
    future = bench.proposals.submit("a", put_command("a"))
    [(ticket, data)] = bench.proposals.take_batches(STAMP)
    bench.proposals.on_applied(entry(1, 1, data), [outcome("a")])
    assert future.result() == outcome("a")
    bench.proposals.on_receipt(Receipt(ticket, eid(1, 1)), Index(1))
    assert bench.proposals.take_batches(STAMP) == []
    assert_empty(bench)


async def test_a_receipt_nobody_waits_for_is_ignored() -> None:
    bench = Bench()
    bench.proposals.on_receipt(Receipt(Ticket(99), eid(1, 1)), NOTHING_APPLIED)
    bench.proposals.on_receipt(Receipt(Ticket(99), None), NOTHING_APPLIED)
    assert_empty(bench)


# --- bounds ----------------------------------------------------------------------------


async def test_too_many_writes_are_refused_until_one_is_answered() -> None:
    bench = Bench(options(pending_writes_max=2))
    _ = bench.proposals.submit("a", put_command("a"))
    _ = bench.proposals.submit("b", put_command("b"))
    with pytest.raises(Overloaded, match=r"PENDING_WRITES_MAX.*nothing was applied"):
        _ = bench.proposals.submit("c", put_command("c"))
    assert bench.failed("overloaded") == 1
    _ = bench.proposals.submit("a", put_command("a"))  # no new one: it may join
    bench.proposals.on_applied(entry(1, 1, batch("a")), [outcome("a")])
    _ = bench.proposals.submit("c", put_command("c"))


async def test_too_many_bytes_are_refused_until_some_are_answered() -> None:
    command = put_command("a", b"x" * 100)
    bench = Bench(options(pending_bytes_max=2 * len(command)))
    _ = bench.proposals.submit("a", command)
    _ = bench.proposals.submit("b", put_command("b", b"x" * 100))
    with pytest.raises(Overloaded, match="PENDING_BYTES_MAX"):
        _ = bench.proposals.submit("c", put_command("c", b""))
    bench.proposals.on_applied(entry(1, 1, batch("a")), [outcome("a")])
    _ = bench.proposals.submit("c", put_command("c", b""))


async def test_bytes_return_to_zero_however_a_write_ends() -> None:
    bench = Bench()
    applied = bench.proposals.submit("applied", put_command("applied"))
    bench.proposals.take_batches(STAMP)
    bench.proposals.on_applied(entry(1, 1, batch("applied")), [outcome("applied")])
    refused = bench.proposals.submit("refused", put_command("refused"))
    bench.lose_hope()
    bench.proposals.expire()
    assert applied.done()
    assert isinstance(refused.exception(), NoLeader)
    assert bench.proposals.writes.size_bytes == 0


async def test_answered_writes_free_their_memory_while_an_older_one_waits() -> None:
    """PENDING_BYTES_MAX bounds what is kept, not only what is counted."""
    bench = Bench()
    _ = bench.proposals.submit("old", put_command("old"))
    for number in range(10):
        request_id = f"r{number}"
        _ = bench.proposals.submit(request_id, put_command(request_id, b"x" * 1000))
        bench.proposals.on_applied(entry(1, number + 1, b"x"), [outcome(request_id)])
        bench.proposals.expire()
    kept_bytes = sum(len(pending.command) for pending in bench.proposals.writes._by_age)
    assert kept_bytes == bench.proposals.writes.size_bytes == len(put_command("old"))


async def test_without_hope_a_write_is_refused_at_once() -> None:
    bench = Bench()
    bench.lose_hope()
    with pytest.raises(NoLeader, match="nothing was applied"):
        _ = bench.proposals.submit("a", put_command("a"))
    assert bench.failed("no_leader") == 1
    assert_empty(bench)


# --- clients that went away -------------------------------------------------------------


async def test_a_cancelled_write_is_not_proposed() -> None:
    bench = Bench()
    bench.proposals.submit("a", put_command("a")).cancel()
    kept = bench.proposals.submit("b", put_command("b"))
    [(_, data)] = bench.proposals.take_batches(STAMP)
    assert ids_of(data) == ["b"]
    bench.proposals.on_applied(entry(1, 1, data), [outcome("b")])
    assert kept.done()


async def test_a_cancelled_write_that_was_sent_leaves_nothing_behind() -> None:
    bench = Bench()
    future = bench.proposals.submit("a", put_command("a"))
    [(ticket, data)] = bench.proposals.take_batches(STAMP)
    bench.proposals.on_receipt(Receipt(ticket, eid(1, 1)), NOTHING_APPLIED)
    future.cancel()
    bench.proposals.on_applied(entry(1, 1, data), [outcome("a")])
    assert_empty(bench)


async def test_a_cancelled_write_that_was_never_sent_leaves_nothing_behind() -> None:
    """Otherwise each of them holds a place and its bytes until the node is restarted."""
    bench = Bench()
    bench.proposals.submit("a", put_command("a")).cancel()
    bench.proposals.take_batches(STAMP)
    bench.clock.advance(bench.options.request_timeout_s + 0.001)
    bench.proposals.expire()
    assert_empty(bench)


async def test_a_request_id_can_be_used_again_after_its_client_went_away() -> None:
    bench = Bench()
    bench.proposals.submit("a", put_command("a")).cancel()
    again = bench.proposals.submit("a", put_command("a"))
    [(_, data)] = bench.proposals.take_batches(STAMP)
    bench.proposals.on_applied(entry(1, 1, data), [outcome("a")])
    assert again.result() == outcome("a")


async def test_one_client_going_away_does_not_take_another_with_it() -> None:
    """Two requests under one id: the first one's connection breaks."""
    bench = Bench()

    async def client() -> str:
        return (await bench.proposals.submit("a", put_command("a"))).request_id

    leaving, staying = asyncio.create_task(client()), asyncio.create_task(client())
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.wait([leaving])
    [(_, data)] = bench.proposals.take_batches(STAMP)
    bench.proposals.on_applied(entry(1, 1, data), [outcome("a")])
    assert await staying == "a"


async def test_a_write_under_the_id_of_a_cancelled_one_has_a_clock_of_its_own() -> None:
    """The first attempt is on its way, its client gone: the second must not wait for ever."""
    bench = Bench()
    first = bench.proposals.submit("a", put_command("a"))
    bench.proposals.take_batches(STAMP)
    first.cancel()
    bench.proposals.expire()
    second = bench.proposals.submit("a", put_command("a"))
    bench.clock.advance(bench.options.request_timeout_s + 0.001)
    bench.proposals.expire()
    assert second.done()


async def test_only_so_many_bytes_are_handed_over_at_once() -> None:
    """A follower's queue to its leader is bounded; what it dropped would be unknown for nothing."""
    bench = Bench(options(pending_bytes_max=100 << 20))
    for number in range(20):
        _ = bench.proposals.submit(f"r{number}", put_command(f"r{number}", b"1" * (1 << 20)))
    batches = bench.proposals.take_batches(STAMP)
    handed_over = sum(len(data) for _, data in batches)
    assert HANDED_OVER_BYTES_MAX <= handed_over < HANDED_OVER_BYTES_MAX + (2 << 20)
    rest = bench.proposals.take_batches(STAMP)
    assert len(batches) + len(rest) < 20
