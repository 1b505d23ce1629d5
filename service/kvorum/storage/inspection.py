"""What is in a data directory, sound or not: for people who look into it. Changes nothing.

Recovery stops at the first damage, since it must not guess. Here reading goes on behind it,
with the next record that is sound by itself; whether a node would start is asked of recovery
all the same (:func:`judge`).
"""

from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from kvorum.errors import CorruptLog, SnapshotDamaged
from kvorum.raft.types import ORIGIN, EntryId
from kvorum.storage.dry_run import DryRun
from kvorum.storage.fs import FileSystem
from kvorum.storage.record import (
    ALIGNMENT,
    HEADER_BYTES,
    BadRecord,
    Batch,
    Header,
    crc32c,
    decode_header,
    decode_payload,
)
from kvorum.storage.recovery import Recovered, recover
from kvorum.storage.rescue import SNAPSHOTS, WAL
from kvorum.storage.scan import end_of_nonzero
from kvorum.storage.segment import (
    RECORDS_OFFSET,
    SegmentHeader,
    first_sequence,
    read_header,
    read_seal,
    segment_path,
)
from kvorum.storage.snapshot_file import ForeignFile, SnapshotScan
from kvorum.storage.snapshot_files import SUFFIX, SnapshotFiles
from kvorum.storage.snapshot_format import Head, parse_name


class FoundSegment(Struct, frozen=True):
    """``following``: the first record of the next segment, None if this one was never full."""

    path: Path
    first: int
    size_bytes: int
    following: int | None


class FoundRecord(Struct, frozen=True):
    """A record that is sound by itself."""

    path: Path
    offset: int
    size_bytes: int
    sequence: int
    batch: Batch


class Damage(Struct, frozen=True):
    """What is not as it was written, or was never written completely."""

    path: Path
    offset: int
    reason: str


class FoundSnapshot(Struct, frozen=True):
    """``damage`` "" if it was read to its end and is sound."""

    path: Path
    size_bytes: int
    head: Head | None
    blocks: int
    damage: str


class Verdict(Struct, frozen=True):
    """What a start would make of the log; ``refusal`` says why there is none."""

    recovered: Recovered | None
    base: EntryId
    refusal: str = ""


Found = FoundSegment | FoundRecord | Damage


def read_log(fs: FileSystem, directory: Path) -> Iterator[Found]:
    """All that can be read of the segments in ``directory``, in their order. Raises OSError."""
    sequence, checksum = 0, None
    for first in sorted(f for name in fs.names(directory) if (f := first_sequence(name))):
        path = segment_path(directory, first)
        if sequence and first != sequence:
            yield Damage(path, 0, f"records {sequence} to {first - 1} before it are missing")
            checksum = None
        reading = _Reading(path, fs.read(path), first, checksum)
        yield from reading.found()
        sequence, checksum = reading.sequence, reading.checksum


