"""What a transaction read, found again for its answer: within bounds, others in between."""

import asyncio
from collections.abc import Sequence

import pytest

from kvorum.errors import Compacted
from kvorum.mvcc.command import (
    Command,
    DeleteOp,
    Put,
    PutOp,
    Stamp,
    Txn,
    encode_batch,
    encode_command,
)
from kvorum.mvcc.query import KeyRange, RangePage, prefix_range
from kvorum.mvcc.state_machine import StateMachine
from kvorum.node.views import Deleted, Get
from kvorum.node.writing import TXN_ITEMS_PER_TURN, TXN_READ_REVISIONS_MAX
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
    fill(bench, "z", TXN_READ_REVISIONS_MAX + 1)
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
    fill(bench, "k", TXN_ITEMS_PER_TURN)
    apply(bench, [Txn("txn", (), (PutOp(b"a", b"1"),))])
    ops = [Get(prefix_range(b"k"), TXN_ITEMS_PER_TURN) for _ in range(20)]
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
