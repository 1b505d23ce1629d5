"""Bounds and order of what waits for one peer."""

import asyncio

import pytest

from kvorum.raft.membership import Membership
from kvorum.raft.messages import InstallSnapshot, Propose, ReadIndex
from kvorum.raft.snapshot import Snapshot
from kvorum.raft.types import EntryId, Index, NodeId, Term, Ticket
from kvorum.transport.encoding import message_bytes
from kvorum.transport.observer import DropReason
from kvorum.transport.outbox import Outbox

TO, SENDER = NodeId("localhost:8002"), NodeId("localhost:8001")


def propose(size: int, ticket: int = 1) -> Propose:
    return Propose(to=TO, sender=SENDER, term=Term(1), ticket=Ticket(ticket), data=bytes(size))


def read(ticket: int) -> ReadIndex:
    return ReadIndex(to=TO, sender=SENDER, term=Term(1), ticket=Ticket(ticket))


@pytest.fixture
async def outbox() -> Outbox:
    outbox = Outbox(messages_max=4, bytes_max=10_000, message_bytes_max=8_000)
    outbox.open()
    return outbox


async def test_closed_until_opened_and_empty_after_closing(outbox: Outbox) -> None:
    assert outbox.offer(read(1)) is None
    assert outbox.close() == 1
    assert outbox.offer(read(2)) is DropReason.DISCONNECTED
    outbox.open()
    assert outbox.take(1000) == []
    assert outbox.offer(propose(7_000)) is None, "closing gave the bytes back"


async def test_bounded_in_messages(outbox: Outbox) -> None:
    assert [outbox.offer(read(i)) for i in range(5)] == [None] * 4 + [DropReason.QUEUE_FULL]
    assert outbox.take(10_000) == [read(i) for i in range(4)]
    assert outbox.offer(read(5)) is None


async def test_bounded_in_bytes(outbox: Outbox) -> None:
    assert outbox.offer(propose(6_000)) is None
    assert outbox.offer(propose(6_000)) is DropReason.QUEUE_FULL
    assert outbox.offer(read(1)) is None
    assert outbox.take(20_000) == [propose(6_000), read(1)]
    assert outbox.offer(propose(6_000)) is None


async def test_a_message_no_receiver_would_take_is_refused(outbox: Outbox) -> None:
    assert outbox.offer(propose(8_000)) is DropReason.TOO_LARGE
    assert len(outbox) == 0


async def test_takes_up_to_the_limit_but_at_least_one(outbox: Outbox) -> None:
    for ticket in range(4):
        assert outbox.offer(propose(1_000, ticket)) is None
    size = message_bytes(propose(1_000))
    assert outbox.take(2 * size) == [propose(1_000, 0), propose(1_000, 1)]
    assert outbox.take(1) == [propose(1_000, 2)]
    assert outbox.take(2 * size - 1) == [propose(1_000, 3)]
    assert outbox.take(1) == []


async def test_wait_ends_when_something_waits_or_on_wake(outbox: Outbox) -> None:
    async with asyncio.timeout(5):
        waiting = asyncio.create_task(outbox.wait())
        await asyncio.sleep(0)
        assert not waiting.done()
        outbox.offer(read(1))
        await waiting
        await outbox.wait()
        outbox.take(1000)
        waiting = asyncio.create_task(outbox.wait())
        await asyncio.sleep(0)
        assert not waiting.done()
        outbox.wake()
        await waiting


def chunk(size: int, offset: int = 0) -> InstallSnapshot:
    snapshot = Snapshot(EntryId(Term(1), Index(9)), Membership((TO, SENDER)), 1 << 20, 7)
    return InstallSnapshot(
        to=TO, sender=SENDER, term=Term(1), snapshot=snapshot, offset=offset, data=bytes(size)
    )


async def test_bytes_of_a_snapshot_take_turns_with_everything_else(outbox: Outbox) -> None:
    """A heartbeat waits for one frame of them at most, and they wait for one frame of others."""
    assert outbox.offer(chunk(4_000)) is None
    for ticket in range(3):
        assert outbox.offer(read(ticket)) is None
    size = message_bytes(read(0))
    frames = [outbox.take(size) for _ in range(5)]
    assert frames == [[read(0)], [chunk(4_000)], [read(1)], [read(2)], []]


async def test_bytes_of_a_snapshot_leave_at_once_if_nothing_else_waits(outbox: Outbox) -> None:
    assert outbox.offer(chunk(4_000)) is None
    async with asyncio.timeout(5):
        await outbox.wait()
    assert outbox.take(1) == [chunk(4_000)]
    assert outbox.offer(chunk(4_000, 4_000)) is None
    assert outbox.take(1) == [chunk(4_000, 4_000)]


async def test_of_snapshots_only_the_newest_bytes_wait(outbox: Outbox) -> None:
    assert outbox.offer(chunk(4_000)) is None
    assert outbox.offer(chunk(4_000, 4_000)) is DropReason.QUEUE_FULL
    assert len(outbox) == 1
    assert outbox.take(10_000) == [chunk(4_000, 4_000)]
    assert outbox.offer(chunk(8_000)) is DropReason.TOO_LARGE


async def test_bytes_of_a_snapshot_neither_fill_the_queue_nor_survive_it(outbox: Outbox) -> None:
    assert outbox.offer(chunk(7_000)) is None
    assert outbox.offer(propose(7_000)) is None
    assert outbox.close() == 2
    outbox.open()
    assert outbox.take(20_000) == []
