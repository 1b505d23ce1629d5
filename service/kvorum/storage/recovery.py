"""What the log says after a restart: read, judge, mend the tail, nothing else.

The decisions are those of the table in the package's docstring. Segments are read one
at a time. Nothing is written before everything has been judged.
"""

from itertools import pairwise
from pathlib import Path

from msgspec import Struct

from kvorum.errors import CorruptLog
from kvorum.raft.types import ORIGIN, Entry, EntryId, HardState
from kvorum.storage.fs import TEMPORARY_SUFFIX, FileSystem
from kvorum.storage.replay import Replay
from kvorum.storage.scan import SegmentScan
from kvorum.storage.segment import (
    CHAIN_START,
    FIRST_SEQUENCE,
    first_sequence,
    seal_segment,
    segment_path,
)
from kvorum.storage.usage import Usage

_ZEROS = bytes(1 << 16)


class Tail(Struct, frozen=True, gc=False):
    """Where the log continues."""

    path: Path
    offset: int  # of the next record, bytes
    size_bytes: int  # of the segment
    sequence: int  # of the next record
    checksum: int  # of the last record


class Recovered(Struct, frozen=True):
    """What the log says behind a snapshot. ``warnings`` are for people, one sentence each.

    ``hard_state`` is never older than the snapshot. ``void``: the log on disk does not
    continue the snapshot, so there are no ``entries``, and whoever goes on with the log must
    first write down the base.
    """

    base: EntryId  # the last entry that the snapshot covers
    hard_state: HardState
    entries: list[Entry]
    warnings: list[str]
    tail: Tail
    void: bool
    usage: Usage


def recover(fs: FileSystem, directory: Path, base: EntryId = ORIGIN) -> Recovered:
    """Read the log behind ``base``, cut a torn tail, and make durable what is returned.

    Raises CorruptLog, having changed nothing, if acknowledged batches are damaged or
    missing; OSError if the disk fails.
    """
    names = fs.names(directory)
    firsts = sorted(first for name in names if (first := first_sequence(name)) is not None)
    whole = _is_whole(directory, firsts, base)
    replay = Replay(base, whole=whole)
    checksum, sealed = (CHAIN_START if whole else None), True
    for first, following in pairwise(firsts):
        checksum, sealed = _replay_full(
            fs, segment_path(directory, first), checksum, following, replay
        )
    path = segment_path(directory, firsts[-1])
    scan = SegmentScan(path, fs.read(path), checksum)
    scan.refuse_seal()
    replay.apply(path, scan.header.size_bytes, scan.batches(None))
    scan.judge_end()
    void = replay.settle(path, scan.offset)
    _repair(fs, directory, scan, [name for name in names if name.endswith(TEMPORARY_SUFFIX)])
    if not sealed:
        _seal(fs, segment_path(directory, firsts[-2]), firsts[-1])
    tail = Tail(path, scan.offset, scan.header.size_bytes, scan.sequence, scan.checksum)
    return Recovered(
        base, replay.hard_state, replay.entries, scan.warnings, tail, void, replay.usage
    )


def _replay_full(
    fs: FileSystem, path: Path, checksum: int | None, following: int, replay: Replay
) -> tuple[int, bool]:
    """One segment that is not the newest; its last checksum, and whether it is sealed."""
    scan = SegmentScan(path, fs.read(path), checksum)
    replay.apply(path, scan.header.size_bytes, scan.batches(following))
    scan.require(following)
    return scan.checksum, scan.sealed


def _is_whole(directory: Path, firsts: list[int], base: EntryId) -> bool:
    """Whether the log begins with its first record; only a snapshot lets go of that."""
    whole = bool(firsts) and firsts[0] == FIRST_SEQUENCE
    if not firsts or not (whole or base.index):
        missing = segment_path(directory, FIRST_SEQUENCE)
        raise CorruptLog(
            str(missing),
            0,
            "the first segment of the log is missing, and there is no snapshot in its place",
        )
    return whole


def _repair(fs: FileSystem, directory: Path, scan: SegmentScan, leftovers: list[str]) -> None:
    """Bring the disk to what was decided, and make durable what was only read.

    The process may have died between a write and its sync, or between a rename and the
    sync of the directory: what was read may so far exist in memory only.
    """
    for name in leftovers:
        fs.remove(directory / name)
    file = fs.open(scan.path)
    try:
        if len(scan.data) < scan.header.size_bytes:
            file.allocate(scan.header.size_bytes)
        for offset in range(scan.offset, scan.used, len(_ZEROS)):
            file.write_durably([_ZEROS[: scan.used - offset]], offset)
        file.sync()
    finally:
        file.close()
    fs.sync_directory(directory)


def _seal(fs: FileSystem, path: Path, following: int) -> None:
    file = fs.open(path)
    try:
        seal_segment(file, following)
    finally:
        file.close()


def is_empty(fs: FileSystem, directory: Path) -> bool:
    """Whether no record was ever written. Raises CorruptLog if the only segment is bad."""
    firsts = [first for name in fs.names(directory) if (first := first_sequence(name)) is not None]
    return firsts == [FIRST_SEQUENCE] and recover(fs, directory).tail.sequence == FIRST_SEQUENCE
