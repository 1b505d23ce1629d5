"""Segment files: names, headers, seals, and how one comes into being durably."""

from pathlib import Path
from struct import Struct as Layout

from msgspec import Struct

from kvorum.errors import CorruptLog
from kvorum.storage.fs import TEMPORARY_SUFFIX, File, FileSystem
from kvorum.storage.record import SECTOR_BYTES, crc32c

SEGMENT_BYTES = 64 << 20
RECORDS_OFFSET = 2 * SECTOR_BYTES
FIRST_SEQUENCE = 1
CHAIN_START = 0

_MAGIC = b"KVORUMW1"
_SUFFIX = ".wal"
_NAME_DIGITS = 16
_HEADER = Layout("<8sQQI")
_CRC = Layout("<I")
_SEAL = Layout("<Q")


class SegmentHeader(Struct, frozen=True, gc=False):
    first: int  # sequence number of its first record
    size_bytes: int
    previous: int  # checksum of the record before


def segment_path(directory: Path, first: int) -> Path:
    return directory / f"{first:0{_NAME_DIGITS}x}{_SUFFIX}"


def first_sequence(name: str) -> int | None:
    """What a segment's name says; None if it is not the name of a segment."""
    digits = name.removesuffix(_SUFFIX)
    if len(digits) != _NAME_DIGITS or not name.endswith(_SUFFIX):
        return None
    if set(digits) - set("0123456789abcdef"):
        return None
    return int(digits, 16)


def create_segment(
    fs: FileSystem, directory: Path, *, first: int, previous: int, size_bytes: int
) -> File:
    """An empty segment, durable in content, size and name, open for writing."""
    path = segment_path(directory, first)
    temporary = path.with_name(path.name + TEMPORARY_SUFFIX)
    file = fs.create(temporary)
    try:
        file.allocate(size_bytes)
        head = _HEADER.pack(_MAGIC, first, size_bytes, previous)
        file.write_durably([head, _CRC.pack(crc32c(head))], 0)
        file.sync()
        fs.rename(temporary, path)
        fs.sync_directory(directory)
    except BaseException:
        file.close()
        raise
    return file


def seal_segment(file: File, following: int) -> None:
    """Note in a full segment that a later one exists, so that its loss is noticed."""
    number = _SEAL.pack(following)
    file.write_durably([number, _CRC.pack(crc32c(number))], SECTOR_BYTES)


def read_header(path: Path, data: bytes) -> SegmentHeader:
    """Raises CorruptLog unless the header is sound and agrees with the name."""
    if len(data) < SECTOR_BYTES:
        raise CorruptLog(str(path), len(data), "the file ends inside its segment header")
    head = data[: _HEADER.size]
    magic, first, size_bytes, previous = _HEADER.unpack(head)
    _refuse_other_formats(path, magic)
    if _CRC.unpack_from(data, _HEADER.size)[0] != crc32c(head):
        raise CorruptLog(str(path), 0, "the checksum of the segment header is wrong")
    if first != first_sequence(path.name):
        raise CorruptLog(str(path), 8, f"the file was once named {segment_path(Path(), first)}")
    return SegmentHeader(first, size_bytes, previous)


def read_seal(path: Path, data: bytes) -> int | None:
    """Sequence number of the next segment; None if this one was never full."""
    seal = data[SECTOR_BYTES : SECTOR_BYTES + _SEAL.size + _CRC.size]
    if not any(seal):
        return None
    if len(seal) < _SEAL.size + _CRC.size or _CRC.unpack_from(seal, _SEAL.size)[0] != crc32c(
        seal[: _SEAL.size]
    ):
        raise CorruptLog(str(path), SECTOR_BYTES, "the checksum of the segment's seal is wrong")
    number: int = _SEAL.unpack_from(seal)[0]
    return number


def _refuse_other_formats(path: Path, magic: bytes) -> None:
    if magic == _MAGIC:
        return
    if magic[:-1] == _MAGIC[:-1] and magic[-1:].isdigit():
        reason = f"format version {magic[-1:].decode()} is not known to this release, only 1 is"
    else:
        reason = "this is not a segment of a kvorum log"
    raise CorruptLog(str(path), 0, reason)
