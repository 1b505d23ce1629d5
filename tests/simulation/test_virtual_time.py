"""The clock that jumps, and the gates through which a process is paused and killed."""

import asyncio

import pytest

from kvorum.testing.virtual_time import Gate, VirtualTimeLoop, present_gate
from tests.support.virtual_time import in_virtual_time


def new_gate(name: str = "n1") -> Gate:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    return Gate(loop, name)


def ticking(gate: Gate) -> tuple[list[float], "asyncio.Task[None]"]:
    """A task behind the gate that notes the time every second."""
    times: list[float] = []
    loop = asyncio.get_running_loop()
    begin_s = loop.time()

    async def tick() -> None:
        while True:
            await asyncio.sleep(1)
            times.append(loop.time() - begin_s)

    return times, loop.create_task(tick(), context=gate.context)


@in_virtual_time
async def test_time_jumps_to_the_next_timer() -> None:
    loop = asyncio.get_running_loop()
    begin_s = loop.time()
    await asyncio.sleep(3600)
    assert loop.time() == begin_s + 3600


@in_virtual_time
async def test_timers_of_one_moment_run_in_the_order_in_which_they_were_set() -> None:
    loop, order = asyncio.get_running_loop(), list[int]()
    at_s = loop.time() + 1
    for number in range(5):
        loop.call_at(at_s, order.append, number)
    loop.call_at(at_s, order.append, -1).cancel()
    await asyncio.sleep(2)
    assert order == [0, 1, 2, 3, 4]


def test_waiting_for_nothing_is_an_error() -> None:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        waiting: asyncio.Future[None] = runner.get_loop().create_future()
        with pytest.raises(RuntimeError, match="everyone waits"):
            runner.get_loop().run_until_complete(waiting)
        waiting.cancel()


@in_virtual_time
async def test_what_a_process_does_while_it_is_paused_happens_afterwards_in_order() -> None:
    gate = new_gate()
    times, task = ticking(gate)
    heard: list[str] = []
    await asyncio.sleep(1.5)
    gate.shut()
    gate.call_soon(heard.append, "first")
    await asyncio.sleep(3)
    gate.call_soon(heard.append, "second")
    await asyncio.sleep(0.125)
    assert (times, heard) == ([1.0], [])
    gate.open()
    gate.call_soon(heard.append, "third")
    await asyncio.sleep(1.5)
    assert heard == ["first", "second", "third"]
    assert times == [1.0, 4.625, 5.625]
    gate.bury()
    task.cancel()


@in_virtual_time
async def test_nothing_of_a_killed_process_runs_not_even_what_cleans_up() -> None:
    gate, cleaned = new_gate(), list[str]()

    async def work() -> None:
        try:
            await asyncio.sleep(10)
        finally:
            cleaned.append("cleaned")

    task = asyncio.get_running_loop().create_task(work(), context=gate.context)
    await asyncio.sleep(1)
    gate.destroy()
    task.cancel()
    gate.open()
    await asyncio.sleep(100)
    assert not cleaned
    gate.bury()
    await asyncio.wait([task])
    assert cleaned


@in_virtual_time
async def test_what_a_process_starts_belongs_to_it() -> None:
    gate, seen = new_gate("n7"), list[str | None]()

    def look() -> None:
        here = present_gate()
        seen.append(here.name if here else None)

    async def child() -> None:
        await asyncio.sleep(1)
        look()

    async def parent() -> None:
        asyncio.get_running_loop().call_later(1, look)
        await asyncio.gather(child())

    await asyncio.get_running_loop().create_task(parent(), context=gate.context)
    look()
    assert seen == ["n7", "n7", None]


@in_virtual_time
async def test_a_gate_tells_after_every_callback() -> None:
    gate, count = new_gate(), list[int]()
    gate.after = lambda: count.append(1)
    gate.call_soon(lambda: None)
    gate.call_later(1, lambda: None)
    asyncio.get_running_loop().call_soon(lambda: None)
    await asyncio.sleep(2)
    assert len(count) == 2
