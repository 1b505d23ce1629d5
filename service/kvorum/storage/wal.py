"""The write-ahead log: one write and one sync per batch, off the event loop.

The event loop encodes a batch and hands the bytes to a worker, which writes and waits for
the disk. The first failure is final because the page cache may have dropped what could not
be written: nothing is retried, every later append fails the same way.
"""

import asyncio
from asyncio import Future
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter

from kvorum.errors import KvorumError
from kvorum.raft.types import ORIGIN, Entry, EntryId, HardState, Index
from kvorum.storage.fs import File, FileSystem
from kvorum.storage.record import ALIGNMENT, Frame, encode
from kvorum.storage.recovery import Recovered, recover
from kvorum.storage.segment import (
    CHAIN_START,
    FIRST_SEQUENCE,
    RECORDS_OFFSET,
    SEGMENT_BYTES,
    create_segment,
    seal_segment,
    segment_path,
)
from kvorum.storage.worker import Worker

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
    worker: Worker,
    *,
    base: EntryId = ORIGIN,
    segment_bytes: int = SEGMENT_BYTES,
    observe: Observe = ignore,
) -> tuple["Wal", Recovered]:
    """Recover a log behind the snapshot that ends with ``base``, and continue it.

    Blocks. ``segment_bytes`` holds for new segments. Raises CorruptLog, and OSError.
    """
    recovered = recover(fs, directory, base)
    return Wal(continue_log(fs, recovered, segment_bytes=segment_bytes), worker, observe), recovered


def continue_log(
    fs: FileSystem, recovered: Recovered, *, segment_bytes: int = SEGMENT_BYTES
) -> "LogWriter":
    """Ready to append; if the log on disk is void, it says so from here on. Blocks."""
    writer = LogWriter(fs, recovered, segment_bytes=segment_bytes)
    if recovered.void:
        try:
            writer.write(writer.frame(recovered.hard_state, (), recovered.base))
        except BaseException:
            writer.close()
            raise
    return writer


class LogWriter:
    """Makes frames of batches and puts them where they belong.

    ``frame`` is for the event loop; the rest blocks, and is used by one thread at a time.
    """

    def __init__(self, fs: FileSystem, recovered: Recovered, *, segment_bytes: int) -> None:
        assert segment_bytes >= RECORDS_OFFSET + 2 * ALIGNMENT, "room for a record"
        tail = recovered.tail
        self._fs = fs
        self._directory = tail.path.parent
        self._segment_bytes = segment_bytes
        self._file: File = fs.open(tail.path)
        self._offset = tail.offset
        self._size_bytes = tail.size_bytes
        self._usage = recovered.usage
        self._sequence = tail.sequence
        self._checksum = tail.checksum
        self.path = tail.path

    @property
    def log_size_bytes(self) -> int:
        """What the segments take on the disk; may be asked from any thread."""
        return self._usage.size_bytes

    def frame(
        self, hard_state: HardState | None, entries: Sequence[Entry], base: EntryId | None = None
    ) -> Frame:
        """The next record; write it before anything else. Raises ValueError, changing nothing."""
        frame = encode(self._sequence, self._checksum, hard_state, entries, base)
        self._sequence += 1
        self._checksum = frame.checksum
        return frame

    def write(self, frame: Frame) -> None:
        """Write one frame durably; raises OSError."""
        size_bytes = frame.size_bytes
        if self._offset + size_bytes > self._size_bytes:
            self._roll(frame)
        self._file.write_durably((frame.header, frame.payload), self._offset)
        self._offset += size_bytes
        self._usage.note(highest=frame.highest, has_state=frame.has_state, has_base=frame.has_base)

    def release(self, index: Index) -> None:
        """Remove the segments that hold nothing but entries up to ``index``; raises OSError.

        One at a time, the oldest first, each durably: so no crash leaves a gap.
        """
        while (path := self._usage.releasable(index)) is not None:
            self._fs.remove(path)
            self._fs.sync_directory(self._directory)
            self._usage.released()

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
        self._usage.begin(self.path, size_bytes)


class _Guard:
    """Belongs to the worker: after the first failure, nothing is tried any more."""

    def __init__(self, writer: LogWriter) -> None:
        self.writer = writer
        self.failure: LogWriteError | None = None

    def fail(self, cause: Exception) -> LogWriteError:
        self.failure = _failure(self.writer.path, cause)
        return self.failure

    def release(self, index: Index) -> None:
        if self.failure is not None:
            raise self.failure
        try:
            self.writer.release(index)
        except Exception as cause:
            raise self.fail(cause) from cause


class _Append:
    """One batch on its way to the disk: a job of the worker, and its report to the loop."""

    __slots__ = ("_entries", "_frame", "_guard", "_observe", "_seconds")

    def __init__(self, guard: _Guard, frame: Frame, entries: int, observe: Observe) -> None:
        self._guard = guard
        self._frame = frame
        self._entries = entries
        self._observe = observe
        self._seconds = 0.0

    def __call__(self) -> None:
        guard = self._guard
        if guard.failure is not None:
            raise guard.failure
        started = perf_counter()
        try:
            guard.writer.write(self._frame)
        except Exception as cause:
            raise guard.fail(cause) from cause
        self._seconds = perf_counter() - started

    def report(self, future: "Future[None]") -> None:
        if not future.cancelled() and future.exception() is None:
            self._observe(self._seconds, self._frame.size_bytes, self._entries)


class Wal:
    """The port ``LogStore`` on disk. Whoever made the worker closes it, after the log."""

    def __init__(self, writer: LogWriter, worker: Worker, observe: Observe = ignore) -> None:
        self._writer = writer
        self._guard = _Guard(writer)
        self._worker = worker
        self._observe = observe
        self._closing: Future[None] | None = None

    @property
    def size_bytes(self) -> int:
        """What the segments take on the disk, space reserved included."""
        return self._writer.log_size_bytes

    def append(
        self, hard_state: HardState | None, entries: Sequence[Entry], base: EntryId | None = None
    ) -> "Future[None]":
        """Write one batch; the future is done when it is durable.

        Raises ValueError for a batch that cannot be encoded; the future fails with
        LogWriteError.
        """
        if self._closing is not None:
            return _failed(LogWriteError("the log is closed"))
        if not entries and hard_state is None and base is None:
            return _done()
        frame = self._writer.frame(hard_state, entries, base)
        append = _Append(self._guard, frame, len(entries), self._observe)
        future = self._worker.submit(append)
        future.add_done_callback(append.report)
        return future

    def release(self, index: Index) -> "Future[None]":
        """Entries up to ``index`` are not needed any more: free what holds nothing else.

        Fails like an append.
        """
        if self._closing is not None:
            return _failed(LogWriteError("the log is closed"))
        return self._worker.submit(partial(self._guard.release, index))

    async def close(self) -> None:
        """Finish what is queued, close the file."""
        if self._closing is None:
            self._closing = self._worker.submit(self._writer.close)
        await asyncio.shield(self._closing)


def _done() -> "Future[None]":
    future: Future[None] = asyncio.get_running_loop().create_future()
    future.set_result(None)
    return future


def _failed(failure: LogWriteError) -> "Future[None]":
    future: Future[None] = asyncio.get_running_loop().create_future()
    future.set_exception(failure)
    return future


def _failure(path: Path, cause: Exception) -> LogWriteError:
    return LogWriteError(
        f"{path}: cannot write the log: {cause}. Nothing more is written to it. "
        "Free space on the disk or replace it, then start the node again."
    )
