"""A disk in virtual time: slow, full, broken, and cut off in the middle of its work.

The file system is :class:`~kvorum.testing.memory_fs.MemoryFileSystem`: it knows which bytes a
sync has made durable. A job of the storage is done all at once when its time is over; a crash
before that does a random part of it, and then loses what was not synced.
"""

import asyncio
import errno
import os
from asyncio import Future
from collections import deque
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from kvorum.errors import KvorumError
from kvorum.testing.memory_fs import MemoryFileSystem, no_fault
from kvorum.testing.trace import Trace
from kvorum.testing.virtual_time import Gate

T = TypeVar("T")

USUAL_SYNC_S = (0.0002, 0.004)

_OPERATIONS_MAX = 24
"""Most jobs need fewer operations; a crash cuts them off before one of these."""
_REFUSABLE = ("allocate", "write", "sync", "create", "rename", "mkdir", "sync_directory")
_NEEDS_SPACE = ("allocate", "write", "create", "mkdir")


class PowerCut(BaseException):
    """Nothing further is done; no handler of errors may see this."""


class SimulatedDisk:
    """One machine's disk, which outlives every process on it.

    ``sync_s``: how long a job takes. ``fails_with``: an errno, what operations fail with from
    now on, each with ``failure_chance``. ``power_lasts``: for so many operations.
    """

    def __init__(self, name: str, random: Random, trace: Trace) -> None:
        self.name = name
        self.fs = MemoryFileSystem()
        self.sync_s = USUAL_SYNC_S
        self.stalled_until_s = 0.0
        self.fails_with: int | None = None
        self.failure_chance = 1.0
        self.failures = 0
        self.power_lasts: int | None = None
        self._random = random
        self._trace = trace
        self._workers: list[VirtualWorker] = []
        self._dead_workers: list[VirtualWorker] = []

    def worker(self, gate: Gate) -> "VirtualWorker":
        """For one process on this machine."""
        worker = VirtualWorker(self, gate)
        self._workers.append(worker)
        return worker

    def delay_s(self, now_s: float) -> float:
        return max(0.0, self.stalled_until_s - now_s) + self._random.uniform(*self.sync_s)

    def boot(self) -> MemoryFileSystem:
        """The file system as a starting process finds it."""
        self.fs.fault = self._fault
        return self.fs

    def _fault(self, operation: str, path: Path) -> None:
        if self.power_lasts is not None:
            self.power_lasts -= 1
            if self.power_lasts < 0:
                raise PowerCut
        number = self.fails_with
        if number is None or operation not in _REFUSABLE:
            return
        if number == errno.ENOSPC and operation not in _NEEDS_SPACE:
            return
        if self._random.random() < self.failure_chance:
            self.failures += 1
            self._trace.fault(errno.errorcode[number], self.name, operation, path.name)
            raise OSError(number, os.strerror(number), str(path))

    # --- crashes -----------------------------------------------------------------------

    def crash(self, *, power: bool) -> None:
        """Whatever is under way stops somewhere; with ``power`` lost, caches are lost too."""
        self.power_lasts = None
        for worker in self._workers:
            job = worker.interrupt()
            if job is not None:
                self._cut_off(job)
        self._dead_workers += self._workers
        self._workers.clear()
        likely = self._random.choice((0.0, 0.3, 0.7, 1.0)) if power else 1.0
        self.fs = self.fs.after_crash(lambda: self._random.random() < likely)

    def _cut_off(self, job: Callable[[], object]) -> None:
        left = self._random.randrange(_OPERATIONS_MAX)

        def fault(_operation: str, _path: Path) -> None:
            nonlocal left
            if left == 0:
                raise PowerCut
            left -= 1

        self.fs.fault = fault
        try:
            job()
        except (PowerCut, OSError, KvorumError) as end:
            self._trace.tell(self.name, "cut off a job of the disk", type(end).__name__)
        finally:
            self.fs.fault = no_fault

    def wipe(self) -> None:
        """An empty one takes its place."""
        self.fs = MemoryFileSystem()

    def durable(self) -> MemoryFileSystem:
        """What would be left if the power went now and nothing unsynced were kept."""
        return self.fs.after_crash(lambda: False)

    def bury(self) -> None:
        """The simulation is over: nobody is left waiting."""
        for worker in (*self._dead_workers, *self._workers):
            worker.bury()

    # --- damage ------------------------------------------------------------------------

    def flip_bit(self, directory: Path, wanted: Callable[[str], bool]) -> tuple[Path, bytes] | None:
        """Change one bit in one of the files; which one, and its former contents."""
        if not self.fs.exists(directory):
            return None
        names = [name for name in sorted(self.fs.names(directory)) if wanted(name)]
        contents = [(directory / name, self.fs.read(directory / name)) for name in names]
        candidates = [(path, content) for path, content in contents if content]
        if not candidates:
            return None
        path, content = self._random.choice(candidates)
        damaged = bytearray(content)
        at = self._random.randrange(_used(content))
        damaged[at] ^= 1 << self._random.randrange(8)
        self.fs.replace(path, bytes(damaged))
        self._trace.fault("bit flip", self.name, path.name, at)
        return path, content


def _used(content: bytes) -> int:
    """Bytes up to the last that is not zero, and a little more."""
    return min(len(content), len(content.rstrip(b"\0")) + 64)


class VirtualWorker:
    """``storage.worker.Worker`` in virtual time: one job after the other."""

    def __init__(self, disk: SimulatedDisk, gate: Gate) -> None:
        self._disk = disk
        self._gate = gate
        self._loop = asyncio.get_running_loop()
        self._jobs: deque[tuple[Callable[[], Any], Future[Any]]] = deque()
        self._idle: Future[None] | None = None
        self._is_dead = False

    def submit(self, job: Callable[[], T]) -> "Future[T]":
        future: Future[T] = self._loop.create_future()
        self._jobs.append((job, future))
        if self._is_dead:
            future.cancel()
        elif len(self._jobs) == 1:
            self._begin()
        return future

    async def close(self) -> None:
        if self._jobs:
            self._idle = self._idle or self._loop.create_future()
            await asyncio.shield(self._idle)

    def interrupt(self) -> Callable[[], object] | None:
        """The process is gone; the job that was under way, if any."""
        self._is_dead = True
        return self._jobs[0][0] if self._jobs else None

    def bury(self) -> None:
        self._is_dead = True
        for _, future in self._jobs:
            future.cancel()

    def _begin(self) -> None:
        self._gate.call_later(self._disk.delay_s(self._loop.time()), self._finish)

    def _finish(self) -> None:
        if self._is_dead:
            return
        job, future = self._jobs[0]
        try:
            result = job()
        except (Exception, PowerCut) as error:  # noqa: BLE001 - for whoever submitted it
            if not future.cancelled():
                future.set_exception(error)
        else:
            if not future.cancelled():
                future.set_result(result)
        self._jobs.popleft()
        if self._jobs:
            self._begin()
        elif self._idle is not None and not self._idle.done():
            self._idle.set_result(None)
