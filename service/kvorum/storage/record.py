"""Records of the log: bytes in, bytes out. The format is specified in the package.

Pure functions; nothing here touches a disk.
"""

import struct
from collections.abc import Callable, Sequence
from struct import Struct as Layout

import google_crc32c
from msgspec import Struct

from kvorum.raft.types import Entry, EntryId, EntryKind, HardState, Index, NodeId, Term

crc32c: Callable[[bytes], int] = google_crc32c.value

ALIGNMENT = 32
HEADER_BYTES = 32
SECTOR_BYTES = 512
PAYLOAD_BYTES_MAX = 1 << 28

_HAS_STATE, _HAS_VOTE, _STUFFED, _HAS_BASE = 1, 2, 4, 8
_KNOWN_FLAGS = 15
_HEADER = Layout("<IIQIII")
_CHECKSUM = Layout("<I")
_STATE = Layout("<QQH")
_BASE = Layout("<QQ")
_FIRST = Layout("<Q")
_ENTRY = Layout("<QBI")

_PADDING = b"\xa5"
_ZERO_RUN = bytes(256)
_STUFFING = b"\xff\xff"
_STUFFED_BYTES = 254
_ZERO_HEADER = bytes(HEADER_BYTES)
_KINDS = tuple(EntryKind)


class BadRecord(ValueError):
    """Not what the writer wrote, or not what it should have written."""


class Frame(Struct, frozen=True, gc=False):
    """An encoded record; ``checksum`` is what the next record is chained to.

    ``highest`` is the greatest index that it speaks of, 0 if of none.
    """

    sequence: int
    previous: int
    checksum: int
    header: bytes
    payload: bytes
    highest: int
    flags: int

    @property
    def has_state(self) -> bool:
        return bool(self.flags & _HAS_STATE)

    @property
    def has_base(self) -> bool:
        return bool(self.flags & _HAS_BASE)

    @property
    def size_bytes(self) -> int:
        return len(self.header) + len(self.payload)


class Header(Struct, frozen=True, gc=False):
    """A record header whose own checksum is right."""

    length: int  # of the payload, bytes
    previous: int
    sequence: int
    payload_crc: int
    entries: int
    flags: int
    checksum: int


class Batch(Struct, frozen=True, gc=False):
    """What one record holds; ``base`` makes void what was there before, entries follow it."""

    hard_state: HardState | None
    entries: list[Entry]
    base: EntryId | None = None

    @property
    def highest(self) -> int:
        """The greatest index that it speaks of, 0 if of none."""
        return _highest(self.entries, self.base)


def encode(
    sequence: int,
    previous: int,
    hard_state: HardState | None,
    entries: Sequence[Entry],
    base: EntryId | None = None,
) -> Frame:
    """One record; raises ValueError if the batch is over 2^28 bytes or has index gaps."""
    flags, parts = _encode_state(hard_state)
    if base is not None:
        flags |= _HAS_BASE
        parts.append(_BASE.pack(base.term, base.index))
        if entries and entries[0].index != base.index + 1:
            raise ValueError(f"entry {entries[0].index} does not follow the base {base.index}")
    if entries:
        _encode_entries(entries, parts)
    body = b"".join(parts)
    if _ZERO_RUN in body:
        flags |= _STUFFED
        body = _stuff(body)
    payload = body + _PADDING * (2 + -(len(body) + 2) % ALIGNMENT)
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise ValueError(
            f"a batch of {len(payload)} bytes cannot be logged, {PAYLOAD_BYTES_MAX} is the most"
        )
    head = _HEADER.pack(len(payload), previous, sequence, crc32c(payload), len(entries), flags)
    checksum = crc32c(head)
    header = head + _CHECKSUM.pack(checksum)
    return Frame(sequence, previous, checksum, header, payload, _highest(entries, base), flags)


def _highest(entries: Sequence[Entry], base: EntryId | None) -> int:
    if entries:
        return entries[-1].index
    return 0 if base is None else base.index


