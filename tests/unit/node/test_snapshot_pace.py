"""A snapshot is written beside the node's work: it may take its time."""

import asyncio
from asyncio import Future
from collections.abc import Iterator
from itertools import pairwise

import pytest

from kvorum.node.snapshotting import SHARE, write_beside
from kvorum.raft.snapshot import Snapshot
from tests.support.virtual_time import in_virtual_time


class Machine:
    """Its blocks take time, and so does the disk that they are written to."""

    def __init__(self, block_s: float, write_s: float) -> None:
        self._block_s = block_s
        self._write_s = write_s
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
        loop.call_later(self._write_s, done.set_result, None)
        return done

    def finish(self) -> "Future[Snapshot]":
        raise NotImplementedError

    def abort(self) -> "Future[None]":
        raise NotImplementedError


@in_virtual_time
async def test_others_have_the_event_loop_most_of_the_time() -> None:
    machine = Machine(block_s=0.001, write_s=0.002)
    await write_beside(machine.blocks(), machine, machine)
    blocks, times_s = zip(*machine.written, strict=True)
    assert blocks == (b"1", b"2", b"3")
    between_s = [later - former for former, later in pairwise(times_s)]
    assert between_s == [pytest.approx(0.001 * (SHARE - 1))] * 2


@in_virtual_time
async def test_a_slow_disk_leaves_them_enough() -> None:
    machine = Machine(block_s=0.001, write_s=0.125)
    await write_beside(machine.blocks(), machine, machine)
    (_, first_s), *others = machine.written
    assert [at_s - first_s for _, at_s in others] == [0.125, 0.25]
