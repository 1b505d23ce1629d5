"""The simulated disk: what a crash leaves, and what it does to work that is under way."""

import asyncio
import errno
from pathlib import Path
from random import Random

import pytest

from kvorum.testing.sim_clock import LoopClock
from kvorum.testing.sim_disk import SimulatedDisk
from kvorum.testing.trace import Trace
from kvorum.testing.virtual_time import Gate, VirtualTimeLoop
from tests.support.virtual_time import in_virtual_time

FILE = Path("/file")


def new_disk(seed: int = 1) -> tuple[SimulatedDisk, Gate, Trace]:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    trace = Trace(LoopClock(loop))
    return SimulatedDisk("n1", Random(seed), trace), Gate(loop, "n1"), trace


def write_two(disk: SimulatedDisk) -> None:
    """Two durable writes; a power cut may come between them, or within."""
    file = disk.fs.create(FILE)
    disk.fs.sync_directory(FILE.parent)
    file.write_durably([b"one"], 0)
    file.write_durably([b"two"], 512)


@in_virtual_time
async def test_jobs_are_done_in_order_and_take_time() -> None:
    disk, gate, _ = new_disk()
    worker, done = disk.worker(gate), list[int]()
    begin_s = asyncio.get_running_loop().time()
    futures = [worker.submit(lambda n=n: done.append(n)) for n in range(3)]  # type: ignore[misc]  # mypy cannot infer a default
    assert not done
    await asyncio.gather(*futures)
    assert done == [0, 1, 2]
    assert asyncio.get_running_loop().time() >= begin_s + 3 * disk.sync_s[0]
    await worker.close()


@in_virtual_time
async def test_a_stalled_disk_answers_when_it_is_over() -> None:
    disk, gate, _ = new_disk()
    begin_s = asyncio.get_running_loop().time()
    disk.stalled_until_s = begin_s + 7
    await disk.worker(gate).submit(lambda: None)
    assert asyncio.get_running_loop().time() >= begin_s + 7


@in_virtual_time
async def test_a_crash_stops_work_anywhere() -> None:
    """Over many seeds: nothing done, the first write, both; but never the second alone."""
    found = set()
    for seed in range(100):
        disk, gate, _ = new_disk(seed)
        future = disk.worker(gate).submit(lambda disk=disk: write_two(disk))  # type: ignore[misc]  # mypy cannot infer a default
        gate.destroy()
        disk.crash(power=True)
        assert not future.done()
        content = disk.fs.read(FILE) if disk.fs.exists(FILE) else b""
        found.add((content[:3], content[512:515]))
    assert (b"one", b"two") in found
    assert (b"one", b"") in found
    assert (b"", b"") in found
    assert not [pair for pair in found if pair[1] == b"two" and pair[0] != b"one"]


@in_virtual_time
async def test_work_that_was_reported_survives_every_crash() -> None:
    for seed in range(50):
        disk, gate, _ = new_disk(seed)
        await disk.worker(gate).submit(lambda disk=disk: write_two(disk))  # type: ignore[misc]  # mypy cannot infer a default
        disk.crash(power=True)
        assert disk.fs.read(FILE)[:3] == b"one"
        assert disk.fs.read(FILE)[512:515] == b"two"


@in_virtual_time
async def test_a_full_disk_refuses_to_grow_and_is_counted() -> None:
    disk, gate, trace = new_disk()
    disk.fails_with = errno.ENOSPC
    fs = disk.boot()
    with pytest.raises(OSError, match="No space left"):
        await disk.worker(gate).submit(lambda: fs.create(FILE))
    assert disk.failures == 1
    assert trace.faults == {"ENOSPC": 1}


@in_virtual_time
async def test_a_flipped_bit_is_one_bit() -> None:
    disk, gate, _ = new_disk()
    await disk.worker(gate).submit(lambda: write_two(disk))
    before = disk.fs.read(FILE)
    flipped = disk.flip_bit(FILE.parent, lambda name: name == FILE.name)
    assert flipped == (FILE, before)
    after = disk.fs.read(FILE)
    differing = [a ^ b for a, b in zip(before, after, strict=True) if a != b]
    assert len(differing) == 1
    assert differing[0].bit_count() == 1
    assert disk.flip_bit(Path("/nowhere"), lambda _: True) is None