def decode_header(data: bytes, offset: int) -> Header | None:
    """The header at ``offset``; None if it is all zero. Raises BadRecord."""
    header = data[offset : offset + HEADER_BYTES]
    if len(header) < HEADER_BYTES:  # the end of the file: what is missing counts as zero
        header = header.ljust(HEADER_BYTES, b"\0")
    if header == _ZERO_HEADER:
        return None
    (checksum,) = _CHECKSUM.unpack_from(header, _HEADER.size)
    if crc32c(header[: _HEADER.size]) != checksum:
        raise BadRecord("the checksum of a record header is wrong")
    length, previous, sequence, payload_crc, entries, flags = _HEADER.unpack_from(header)
    return Header(length, previous, sequence, payload_crc, entries, flags, checksum)


def decode_payload(header: Header, payload: bytes) -> Batch:
    """What the record holds; raises BadRecord if the payload's CRC is right but it makes no sense.

    The caller has compared the CRC.
    """
    if header.flags & ~_KNOWN_FLAGS:
        raise BadRecord(f"the record has flags that this release does not know: {header.flags}")
    try:
        body = _unstuff(payload) if header.flags & _STUFFED else payload
        hard_state, position = _decode_state(header.flags, body)
        base = None
        if header.flags & _HAS_BASE:
            term, index = _BASE.unpack_from(body, position)
            base, position = EntryId(term, index), position + _BASE.size
        return Batch(hard_state, _decode_entries(header.entries, body, position), base)
    except (struct.error, UnicodeDecodeError, IndexError) as cause:
        raise BadRecord(f"the record cannot be decoded: {cause}") from cause


def _encode_state(state: HardState | None) -> tuple[int, list[bytes]]:
    if state is None:
        return 0, []
    vote = b"" if state.vote is None else state.vote.encode()
    flags = _HAS_STATE if state.vote is None else _HAS_STATE | _HAS_VOTE
    return flags, [_STATE.pack(state.term, state.commit, len(vote)), vote]


def _encode_entries(entries: Sequence[Entry], parts: list[bytes]) -> None:
    index = entries[0].index
    parts.append(_FIRST.pack(index))
    pack = _ENTRY.pack
    for expected, entry in enumerate(entries, index):
        if entry.index != expected:
            raise ValueError(f"entry {entry.index} stands where entry {expected} belongs")
        parts.append(pack(entry.term, entry.kind, len(entry.data)))
    parts.extend([entry.data for entry in entries])


def _decode_state(flags: int, body: bytes) -> tuple[HardState | None, int]:
    if not flags & _HAS_STATE:
        return None, 0
    term, commit, size = _STATE.unpack_from(body)
    end = _STATE.size + size
    vote = NodeId(body[_STATE.size : end].decode()) if flags & _HAS_VOTE else None
    return HardState(Term(term), vote, Index(commit)), end


def _decode_entries(count: int, body: bytes, position: int) -> list[Entry]:
    if not count:
        return []
    (first,) = _FIRST.unpack_from(body, position)
    start = position + _FIRST.size
    data_start = start + count * _ENTRY.size
    if data_start > len(body):  # before anything of that size is allocated
        raise BadRecord(f"the record is too short for {count} entries")
    entries: list[Entry] = []
    begin = data_start
    for index, (term, kind, size) in enumerate(_ENTRY.iter_unpack(body[start:data_start]), first):
        end = begin + size
        entries.append(Entry(term, Index(index), _KINDS[kind], body[begin:end]))
        begin = end
    if begin > len(body):
        raise BadRecord(f"the record is too short for the data of {count} entries")
    return entries


def _stuff(body: bytes) -> bytes:
    return b"".join(
        _STUFFING + body[i : i + _STUFFED_BYTES] for i in range(0, len(body), _STUFFED_BYTES)
    )


def _unstuff(payload: bytes) -> bytes:
    step = _STUFFED_BYTES + len(_STUFFING)
    return b"".join(payload[i + len(_STUFFING) : i + step] for i in range(0, len(payload), step))
