"""A snapshot is written beside the node's work: it may take its time."""

import asyncio
from asyncio import Future
from collections.abc import Iterator
from itertools import pairwise

import pytest

from kvorum.node.snapshotting import IDLE_S, SHARE, write_beside
from kvorum.raft.snapshot import Snapshot
from tests.support.virtual_time import in_virtual_time


class Machine:
    """Its blocks take time, and so do the disk that they are written to and others beside it."""

    def __init__(self, block_s: float, write_s: float, others_s: float) -> None:
        self._block_s = block_s
        self._write_s = write_s
        self._others_s = others_s
        self._worked_s = 0.0
        self.written: list[tuple[bytes, float]] = []

    def monotonic_s(self) -> float:
        return asyncio.get_running_loop().time() + self._worked_s

    def blocks(self) -> Iterator[bytes]:
        for block in (b"1", b"2", b"3"):
            self._worked_s += self._block_s
            yield block

    def write(self, block: bytes) -> "Future[None]":
        loop = asyncio.get_running_loop()
        self.written.append((block, loop.time()))
        done: Future[None] = loop.create_future()
        loop.call_later(self._write_s, self._written, done)
        return done

    def _written(self, done: "Future[None]") -> None:
        done.set_result(None)
        asyncio.get_running_loop().call_soon(self._work_for_others)

    def _work_for_others(self) -> None:
        self._worked_s += self._others_s

    def finish(self) -> "Future[Snapshot]":
        raise NotImplementedError

    def abort(self) -> "Future[None]":
        raise NotImplementedError


@in_virtual_time
async def test_others_have_a_busy_event_loop_most_of_the_time() -> None:
    machine = Machine(block_s=0.001, write_s=0.002, others_s=0.001)
    await write_beside(machine.blocks(), machine, machine)
    blocks, times_s = zip(*machine.written, strict=True)
    assert blocks == (b"1", b"2", b"3")
    between_s = [later - former for former, later in pairwise(times_s)]
    assert between_s == [pytest.approx(0.001 * (SHARE - 1) - 0.001)] * 2


@in_virtual_time
async def test_an_idle_event_loop_goes_on_at_once() -> None:
    machine = Machine(block_s=0.001, write_s=0.002, others_s=IDLE_S / 2)
    await write_beside(machine.blocks(), machine, machine)
    times_s = [at_s for _, at_s in machine.written]
    assert [later - former for former, later in pairwise(times_s)] == [pytest.approx(0.002)] * 2


@in_virtual_time
async def test_a_slow_disk_leaves_them_enough() -> None:
    machine = Machine(block_s=0.001, write_s=0.125, others_s=0.001)
    await write_beside(machine.blocks(), machine, machine)
    (_, first_s), *others = machine.written
    assert [at_s - first_s for _, at_s in others] == [0.125, 0.25]