class _Reading:
    """One pass over one segment, which gives up nowhere."""

    def __init__(self, path: Path, data: bytes, first: int, checksum: int | None) -> None:
        """``checksum``: of the record before, None if it is not known."""
        self._path = path
        self._data = data
        self._offset = RECORDS_OFFSET
        self.sequence = first
        self.checksum = checksum

    def found(self) -> Iterator[Found]:
        yield from self._head()
        end = end_of_nonzero(self._data, RECORDS_OFFSET)
        while self._offset < end:
            damage, header = self._next()
            if damage:
                yield Damage(self._path, self._offset, damage)
            if header is None:
                self._skip(end)
                continue
            yield self._record(header)

    def _head(self) -> Iterator[Found]:
        size, following = len(self._data), None
        try:
            header: SegmentHeader = read_header(self._path, self._data)
            size = header.size_bytes
            following = read_seal(self._path, self._data)
            if self.checksum is None:
                self.checksum = header.previous
            elif self.checksum != header.previous:
                yield Damage(self._path, 24, "the segment does not continue the one before it")
        except CorruptLog as damage:
            yield Damage(self._path, damage.offset, damage.reason)
        yield FoundSegment(self._path, self.sequence, size, following)
        if len(self._data) < size:
            reason = f"the file is {len(self._data)} bytes long instead of {size}"
            yield Damage(self._path, len(self._data), reason)

    def _next(self) -> tuple[str, Header | None]:
        """What is wrong with the record here, and its header if it can be read all the same."""
        try:
            header = decode_header(self._data, self._offset)
        except BadRecord as bad:
            return str(bad), None
        if header is None:
            return f"record {self.sequence} is missing, but something follows", None
        if crc32c(self._payload(header)) != header.payload_crc:
            return f"record {header.sequence} is damaged, or was never written completely", None
        if header.sequence != self.sequence:
            return f"record {header.sequence} stands where {self.sequence} belongs", header
        if self.checksum not in (None, header.previous):
            return f"record {header.sequence} does not continue the record before it", header
        return "", header

    def _payload(self, header: Header) -> bytes:
        begin = self._offset + HEADER_BYTES
        return self._data[begin : begin + header.length]

    def _record(self, header: Header) -> FoundRecord | Damage:
        offset = self._offset
        size = HEADER_BYTES + header.length
        self._offset += size
        self.sequence, self.checksum = header.sequence + 1, header.checksum
        try:
            payload = self._data[offset + HEADER_BYTES : offset + size]
            batch = decode_payload(header, payload)
        except BadRecord as bad:
            return Damage(self._path, offset, str(bad))
        return FoundRecord(self._path, offset, size, header.sequence, batch)

    def _skip(self, end: int) -> None:
        """To the next record that is sound by itself and comes later in the log."""
        self.checksum = None
        self._offset += ALIGNMENT
        while self._offset < end:
            header = self._sound_header()
            if header is not None and header.sequence >= self.sequence:
                self.sequence = header.sequence
                return
            self._offset += ALIGNMENT

    def _sound_header(self) -> Header | None:
        try:
            header = decode_header(self._data, self._offset)
        except BadRecord:
            return None
        if header is None or crc32c(self._payload(header)) != header.payload_crc:
            return None
        return header


def read_snapshots(fs: FileSystem, directory: Path) -> Iterator[FoundSnapshot]:
    """Every snapshot file, read to its end, the oldest first. Raises OSError."""
    names = sorted(fs.names(directory)) if fs.exists(directory) else []
    for name in names:
        if name.endswith(SUFFIX):
            yield _read_snapshot(fs, directory / name)


def _read_snapshot(fs: FileSystem, path: Path) -> FoundSnapshot:
    reader = fs.open_to_read(path)
    size = reader.size_bytes()
    reader.close()
    head, blocks = None, 0
    try:
        scan = SnapshotScan(fs, path, None)
        try:
            head = scan.head
            while scan.next_block() is not None:
                blocks += 1
            _compare_name(path, scan)
        finally:
            scan.close()
    except SnapshotDamaged as damage:
        return FoundSnapshot(path, size, head, blocks, str(damage))
    return FoundSnapshot(path, size, head, blocks, "")


def _compare_name(path: Path, scan: SnapshotScan) -> None:
    if parse_name(path.name.removesuffix(SUFFIX)) != (scan.head.last, scan.checksum):
        raise SnapshotDamaged(f"{path}: it is sound, but its name belongs to another one")


def judge(fs: FileSystem, path: Path, snapshots: list[FoundSnapshot], cluster_id: str) -> Verdict:
    """Whether a node of ``cluster_id`` could start from the data directory ``path``."""
    log, directory = path / WAL, path / SNAPSHOTS
    base = ORIGIN
    try:
        if fs.exists(directory):
            files = SnapshotFiles(fs, directory, cluster_id)
            sound = {found.path for found in snapshots if not found.damage}
            usable = (kept.last for kept in files.kept if files.path_of(kept) in sound)
            base = max(usable, default=ORIGIN)
        return Verdict(recover(DryRun(fs), log, base), base)
    except ForeignFile as foreign:
        return Verdict(None, base, str(foreign))
    except CorruptLog as refusal:
        reason = f"{refusal.file}: damaged at byte {refusal.offset}: {refusal.reason}"
        return Verdict(None, base, reason)
