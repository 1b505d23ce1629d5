"""Logs to test with: written without a thread, and what they must read as."""

from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct

from kvorum.raft.types import ORIGIN, Entry, EntryId, EntryKind, HardState, Index, NodeId, Term
from kvorum.storage.fs import FileSystem
from kvorum.storage.record import Frame, encode
from kvorum.storage.recovery import Recovered, recover
from kvorum.storage.wal import continue_log, create_log
from kvorum.testing.memory_fs import MemoryFileSystem

WAL = Path("/wal")
SEGMENT_BYTES = 2048
FIRST = WAL / "0000000000000001.wal"


class Batch(Struct, frozen=True):
    hard_state: HardState | None
    entries: tuple[Entry, ...]
    base: EntryId | None = None


class Content(Struct, frozen=True):
    """What a log says."""

    hard_state: HardState
    entries: list[Entry]


def entry(index: int, *, term: int = 1, data: bytes | None = None) -> Entry:
    content = b"entry %d of term %d" % (index, term) if data is None else data
    return Entry(Term(term), Index(index), EntryKind.COMMANDS, content)


def batch(*entries: Entry, state: HardState | None = None) -> Batch:
    return Batch(state, entries)


def state(term: int, vote: str | None = None, commit: int = 0) -> HardState:
    return HardState(Term(term), None if vote is None else NodeId(vote), Index(commit))


def contents(batches: Sequence[Batch]) -> list[Content]:
    """What the log says before the first batch, and after each."""
    found = [Content(HardState(), [])]
    for one in batches:
        entries = found[-1].entries
        if one.entries:
            entries = entries[: one.entries[0].index - 1] + list(one.entries)
        found.append(Content(one.hard_state or found[-1].hard_state, entries))
    return found


def new_log(
    batches: Sequence[Batch] = (), *, segment_bytes: int = SEGMENT_BYTES
) -> MemoryFileSystem:
    fs = MemoryFileSystem()
    fs.make_directory(WAL)
    create_log(fs, WAL, segment_bytes=segment_bytes)
    append(fs, recover(fs, WAL), batches, segment_bytes=segment_bytes)
    return fs


def append(
    fs: FileSystem,
    recovered: Recovered,
    batches: Sequence[Batch],
    *,
    segment_bytes: int = SEGMENT_BYTES,
) -> None:
    writer = continue_log(fs, recovered, segment_bytes=segment_bytes)
    for one in batches:
        writer.write(writer.frame(one.hard_state, one.entries, one.base))
    writer.close()


def release(fs: FileSystem, index: int, *, base: EntryId = ORIGIN) -> None:
    """Of a log that holds entry ``index``."""
    writer = continue_log(fs, recover(fs, WAL, base), segment_bytes=SEGMENT_BYTES)
    writer.release(Index(index))
    writer.close()


def frames(batches: Sequence[Batch], *, sequence: int = 1, checksum: int = 0) -> list[Frame]:
    made: list[Frame] = []
    for number, one in enumerate(batches, sequence):
        made.append(encode(number, checksum, one.hard_state, one.entries, one.base))
        checksum = made[-1].checksum
    return made


def said(recovered: Recovered) -> Content:
    return Content(recovered.hard_state, recovered.entries)


def segments(fs: FileSystem) -> list[Path]:
    return [WAL / name for name in sorted(fs.names(WAL)) if name.endswith(".wal")]


def flipped(data: bytes, offset: int, bit: int = 0) -> bytes:
    changed = bytearray(data)
    changed[offset] ^= 1 << bit
    return bytes(changed)


def overwritten(data: bytes, offset: int, new: bytes) -> bytes:
    return data[:offset] + new + data[offset + len(new) :]


class PowerCut(Exception):
    """The machine is gone."""


def cut_after(operations: int) -> Callable[[str, Path], None]:
    """A fault: the power goes when that many operations are done."""
    left = iter(range(operations))

    def fault(_operation: str, _path: Path) -> None:
        if next(left, None) is None:
            raise PowerCut

    return fault
