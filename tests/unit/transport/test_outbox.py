"""Bounds and order of what waits for one peer."""

import asyncio

import pytest

from kvorum.raft.messages import Propose, ReadIndex
from kvorum.raft.types import NodeId, Term, Ticket
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
