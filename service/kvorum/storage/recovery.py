"""What the log says after a restart: read, judge, mend the tail, nothing else.

The decisions are those of the table in the package's docstring. Segments are read one
at a time. Nothing is written before everything has been judged.
"""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from msgspec import Struct

from kvorum.errors import CorruptLog
from kvorum.raft.types import Entry, HardState, Term
from kvorum.storage.fs import TEMPORARY_SUFFIX, FileSystem
from kvorum.storage.record import (
    ALIGNMENT,
    HEADER_BYTES,
    SECTOR_BYTES,
    BadRecord,
    Batch,
    Header,
    crc32c,
    decode_header,
    decode_payload,
)
from kvorum.storage.segment import (
    CHAIN_START,
    FIRST_SEQUENCE,
    RECORDS_OFFSET,
    SegmentHeader,
    first_sequence,
    read_header,
    read_seal,
    seal_segment,
    segment_path,
)

_CHUNK = bytes(1 << 16)


class Tail(Struct, frozen=True, gc=False):
    """Where the log continues."""

    path: Path
    offset: int  # of the next record, bytes
    size_bytes: int  # of the segment
    sequence: int  # of the next record
    checksum: int  # of the last record


class Recovered(Struct, frozen=True):
    """``entries`` begin at index 1. ``warnings`` are for people, one sentence each."""

    hard_state: HardState
    entries: list[Entry]
    warnings: list[str]
    tail: Tail


def recover(fs: FileSystem, directory: Path) -> Recovered:
    """Read the log, cut a torn tail, and make durable what is returned.

    Raises CorruptLog, having changed nothing, if acknowledged batches are damaged or
    missing; OSError if the disk fails.
    """
    names = fs.names(directory)
    firsts = sorted(first for name in names if (first := first_sequence(name)) is not None)
    _check_names(directory, firsts)
    replay = _Replay()
    checksum, sealed = CHAIN_START, True
    for first, following in pairwise(firsts):
        checksum, sealed = _replay_full(
            fs, segment_path(directory, first), checksum, following, replay
        )
    path = segment_path(directory, firsts[-1])
    scan = _SegmentScan(path, fs.read(path), checksum)
    scan.refuse_seal()
    replay.apply(path, scan.batches(None))
    scan.judge_end()
    replay.check_end(scan)
    _repair(fs, directory, scan, [name for name in names if name.endswith(TEMPORARY_SUFFIX)])
    if not sealed:
        _seal(fs, segment_path(directory, firsts[-2]), firsts[-1])
    return Recovered(replay.hard_state, replay.entries, scan.warnings, scan.tail())


def _replay_full(
    fs: FileSystem, path: Path, checksum: int, following: int, replay: "_Replay"
) -> tuple[int, bool]:
    """One segment that is not the newest; its last checksum, and whether it is sealed."""
    scan = _SegmentScan(path, fs.read(path), checksum)
    replay.apply(path, scan.batches(following))
    scan.require(following)
    return scan.checksum, scan.sealed


def _check_names(directory: Path, firsts: list[int]) -> None:
    if not firsts or firsts[0] != FIRST_SEQUENCE:
        missing = segment_path(directory, FIRST_SEQUENCE)
        raise CorruptLog(str(missing), 0, "the first segment of the log is missing")


class _Replay:
    """The state machine of a log: later batches replace what earlier ones said."""

    def __init__(self) -> None:
        self.hard_state = HardState()
        self.entries: list[Entry] = []

    def apply(self, path: Path, batches: Iterator[tuple[int, Batch]]) -> None:
        for offset, batch in batches:
            if batch.hard_state is not None:
                if batch.hard_state.term < self.hard_state.term:
                    raise CorruptLog(str(path), offset, "the current term goes back")
                self.hard_state = batch.hard_state
            if batch.entries:
                self._append(path, offset, batch.entries)

    def _append(self, path: Path, offset: int, new: list[Entry]) -> None:
        entries = self.entries
        kept = new[0].index - 1
        if not 0 <= kept <= len(entries):
            reason = f"entry {new[0].index} follows entry {len(entries)}"
            raise CorruptLog(str(path), offset, reason)
        if kept < len(entries):
            del entries[kept:]
        term = entries[-1].term if entries else Term(0)
        for entry in new:
            if entry.term < term:
                reason = f"entry {entry.index} is of term {entry.term}, the one before of {term}"
                raise CorruptLog(str(path), offset, reason)
            term = entry.term
        entries += new

    def check_end(self, scan: "_SegmentScan") -> None:
        commit, last = self.hard_state.commit, len(self.entries)
        if commit > last:
            reason = f"entry {commit} was committed, but the log ends with entry {last}"
            raise CorruptLog(str(scan.path), scan.offset, reason)


