"""What a transaction read, found again for its answer: within bounds, others in between."""

import asyncio
from collections.abc import Sequence

import pytest

from kvorum.errors import Compacted
from kvorum.mvcc.command import (
    Command,
    Delete,
    DeleteOp,
    Put,
    PutOp,
    Stamp,
    Txn,
    encode_batch,
    encode_command,
)
from kvorum.mvcc.outcome import Outcome, Status
from kvorum.mvcc.query import KeyRange, RangePage, prefix_range, single_key
from kvorum.mvcc.state_machine import StateMachine
from kvorum.node.txn_reads import (
    ITEMS_PER_TURN,
    LIGHT_MAX,
    READ_REVISIONS_MAX,
    TxnReads,
    is_light,
)
from kvorum.node.views import Deleted, Get, TxnOp
from tests.unit.node.fakes import entry
from tests.unit.node.test_service import ServiceBench

ROOMY = Stamp(1_000, 100_000, 3600, 100_000, 3600, 1 << 30, 1 << 30)


def apply(bench: ServiceBench, commands: Sequence[Command]) -> None:
    data = encode_batch([encode_command(command) for command in commands], ROOMY)
    bench.apply(entry(1, bench.machine.applied_index + 1, data))


def fill(bench: ServiceBench, prefix: str, count: int) -> None:
    ids = [f"{prefix}{number:05}" for number in range(count)]
    apply(bench, [Put(each, each.encode(), b"1") for each in ids])


async def test_what_too_many_revisions_came_after_is_not_looked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each of 512 reads would pass over all of them."""
    bench = ServiceBench()
    fill(bench, "k", 10)
    apply(bench, [Txn("txn", (), (PutOp(b"a", b"1"), DeleteOp(b"k", b"l")))])
    fill(bench, "z", READ_REVISIONS_MAX + 1)
    looked: list[object] = []
    monkeypatch.setattr(StateMachine, "count", lambda *keys: looked.append(keys))
    with pytest.raises(Compacted, match=r"applied at revision 11, .*read again what you need"):
        await bench.service.txn("txn", (), (PutOp(b"a", b"1"), DeleteOp(b"k", b"l")), ())
    assert looked == []


async def test_an_answer_asked_for_again_soon_is_the_first_one() -> None:
    bench = ServiceBench()
    fill(bench, "k", 10)
    apply(bench, [Txn("txn", (), (PutOp(b"a", b"1"), DeleteOp(b"k", b"l")))])
    fill(bench, "k", 100)
    ops = (PutOp(b"a", b"1"), DeleteOp(b"k", b"l"), Get(KeyRange(b"", None), 100))
    result = await bench.service.txn("txn", (), ops, ())
    put, deleted, page = result.results
    assert (put, deleted) == (None, Deleted(10))
    assert isinstance(page, RangePage)
    assert len(page.items) == 10


async def test_many_reads_leave_turns_to_others_and_stay_at_their_revision() -> None:
    bench = ServiceBench()
    fill(bench, "k", ITEMS_PER_TURN)
    apply(bench, [Txn("txn", (), (PutOp(b"a", b"1"),))])
    ops = [Get(prefix_range(b"k"), ITEMS_PER_TURN) for _ in range(20)]
    asked = asyncio.create_task(bench.service.txn("txn", (), (*ops, PutOp(b"a", b"1")), ()))
    turns = 0
    while not asked.done():
        turns += 1
        apply(bench, [Put(f"later {turns}", b"k%05d" % turns, b"2")])
        await asyncio.sleep(0)
    assert turns >= len(ops)
    pages = [page for page in asked.result().results if isinstance(page, RangePage)]
    assert len(pages) == len(ops)
    assert all(record.value == b"1" for page in pages for _, record in page.items)


@pytest.mark.parametrize("status", [Status.SUCCESS, Status.OTHERWISE])
async def test_light_operations_meet_what_any_do(status: Status) -> None:
    bench = ServiceBench()
    fill(bench, "k", 4)
    apply(bench, [Txn("txn", (), (PutOp(b"a", b"1"), DeleteOp(b"k00001")))])
    apply(bench, [Put("later", b"k00000", b"2"), Delete("gone", b"k00002")])
    one = [single_key(key) for key in (b"k00000", b"k00001", b"k00002", b"a", b"b")]
    light: tuple[TxnOp, ...] = (
        PutOp(b"a", b"1"),
        DeleteOp(b"k00001"),
        DeleteOp(b"none"),
        *(Get(keys, 1) for keys in one),
    )
    assert is_light(light)
    nothing: tuple[TxnOp, ...] = ()
    then, orelse = (light, nothing) if status is Status.SUCCESS else (nothing, light)
    outcome = Outcome("txn", status, "", 5, 1_000, 2)
    result = bench.service.txn_result(outcome, then, orelse)
    pages = [bench.machine.range(keys, revision=4, limit=1, bytes_max=1) for keys in one]
    assert result.results == (None, Deleted(1), Deleted(0), *pages)
    assert [len(page.items) for page in pages] == [1, 1, 1, 0, 0]
    assert result == await TxnReads(bench.machine).any(outcome, then, orelse)


async def test_what_a_first_transaction_meets_is_nothing() -> None:
    bench = ServiceBench()
    ops = (PutOp(b"a", b"1"), DeleteOp(b"b"), Get(single_key(b"a"), 1))
    apply(bench, [Txn("txn", (), ops[:2])])
    result = bench.service.txn_result(Outcome("txn", Status.SUCCESS, "", 1, 1_000, 1), ops, ())
    assert result.results == (None, Deleted(0), RangePage(0, (), more=False))


async def test_light_operations_are_not_looked_for_in_a_past_that_is_gone() -> None:
    bench = ServiceBench()
    fill(bench, "z", READ_REVISIONS_MAX + 1)
    ops = (Get(single_key(b"z00000"), 1),)
    outcome = Outcome("txn", Status.SUCCESS, "", 1, 1_000, 0)
    assert bench.service.txn_result(outcome, ops, ()).results
    fill(bench, "y", 1)
    with pytest.raises(Compacted, match=r"applied at revision 1, .*read again what you need"):
        bench.service.txn_result(outcome, ops, ())


@pytest.mark.parametrize(
    "op", [Get(prefix_range(b"k"), 1), DeleteOp(b"k", b"l"), DeleteOp(b"", b"")]
)
def test_whatever_concerns_several_keys_is_not_light(op: TxnOp) -> None:
    assert not is_light((PutOp(b"a", b"1"), op))


def test_looking_up_many_keys_is_not_light_but_writing_them_is() -> None:
    writes = [PutOp(b"%d" % number, b"1") for number in range(512)]
    half = LIGHT_MAX // 2
    lookups: list[TxnOp] = [
        *(Get(single_key(b"k"), 1) for _ in range(half)),
        *([DeleteOp(b"a")] * half),
    ]
    assert is_light((*writes, *lookups))
    assert not is_light((*writes, *lookups, DeleteOp(b"b")))
