"""Links that come and go, without a network."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import cast

import pytest

from kvorum.raft.types import NodeId
from kvorum.transport.link import Link
from kvorum.transport.links import Links
from tests.unit.transport.parties import ONE, THREE, TWO

FAREWELL_S = 0.05


class FakeLink:
    """Runs until it is retired and has nothing left to say, or is cancelled."""

    def __init__(self, member: NodeId, log: list[str]) -> None:
        self._member = member
        self._log = log
        self.is_up = False
        self.done_talking = asyncio.Event()

    def retire(self) -> bool:
        self._log.append(f"retire {self._member}")
        return self.is_up

    async def run(self) -> None:
        self._log.append(f"run {self._member}")
        try:
            await self.done_talking.wait()
        finally:
            self._log.append(f"end {self._member}")


class Bench:
    """Links that run, with all they did."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.made: list[FakeLink] = []
        self.links = Links(self._dial, farewell_s=FAREWELL_S)

    def _dial(self, member: NodeId) -> Link:
        self.made.append(FakeLink(member, self.log))
        return cast(Link, self.made[-1])  # it has all that Links needs

    async def until(self, *log: str) -> None:
        end_s = time.monotonic() + 5
        while self.log != list(log):
            assert time.monotonic() < end_s, self.log
            await asyncio.sleep(0)
        self.log.clear()


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    bench.links.keep([TWO])
    running = asyncio.create_task(bench.links.run())
    await bench.until(f"run {TWO}")
    yield bench
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_only_what_changed_is_touched(bench: Bench) -> None:
    bench.links.keep([TWO, THREE])
    await bench.until(f"run {THREE}")
    bench.links.keep([THREE])
    await bench.until(f"retire {TWO}", f"end {TWO}")
    assert list(bench.links.by_member) == [THREE]


async def test_a_link_that_is_up_may_finish_in_peace_but_not_for_ever(bench: Bench) -> None:
    bench.links.keep([TWO, THREE])
    await bench.until(f"run {THREE}")
    two, three = bench.made
    two.is_up = three.is_up = True
    began_s = asyncio.get_running_loop().time()
    bench.links.keep([])
    await asyncio.sleep(0)
    assert bench.log == [f"retire {TWO}", f"retire {THREE}"]
    bench.log.clear()
    three.done_talking.set()
    await bench.until(f"end {THREE}")
    await bench.until(f"end {TWO}")
    assert asyncio.get_running_loop().time() - began_s >= FAREWELL_S


async def test_a_second_link_to_a_member_waits_for_the_end_of_the_first(bench: Bench) -> None:
    """Otherwise two streams, and two ends to be counted, of one and the same."""
    bench.made[0].is_up = True
    bench.links.keep([])
    bench.links.keep([TWO])
    await bench.until(f"retire {TWO}")
    bench.made[0].done_talking.set()
    await bench.until(f"end {TWO}", f"run {TWO}")
    assert len(bench.made) == 2


async def test_links_made_before_running_and_after_the_end_do_not_run() -> None:
    bench = Bench()
    bench.links.keep([ONE, TWO])
    bench.links.keep([TWO])
    running = asyncio.create_task(bench.links.run())
    await bench.until(f"run {TWO}")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    bench.links.keep([TWO, THREE])
    await asyncio.sleep(0)
    assert bench.log == [f"end {TWO}"]
