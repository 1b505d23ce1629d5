"""The write-ahead log: one write and one sync per batch, off the event loop.

The event loop encodes a batch and hands the bytes to one thread; the thread writes,
waits for the disk and reports back. The first failure is final because the
page cache may have dropped what could not be written: nothing is retried, every later
append fails the same way.
"""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from time import perf_counter

from kvorum.errors import KvorumError
from kvorum.raft.types import Entry, HardState
from kvorum.storage.fs import File, FileSystem
from kvorum.storage.record import ALIGNMENT, Frame, encode
from kvorum.storage.recovery import Recovered, Tail, recover
from kvorum.storage.segment import (
    CHAIN_START,
    FIRST_SEQUENCE,
    RECORDS_OFFSET,
    SEGMENT_BYTES,
    create_segment,
    seal_segment,
    segment_path,
)

Observe = Callable[[float, int, int], None]
"""``f(seconds, bytes, entries)``: one batch became durable."""


class LogWriteError(KvorumError):
    """The log cannot be written any more: the process must end."""


def ignore(_seconds: float, _size_bytes: int, _entries: int) -> None:
    """An observer that does not observe."""


def create_log(fs: FileSystem, directory: Path, *, segment_bytes: int = SEGMENT_BYTES) -> None:
    """Create the first, empty segment in an existing, empty directory."""
    file = create_segment(
        fs, directory, first=FIRST_SEQUENCE, previous=CHAIN_START, size_bytes=segment_bytes
    )
    file.close()


def open_log(
    fs: FileSystem,
    directory: Path,
    *,
    segment_bytes: int = SEGMENT_BYTES,
    observe: Observe = ignore,
) -> tuple["Wal", Recovered]:
    """Recover a log and continue it; call it inside the event loop.

    ``segment_bytes`` holds for new segments. Raises CorruptLog, and OSError.
    """
    recovered = recover(fs, directory)
    writer = SegmentWriter(fs, recovered.tail, segment_bytes=segment_bytes)
    return Wal(writer, recovered.tail, observe=observe), recovered


class SegmentWriter:
    """Puts frames where they belong. Blocks; used by one thread at a time."""

    def __init__(self, fs: FileSystem, tail: Tail, *, segment_bytes: int) -> None:
        assert segment_bytes >= RECORDS_OFFSET + 2 * ALIGNMENT, "room for a record"
        self._fs = fs
        self._directory = tail.path.parent
        self._segment_bytes = segment_bytes
        self._file: File = fs.open(tail.path)
        self._offset = tail.offset
        self._size_bytes = tail.size_bytes
        self.path = tail.path

    def write(self, frame: Frame) -> None:
        """Write one frame durably; raises OSError."""
        if self._offset + frame.size_bytes > self._size_bytes:
            self._roll(frame)
        self._file.write_durably((frame.header, frame.payload), self._offset)
        self._offset += frame.size_bytes

    def close(self) -> None:
        self._file.close()

    def _roll(self, frame: Frame) -> None:
        """Continue in a new segment; the old one learns of it only once it is durable.

        An empty segment that is too small has the same name: it is replaced.
        """
        size_bytes = max(self._segment_bytes, RECORDS_OFFSET + frame.size_bytes)
        self.path = segment_path(self._directory, frame.sequence)
        file = create_segment(
            self._fs,
            self._directory,
            first=frame.sequence,
            previous=frame.previous,
            size_bytes=size_bytes,
        )
        full, self._file = self._file, file
        try:
            seal_segment(full, frame.sequence)
        finally:
            full.close()
        self._offset = RECORDS_OFFSET
        self._size_bytes = size_bytes


_Job = tuple[Frame, int, "asyncio.Future[None]"]


class Wal:
    """The port ``LogStore`` on disk; one thread, started at once. Not thread-safe itself."""

    def __init__(self, writer: SegmentWriter, tail: Tail, *, observe: Observe = ignore) -> None:
        self._loop = asyncio.get_running_loop()
        self._writer = writer
        self._observe = observe
        self._sequence = tail.sequence
        self._checksum = tail.checksum
        self._failure: LogWriteError | None = None
        self._closed = False
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name="kvorum-wal", daemon=True)
        self._stopped: asyncio.Future[None] = self._loop.create_future()
        self._thread.start()

    def append(
        self, hard_state: HardState | None, entries: Sequence[Entry]
    ) -> "asyncio.Future[None]":
        """Write one batch; the future is done when it is durable.

        Raises ValueError for a batch that cannot be encoded; the future fails with
        LogWriteError.
        """
        future = self._loop.create_future()
        if self._failure is not None or self._closed:
            future.set_exception(self._failure or LogWriteError("the log is closed"))
        elif not entries and hard_state is None:
            future.set_result(None)
        else:
            self._submit(hard_state, entries, future)
        return future

    async def close(self) -> None:
        """Finish what is queued, end the thread."""
        if self._closed:
            await asyncio.shield(self._stopped)
            return
        self._closed = True
        self._jobs.put(None)
        await asyncio.shield(self._stopped)
        self._thread.join()
        self._writer.close()

    def _submit(
        self, hard_state: HardState | None, entries: Sequence[Entry], future: "asyncio.Future[None]"
    ) -> None:
        frame = encode(self._sequence, self._checksum, hard_state, entries)
        self._sequence += 1
        self._checksum = frame.checksum
        self._jobs.put((frame, len(entries), future))

    def _run(self) -> None:
        """The thread. Every exit is reported to the loop."""
        writer, jobs, report = self._writer, self._jobs, self._loop.call_soon_threadsafe
        failure: LogWriteError | None = None
        while (job := jobs.get()) is not None:
            frame, entries, future = job
            started = perf_counter()
            if failure is None:
                try:
                    writer.write(frame)
                except Exception as cause:  # noqa: BLE001 - the loop must learn of any
                    failure = _failure(writer.path, cause)
            measured = (perf_counter() - started, frame.size_bytes, entries)
            report(self._finish, future, measured, failure)
        report(self._stopped.set_result, None)

    def _finish(
        self,
        future: "asyncio.Future[None]",
        measured: tuple[float, int, int],
        failure: LogWriteError | None,
    ) -> None:
        if failure is not None:
            self._failure = failure
        else:
            self._observe(*measured)
        if future.cancelled():
            return
        if failure is not None:
            future.set_exception(failure)
        else:
            future.set_result(None)


def _failure(path: Path, cause: Exception) -> LogWriteError:
    failure = LogWriteError(
        f"{path}: cannot write the log: {cause}. Nothing more is written to it. "
        "Free space on the disk or replace it, then start the node again."
    )
    failure.__cause__ = cause
    return failure
