"""Records: the bytes that the package's docstring specifies, and what is refused."""

import struct

import pytest

from kvorum.raft.types import EntryId, HardState, Index, Term
from kvorum.storage.record import (
    PAYLOAD_BYTES_MAX,
    SECTOR_BYTES,
    BadRecord,
    crc32c,
    decode_header,
    decode_payload,
    encode,
)
from tests.unit.storage.logs import entry, flipped, state


def test_crc_is_castagnoli() -> None:
    """RFC 3720, appendix B.4: 32 bytes of zeros."""
    assert crc32c(bytes(32)) == 0x8A9136AA


def test_layout_is_the_specified_one() -> None:
    frame = encode(9, 0x1234, state(3, "n1", 7), [entry(8, term=3, data=b"abc")])
    payload = (
        struct.pack("<QQH", 3, 7, 2)
        + b"n1"
        + struct.pack("<Q", 8)
        + struct.pack("<QBI", 3, 0, 3)
        + b"abc"
    )
    payload += b"\xa5" * (64 - len(payload))
    head = struct.pack("<IIQIII", len(payload), 0x1234, 9, crc32c(payload), 1, 3)
    assert frame.payload == payload
    assert frame.header == head + struct.pack("<I", crc32c(head))


def test_a_base_stands_before_the_entries_behind_it() -> None:
    frame = encode(9, 0, None, [entry(8, term=3, data=b"abc")], EntryId(Term(2), Index(7)))
    assert frame.payload.startswith(struct.pack("<QQQ", 2, 7, 8))
    assert struct.unpack_from("<I", frame.header, 24) == (8,)


@pytest.mark.parametrize("hard_state", [None, state(1), state(2, ""), state(3, "ключ", 9)])
@pytest.mark.parametrize("base", [None, EntryId(Term(2), Index(3))])
@pytest.mark.parametrize("count", [0, 1, 5])
@pytest.mark.parametrize("data", [b"", b"x", bytes(700), b"\xff" * 300 + bytes(600)])
def test_round_trip(
    hard_state: HardState | None, base: EntryId | None, count: int, data: bytes
) -> None:
    entries = [entry(4 + i, term=2, data=data) for i in range(count)]
    frame = encode(1, 0, hard_state, entries, base)
    header = decode_header(frame.header, 0)
    assert header is not None
    found = decode_payload(header, frame.payload)
    assert (found.hard_state, found.base, found.entries) == (hard_state, base, entries)
    assert found.highest == frame.highest == (3 + count if count else 3 if base else 0)


@pytest.mark.parametrize("size", [1, 254, 255, 256, 510, 511, 512, 513, 5000])
@pytest.mark.parametrize("byte", [b"\0", b"\xff", b"\xa5"])
def test_no_sector_of_a_record_is_nearly_zero(size: int, byte: bytes) -> None:
    frame = encode(1, 0, None, [entry(1, data=byte * size)])
    record = frame.header + frame.payload
    assert len(record) % 32 == 0
    for start in range(0, SECTOR_BYTES, 32):
        placed = bytes(start) + record
        for begin in range(0, len(placed), SECTOR_BYTES):
            sector = placed[max(begin, start) : begin + SECTOR_BYTES]
            assert len(sector) - sector.count(0) >= 2


def test_index_gap_is_refused() -> None:
    with pytest.raises(ValueError, match="entry 3 stands where entry 2 belongs"):
        encode(1, 0, None, [entry(1), entry(3)])


def test_batch_over_the_limit_is_refused() -> None:
    chunk = b"x" * (PAYLOAD_BYTES_MAX // 4)
    with pytest.raises(ValueError, match="cannot be logged"):
        encode(1, 0, None, [entry(i, data=chunk) for i in range(1, 5)])


def test_every_flip_in_a_header_is_noticed() -> None:
    header = encode(1, 0, None, [entry(1)]).header
    for offset in range(len(header)):
        with pytest.raises(BadRecord):
            decode_header(flipped(header, offset), 0)


def test_zeros_are_no_header() -> None:
    assert decode_header(bytes(64), 32) is None
    assert decode_header(b"", 0) is None


def test_absurd_entry_count_is_refused_before_allocation() -> None:
    frame = encode(1, 0, None, [entry(1)])
    header = decode_header(frame.header, 0)
    assert header is not None
    absurd = type(header)(header.length, 0, 1, header.payload_crc, 2**32 - 1, 0, 0)
    with pytest.raises(BadRecord, match="too short for 4294967295 entries"):
        decode_payload(absurd, frame.payload)


@pytest.mark.parametrize(
    "body",
    [
        struct.pack("<QQBI", 1, 1, 0, 1000) + b"x",  # data longer than the record
        struct.pack("<QQBI", 1, 1, 77, 1) + b"x",  # no such kind of entry
    ],
)
def test_nonsense_under_a_right_crc_is_refused(body: bytes) -> None:
    frame = encode(1, 0, None, [entry(1)])
    header = decode_header(frame.header, 0)
    assert header is not None
    with pytest.raises(BadRecord):
        decode_payload(header, body)
