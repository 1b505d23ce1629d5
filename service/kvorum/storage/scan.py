"""One segment, read once: its records, and what to make of its end.

The decisions are those of the table in the package's docstring.
"""

from collections.abc import Iterator
from pathlib import Path

from kvorum.errors import CorruptLog
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
    RECORDS_OFFSET,
    SegmentHeader,
    read_header,
    read_seal,
    segment_path,
)

_CHUNK = bytes(1 << 16)


class SegmentScan:
    """One pass over one segment; afterwards it stands behind the last sound record."""

    def __init__(self, path: Path, data: bytes, checksum: int | None) -> None:
        """``checksum`` is that of the record before; None: it is released, nobody knows."""
        self.path = path
        self.data = data
        self.header: SegmentHeader = read_header(path, data)
        self.offset = RECORDS_OFFSET
        self.sequence = self.header.first
        self.checksum = self.header.previous if checksum is None else checksum
        self.used = 0  # end of the bytes that are not zero; known once the end is judged
        self.warnings: list[str] = []
        if self.header.previous != self.checksum:
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
        self.used = max(self.offset, end_of_nonzero(self.data, self.offset))
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


def _next_sector(offset: int) -> int:
    return offset - offset % SECTOR_BYTES + SECTOR_BYTES


def end_of_nonzero(data: bytes, start: int) -> int:
    """End of the last byte from ``start`` on that is not zero; ``start`` if all are."""
    end = len(data)
    while end > start:
        begin = max(start, end - len(_CHUNK))
        chunk = data[begin:end]
        if chunk != _CHUNK[: len(chunk)]:
            return begin + len(chunk.rstrip(b"\0"))
        end = begin
    return start