class _SegmentScan:
    """One pass over one segment; afterwards it stands behind the last sound record."""

    def __init__(self, path: Path, data: bytes, checksum: int) -> None:
        self.path = path
        self.data = data
        self.header: SegmentHeader = read_header(path, data)
        self.offset = RECORDS_OFFSET
        self.sequence = self.header.first
        self.checksum = checksum
        self.used = 0  # end of the bytes that are not zero; known once the end is judged
        self.warnings: list[str] = []
        if self.header.previous != checksum:
            raise CorruptLog(str(path), 24, "the segment does not continue the one before it")

    @property
    def sealed(self) -> bool:
        return any(self.data[SECTOR_BYTES : 2 * SECTOR_BYTES])

    def batches(self, following: int | None) -> Iterator[tuple[int, Batch]]:
        """Offset and content of each record before number ``following``, if they are sound."""
        while self.sequence != following and (found := self._next()) is not None:
            yield found

    def require(self, following: int) -> None:
        """Of a segment that is not the newest, nothing may be missing."""
        if self.sequence != following:
            raise self._damage(
                f"record {self.sequence} is damaged or missing, or a whole segment is"
            )

    def refuse_seal(self) -> None:
        """The newest segment is not sealed: that would have announced a newer one."""
        seal = read_seal(self.path, self.data)
        if seal is not None:
            missing = segment_path(Path(), seal)
            raise self._damage(f"the segment {missing} that followed it is missing", SECTOR_BYTES)

    def tail(self) -> Tail:
        return Tail(self.path, self.offset, self.header.size_bytes, self.sequence, self.checksum)

    def _next(self) -> tuple[int, Batch] | None:
        """The record here, stepping behind it; None: no sound record is here."""
        offset = self.offset
        header = self._header(offset)
        if header is None:
            return None
        self._check_place(header)
        payload = self.data[offset + HEADER_BYTES : offset + HEADER_BYTES + header.length]
        if len(payload) != header.length or crc32c(payload) != header.payload_crc:
            return None
        try:
            batch = decode_payload(header, payload)
        except BadRecord as bad:
            raise self._damage(str(bad)) from bad
        self.offset += HEADER_BYTES + header.length
        self.sequence += 1
        self.checksum = header.checksum
        return offset, batch

    def _header(self, offset: int) -> Header | None:
        """Raises CorruptLog if there is one and it is bad: it lies within one sector."""
        try:
            return decode_header(self.data, offset)
        except BadRecord as bad:
            raise self._damage(str(bad)) from bad

    def _check_place(self, header: Header) -> None:
        room = self.header.size_bytes - self.offset - HEADER_BYTES
        if header.sequence != self.sequence:
            raise self._damage(f"record {header.sequence} stands where {self.sequence} belongs")
        if header.previous != self.checksum:
            raise self._damage(f"record {self.sequence} does not continue the record before it")
        if header.length > room or header.length % ALIGNMENT:
            raise self._damage(f"a record of {header.length} bytes cannot be where {room} are left")

    def judge_end(self) -> None:
        """Decide what stands where the next record would: nothing, a torn one, or damage."""
        self.used = max(self.offset, _end_of_nonzero(self.data, self.offset))
        cause = "a crash interrupted its write. It had not been acknowledged."
        if len(self.data) < self.header.size_bytes:
            cause = "the file was cut short. It may have been acknowledged."
            self.warnings.append(
                f"{self.path}: {len(self.data)} bytes long instead of {self.header.size_bytes}: "
                "no crash does that. Records at its end may be lost."
            )
        if self.used == self.offset:
            return
        header = self._header(self.offset)
        if header is None:
            self._judge_headless()
        else:
            self._judge_payload(self.offset + HEADER_BYTES + header.length)
        self.warnings.append(
            f"{self.path}: cut record {self.sequence} at byte {self.offset}: {cause}"
        )

    def _judge_payload(self, end: int) -> None:
        """The header is sound, the payload is not: was a sector never written?"""
        if not self._has_unwritten_sector(end):
            raise self._damage(f"the checksum of record {self.sequence} is wrong")
        if self.used > end:
            raise self._damage(f"record {self.sequence} is bad, but it is not the last")

    def _judge_headless(self) -> None:
        """There is no header, but something after it."""
        sector_end = _next_sector(self.offset)
        if any(self.data[self.offset : sector_end]):
            raise self._damage(f"the header of record {self.sequence} is zero, what follows is not")
        for offset in range(sector_end, self.used, ALIGNMENT):
            if self._is_later_record(offset):
                raise self._damage(f"record {self.sequence} is missing, a later one is not")

    def _is_later_record(self, offset: int) -> bool:
        try:
            header = decode_header(self.data, offset)
        except BadRecord:
            return False
        return header is not None and header.sequence > self.sequence

    def _has_unwritten_sector(self, end: int) -> bool:
        if end > len(self.data):
            return True
        begin = self.offset
        while begin < end:
            sector_end = min(_next_sector(begin), end)
            if not any(self.data[begin:sector_end]):
                return True
            begin = sector_end
        return False

    def _damage(self, reason: str, offset: int | None = None) -> CorruptLog:
        return CorruptLog(str(self.path), self.offset if offset is None else offset, reason)


def _repair(fs: FileSystem, directory: Path, scan: _SegmentScan, leftovers: list[str]) -> None:
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
        for offset in range(scan.offset, scan.used, len(_CHUNK)):
            file.write_durably([_CHUNK[: scan.used - offset]], offset)
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


def _next_sector(offset: int) -> int:
    return offset - offset % SECTOR_BYTES + SECTOR_BYTES


def _end_of_nonzero(data: bytes, start: int) -> int:
    """End of the last byte from ``start`` on that is not zero; ``start`` if all are."""
    end = len(data)
    while end > start:
        begin = max(start, end - len(_CHUNK))
        chunk = data[begin:end]
        if chunk != _CHUNK[: len(chunk)]:
            return begin + len(chunk.rstrip(b"\0"))
        end = begin
    return start
