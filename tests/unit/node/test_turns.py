"""Turns: at most one is scheduled, none for what has to wait, and none is lost."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar

import pytest

from kvorum.node.turns import Step, Turns
from kvorum.raft.messages import AppendEntries
from tests.unit.node.driver_bench import DriverBench
from tests.unit.node.fakes import OTHER, put_command, settle

WHERE: ContextVar[str] = ContextVar("WHERE", default="outside")
LONG_S = 3600.0


@asynccontextmanager
async def running(turns: Turns, turn: Step, tick_s: float = LONG_S) -> AsyncIterator[None]:
    task = asyncio.create_task(turns.run(turn, tick_s))
    await settle()
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


class Counted:
    """Counts the turns by the context that they run in."""

    def __init__(self) -> None:
        self.turns = Turns()
        self.taken: list[str] = []

    def __call__(self) -> None:
        self.taken.append(WHERE.get())


async def test_however_many_ask_one_turn_is_taken() -> None:
    kit = Counted()
    async with running(kit.turns, kit):
        kit.turns.ask()
        kit.turns.ask()
        assert kit.taken == []
        await settle()
        assert len(kit.taken) == 1
        kit.turns.ask()
        await settle()
        assert len(kit.taken) == 2


async def test_a_turn_that_is_taken_at_once_is_the_one_that_was_asked_for() -> None:
    kit = Counted()
    async with running(kit.turns, kit):
        kit.turns.ask()
        kit.turns.take()
        await settle()
        assert len(kit.taken) == 1


async def test_what_is_asked_for_during_a_turn_is_another_one() -> None:
    turns, taken = Turns(), list[int]()

    def turn() -> None:
        taken.append(len(taken))
        if len(taken) < 3:
            turns.ask()

    async with running(turns, turn):
        turns.take()
        assert taken == [0]
        await settle()
        assert taken == [0, 1, 2]


async def test_time_passes_in_turns_that_nobody_asks_for() -> None:
    turns, third = Turns(), asyncio.Event()
    taken: list[int] = []

    def turn() -> None:
        taken.append(len(taken))
        if len(taken) == 3:
            third.set()

    async with asyncio.timeout(5), running(turns, turn, tick_s=0.001):
        await third.wait()


async def test_whoever_asks_before_the_beginning_is_heard_then() -> None:
    kit = Counted()
    kit.turns.ask()
    async with running(kit.turns, kit):
        assert len(kit.taken) == 1


async def test_after_the_end_there_are_none() -> None:
    kit = Counted()
    async with running(kit.turns, kit, tick_s=0.001):
        before = len(kit.taken)
        kit.turns.ask()
    kit.turns.take()
    kit.turns.ask()
    kit.turns.do_soon(kit)
    await settle()
    assert len(kit.taken) == before


async def test_what_a_turn_or_a_step_raises_is_raised_and_ends_them() -> None:
    for is_step in (False, True):
        turns, taken = Turns(), list[int]()

        def fail(taken: list[int] = taken) -> None:
            taken.append(1)
            raise OSError("no space left on device")

        task = asyncio.create_task(turns.run(fail, LONG_S))
        await settle()
        turns.do_soon(fail) if is_step else turns.ask()
        with pytest.raises(OSError, match="no space left"):
            await task
        turns.take()
        assert taken == [1]


async def test_a_turn_is_the_drivers_whoever_asks_for_it() -> None:
    """Traces and simulated processes are found by context."""
    kit = Counted()
    WHERE.set("driver")
    async with running(kit.turns, kit):
        WHERE.set("request")
        kit.turns.ask()
        kit.turns.do_soon(kit)
        await settle()
    assert kit.taken == ["driver", "driver"]


async def test_writes_gather_without_turns_while_a_batch_is_out() -> None:
    kit = Counted()
    async with running(kit.turns, kit):
        kit.turns.is_batch_out = True
        kit.turns.ask_to_write()
        await settle()
        assert kit.taken == []
        kit.turns.ask()
        await settle()
        assert len(kit.taken) == 1


async def test_a_leaders_writes_wait_for_the_end_of_a_save() -> None:
    async with DriverBench() as bench:
        await bench.lead()
        _ = await bench.put("a")
        assert bench.turns.is_batch_out
        waiting = await bench.put("b", b"2")
        assert len(bench.log.writes) == 1
        await bench.saved()
        assert len(bench.log.writes) == 2
        await bench.saved()
        await bench.acknowledge(OTHER, 3)
        assert waiting.done()


async def test_a_followers_writes_wait_for_the_leaders_receipt() -> None:
    async with DriverBench() as bench:
        await bench.follow()
        _ = await bench.put("a")
        assert bench.turns.is_batch_out


async def test_what_is_sent_has_left_before_the_save_begins_and_that_waits_for_nothing() -> None:
    async with DriverBench() as bench:
        await bench.lead()
        assert not bench.turns.is_batch_out
        waiting = bench.proposals.submit("a", put_command("a"))
        await asyncio.sleep(0)
        assert (len(bench.sent(AppendEntries)), len(bench.log.writes)) == (1, 0)
        await asyncio.sleep(0)
        assert len(bench.log.writes) == 1
        await bench.saved()
        await bench.acknowledge(OTHER, 2)
        assert waiting.done()


async def test_a_save_that_ends_is_told_to_the_core_whatever_comes_first() -> None:
    """A turn between handing over the save and its beginning must not take it for done."""
    async with DriverBench() as bench:
        await bench.lead()
        _ = bench.proposals.submit("a", put_command("a"))
        await asyncio.sleep(0)
        bench.turns.take()
        assert bench.log.writes == []
        await settle()
        await bench.saved()
        assert bench.core.state.log.stable == 2
