"""Turns: at most one is scheduled, none for what has to wait, and none is lost."""

import asyncio
from contextvars import ContextVar

from kvorum.node.turns import Turns
from tests.unit.node.driver_bench import DriverBench
from tests.unit.node.fakes import OTHER, put_command, settle

WHERE: ContextVar[str] = ContextVar("WHERE", default="outside")


class Counted:
    def __init__(self) -> None:
        self.turns = Turns()
        self.taken: list[str] = []

    def begin(self) -> None:
        self.turns.begin(lambda: self.taken.append(WHERE.get()))


async def test_however_many_ask_one_turn_is_taken() -> None:
    kit = Counted()
    kit.begin()
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
    kit.begin()
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

    turns.begin(turn)
    turns.take()
    assert taken == [0]
    await settle()
    assert taken == [0, 1, 2]


async def test_whoever_asks_before_the_beginning_is_heard_then() -> None:
    kit = Counted()
    kit.turns.ask()
    await settle()
    kit.begin()
    await settle()
    assert len(kit.taken) == 1


async def test_after_the_end_there_are_none() -> None:
    kit = Counted()
    kit.begin()
    kit.turns.ask()
    kit.turns.end()
    kit.turns.take()
    kit.turns.ask()
    await settle()
    assert kit.taken == []


async def test_a_turn_is_the_drivers_whoever_asks_for_it() -> None:
    """Traces and simulated processes are found by context."""
    kit = Counted()
    WHERE.set("driver")
    kit.begin()
    WHERE.set("request")
    kit.turns.ask()
    await settle()
    assert kit.taken == ["driver"]


async def test_writes_gather_without_turns_while_a_batch_is_out() -> None:
    kit = Counted()
    kit.begin()
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
        _ = bench.service.put("a", b"k", b"1")
        await settle()
        assert bench.turns.is_batch_out
        waiting = bench.service.put("b", b"k", b"2")
        await settle()
        assert len(bench.log.writes) == 1
        await bench.saved()
        assert len(bench.log.writes) == 2
        await bench.saved()
        await bench.acknowledge(OTHER, 3)
        assert waiting.done()


async def test_a_followers_writes_wait_for_the_leaders_receipt() -> None:
    async with DriverBench() as bench:
        await bench.follow()
        _ = bench.service.put("a", b"k", b"1")
        await settle()
        assert bench.turns.is_batch_out


async def test_a_lone_write_to_an_idle_leader_waits_for_nothing() -> None:
    async with DriverBench() as bench:
        await bench.lead()
        assert not bench.turns.is_batch_out
        _ = bench.proposals.submit("a", put_command("a"))
        await asyncio.sleep(0)
        assert len(bench.log.writes) == 1
