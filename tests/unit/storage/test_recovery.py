"""Each row of the decision table in the package's docstring."""

import struct
from pathlib import Path

import pytest

from kvorum.errors import CorruptLog
from kvorum.raft.types import ORIGIN, EntryId
from kvorum.storage import record
from kvorum.storage.record import SECTOR_BYTES, crc32c
from kvorum.storage.recovery import recover
from kvorum.storage.scan import SegmentScan
from kvorum.storage.segment import RECORDS_OFFSET
from kvorum.testing.memory_fs import MemoryFileSystem
from tests.unit.storage.logs import (
    FIRST,
    SEGMENT_BYTES,
    WAL,
    Batch,
    Content,
    append,
    batch,
    contents,
    entry,
    flipped,
    frames,
    new_log,
    overwritten,
    release,
    said,
    segments,
    state,
)
from tests.unit.storage.snaps import at

THREE = [batch(entry(i), state=state(1, "n", i - 1)) for i in (1, 2, 3)]
LONG = batch(entry(4, data=b"L" * 700))  # lies in at least two sectors


def many(count: int = 30) -> list[Batch]:
    return [batch(entry(i, data=b"d" * 100)) for i in range(1, count + 1)]


def offsets(batches: list[Batch]) -> list[int]:
    """Where each record of a one-segment log begins, and where the last ends."""
    found = [RECORDS_OFFSET]
    for frame in frames(batches):
        found.append(found[-1] + frame.size_bytes)
    return found


def refused(fs: MemoryFileSystem) -> CorruptLog:
    before = {path: fs.read(path) for path in segments(fs)}
    with pytest.raises(CorruptLog) as caught:
        recover(fs, WAL)
    assert {path: fs.read(path) for path in segments(fs)} == before, "refusing changes nothing"
    return caught.value


def goes_on(fs: MemoryFileSystem, expected: Content) -> list[str]:
    """Recovers to ``expected``, takes another batch, recovers again without a warning."""
    first = recover(fs, WAL)
    assert said(first) == expected
    new = batch(entry(len(expected.entries) + 1, term=9))
    append(fs, first, [new])
    second = recover(fs, WAL)
    assert second.warnings == []
    assert said(second) == Content(expected.hard_state, [*expected.entries, *new.entries])
    return first.warnings


def test_a_new_log_is_empty() -> None:
    assert goes_on(new_log(), contents([])[0]) == []


def test_everything_comes_back_over_many_segments() -> None:
    fs = new_log(many())
    assert len(segments(fs)) > 3
    assert goes_on(fs, contents(many())[-1]) == []


def test_later_entries_replace_earlier_ones() -> None:
    batches = [*THREE, batch(entry(2, term=2)), batch(entry(3, term=3), entry(4, term=3))]
    found = said(recover(new_log(batches), WAL))
    assert [e.term for e in found.entries] == [1, 2, 3, 3]
    assert found.hard_state == state(1, "n", 2)


# Names and headers of segments


def test_no_segment_is_refused() -> None:
    fs = new_log()
    fs.remove(FIRST)
    assert "first segment of the log is missing" in str(refused(fs))


@pytest.mark.parametrize("position", [0, 1, -1])
def test_missing_segment_is_refused(position: int) -> None:
    fs = new_log(many())
    fs.remove(segments(fs)[position])
    assert "missing" in refused(fs).reason


def test_every_flip_in_a_segment_header_is_refused() -> None:
    fs = new_log(many())
    path = segments(fs)[1]
    good = fs.read(path)
    for offset in range(32):
        fs.replace(path, flipped(good, offset))
        assert refused(fs).file == str(path)


def test_newer_format_is_named() -> None:
    fs = new_log()
    fs.replace(FIRST, overwritten(fs.read(FIRST), 7, b"2"))
    assert "format version 2" in refused(fs).reason


def test_renamed_segment_is_refused() -> None:
    fs = new_log(many())
    fs.replace(segments(fs)[2], fs.read(segments(fs)[1]))
    assert "once named" in refused(fs).reason


def test_segment_of_another_log_is_refused() -> None:
    fs, other = new_log(many()), new_log([batch(entry(1, term=2)), *many()[1:]])
    path = segments(fs)[1]
    assert path in segments(other)
    fs.replace(path, other.read(path))
    assert refused(fs).reason == "the segment does not continue the one before it"


def test_leftover_temporary_file_is_removed() -> None:
    fs = new_log(THREE)
    leftover = WAL / "0000000000000004.wal.tmp"
    fs.replace(leftover, b"half")
    recover(fs, WAL)
    assert not fs.exists(leftover)


def test_empty_newest_segment_is_continued() -> None:
    fs = new_log(many())
    newest = segments(fs)[-1]
    lost = int(newest.stem, 16) - 1
    fs.replace(newest, fs.read(newest)[:RECORDS_OFFSET].ljust(SEGMENT_BYTES, b"\0"))
    assert goes_on(fs, contents(many()[:lost])[-1]) == []


def test_missing_seal_is_made_up_for() -> None:
    """A crash between the new segment and the seal of the old one."""
    fs = new_log(many())
    last, newest = segments(fs)[-2:]
    unsealed = overwritten(fs.read(last), SECTOR_BYTES, bytes(12))
    fs.replace(last, unsealed)
    recover(fs, WAL)
    fs.remove(newest)
    assert "that followed it is missing" in refused(fs).reason


def test_damaged_seal_of_the_newest_is_refused() -> None:
    fs = new_log(THREE)
    fs.replace(FIRST, flipped(fs.read(FIRST), SECTOR_BYTES + 9))
    assert "seal" in refused(fs).reason


# Damage before the end


def test_every_flip_in_an_older_segment_is_refused() -> None:
    fs = new_log(many())
    path = segments(fs)[1]
    good = fs.read(path)
    end = len(good.rstrip(b"\0"))
    for offset in range(RECORDS_OFFSET, end):
        fs.replace(path, flipped(good, offset, bit=offset % 8))
        assert refused(fs).file == str(path)


@pytest.mark.parametrize("size", [0, 40, 600, RECORDS_OFFSET, RECORDS_OFFSET + 200])
def test_shortened_older_segment_is_refused(size: int) -> None:
    fs = new_log(many())
    path = segments(fs)[1]
    fs.replace(path, fs.read(path)[:size])
    assert refused(fs).file == str(path)


def test_garbage_behind_the_records_of_an_older_segment_is_ignored() -> None:
    fs = new_log(many())
    path = segments(fs)[1]
    fs.replace(path, fs.read(path)[:-1] + b"!")
    assert goes_on(fs, contents(many())[-1]) == []


def test_zeroed_record_before_the_last_is_refused() -> None:
    batches = [*THREE, LONG, batch(entry(5))]
    begin, end = offsets(batches)[3:5]
    fs = new_log(batches, segment_bytes=8192)
    fs.replace(FIRST, overwritten(fs.read(FIRST), begin, bytes(end - begin)))
    assert refused(fs).offset == begin


def test_unwritten_sector_before_the_last_record_is_refused() -> None:
    batches = [*THREE, LONG, batch(entry(5))]
    begin = offsets(batches)[3]
    sector = begin - begin % SECTOR_BYTES + SECTOR_BYTES
    fs = new_log(batches, segment_bytes=8192)
    fs.replace(FIRST, overwritten(fs.read(FIRST), sector, bytes(SECTOR_BYTES)))
    caught = refused(fs)
    assert (caught.offset, "not the last" in caught.reason) == (begin, True)


def test_stale_record_is_refused() -> None:
    """An older record, complete in itself, where the next one would be."""
    fs = new_log(THREE)
    begin, second, *_, end = offsets(THREE)
    data = fs.read(FIRST)
    fs.replace(FIRST, overwritten(data, end, data[begin:second]))
    assert "record 1 stands where 4 belongs" in refused(fs).reason


def test_record_of_another_history_is_refused() -> None:
    fs = new_log(THREE)
    foreign = frames([batch(entry(4))], sequence=4, checksum=12345)[0]
    end = offsets(THREE)[-1]
    fs.replace(FIRST, overwritten(fs.read(FIRST), end, foreign.header + foreign.payload))
    assert "does not continue" in refused(fs).reason


def test_absurd_length_is_refused() -> None:
    fs = new_log(THREE)
    chain = frames(THREE)[-1].checksum
    head = struct.pack("<IIQIII", 0xFFFFFFE0, chain, 4, 0, 0, 0)
    head += struct.pack("<I", crc32c(head))
    fs.replace(FIRST, overwritten(fs.read(FIRST), offsets(THREE)[-1], head))
    assert "cannot be where" in refused(fs).reason


# The last record


def torn(keep: slice, *, tail: bytes = b"") -> tuple[MemoryFileSystem, int]:
    """A log whose fourth record reached the disk only in the sectors of ``keep``."""
    fs = new_log(THREE, segment_bytes=8192)
    begin = offsets(THREE)[-1]
    frame = frames([LONG], sequence=4, checksum=frames(THREE)[-1].checksum)[0]
    full = overwritten(fs.read(FIRST), begin, frame.header + frame.payload)
    cut = begin - begin % SECTOR_BYTES
    end = begin + frame.size_bytes
    data = bytearray(fs.read(FIRST))
    for number, sector in enumerate(range(cut, end, SECTOR_BYTES)):
        if number in range(10)[keep]:
            data[sector : sector + SECTOR_BYTES] = full[sector : sector + SECTOR_BYTES]
    fs.replace(FIRST, overwritten(bytes(data), end, tail) if tail else bytes(data))
    return fs, begin


@pytest.mark.parametrize("keep", [slice(0, 1), slice(1, 2), slice(1, None)])
def test_torn_last_record_is_cut_with_a_warning(keep: slice) -> None:
    fs, begin = torn(keep)
    [warning] = goes_on(fs, contents(THREE)[-1])
    assert f"cut record 4 at byte {begin}" in warning
    assert str(FIRST) in warning


def test_torn_record_with_something_behind_it_is_refused() -> None:
    fs, begin = torn(slice(0, 1), tail=b"!")
    assert refused(fs).offset == begin


def test_every_flip_in_the_last_record_is_refused() -> None:
    """All of it had been written: so it may have been acknowledged."""
    batches = [*THREE, LONG]
    begin, end = offsets(batches)[-2:]
    fs = new_log(batches, segment_bytes=8192)
    good = fs.read(FIRST)
    for offset in range(begin, end):
        fs.replace(FIRST, flipped(good, offset, bit=offset % 8))
        assert refused(fs).offset == begin


def test_something_in_the_sector_of_a_missing_header_is_refused() -> None:
    fs = new_log(THREE)
    begin = offsets(THREE)[-1]
    fs.replace(FIRST, overwritten(fs.read(FIRST), begin + 40, b"!"))
    assert refused(fs).offset == begin


def test_shortened_newest_segment_is_mended_with_a_warning() -> None:
    fs = new_log(THREE)
    fs.replace(FIRST, fs.read(FIRST)[: offsets(THREE)[-1]])
    [warning] = goes_on(fs, contents(THREE)[-1])
    assert f"instead of {SEGMENT_BYTES}" in warning
    assert len(fs.read(FIRST)) == SEGMENT_BYTES


# Content


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (batch(entry(5)), "entry 5 follows entry 3"),
        (batch(entry(0)), "entry 0 follows entry 3"),
        (batch(entry(4, term=0)), "entry 4 is of term 0, the one before of 1"),
        (batch(state=state(0)), "the current term goes back"),
        (batch(state=state(1, "n", 4)), "entry 4 was committed, but the log ends with entry 3"),
    ],
)
def test_impossible_content_is_refused(bad: Batch, reason: str) -> None:
    caught = refused(new_log([*THREE, bad]))
    assert caught.reason == reason
    assert caught.file == str(FIRST)


# Behind a snapshot


def released(batches: list[Batch], index: int) -> MemoryFileSystem:
    fs = new_log(batches)
    release(fs, index)
    assert segments(fs)[0] != FIRST, "something is released"
    return fs


def committed(until: int, *, commit: int) -> list[Batch]:
    """One entry a record, with a hard state each."""
    return [
        batch(entry(i, data=b"d" * 100), state=state(1, "n", min(i, commit)))
        for i in range(1, until + 1)
    ]


def test_entries_that_the_snapshot_covers_are_left_out() -> None:
    fs = new_log(THREE)
    found = recover(fs, WAL, at(2))
    assert found.entries == [entry(3)]
    assert (found.hard_state, found.void) == (state(1, "n", 2), False)


def test_a_released_log_continues_its_snapshot() -> None:
    fs = released(committed(30, commit=20), 20)
    first = int(segments(fs)[0].stem, 16)
    assert first <= 21
    for index in range(first - 1, 31):
        found = recover(fs, WAL, at(index))
        assert [e.index for e in found.entries] == list(range(index + 1, 31))
        assert not found.void


def test_a_released_log_refuses_an_older_snapshot() -> None:
    fs = released(committed(30, commit=20), 20)
    first = int(segments(fs)[0].stem, 16)
    with pytest.raises(CorruptLog, match=f"ends with entry {first - 1}, but .* entry {first - 2}"):
        recover(fs, WAL, at(first - 2))


def test_a_released_log_without_a_snapshot_is_refused() -> None:
    fs = released(committed(30, commit=20), 20)
    with pytest.raises(CorruptLog, match="there is no snapshot in its place"):
        recover(fs, WAL)


def test_stale_entries_in_a_released_log_do_no_harm() -> None:
    """What was replaced may stand before what replaced it, and begin later."""
    batches = [
        batch(entry(1, data=b"d" * 900), state=state(1, "n", 0)),
        batch(entry(2), entry(3), entry(4)),
        batch(entry(1, term=2, data=b"d" * 900), state=state(2, "n", 0)),
        batch(entry(2, term=2), state=state(2, "n", 1)),
    ]
    fs = new_log(batches)
    whole = recover(fs, WAL, at(1, term=2))
    fs.remove(FIRST)
    found = recover(fs, WAL, at(1, term=2))
    assert said(found) == said(whole) == Content(state(2, "n", 1), [entry(2, term=2)])


def test_a_released_log_without_hard_state_is_refused() -> None:
    fs = new_log([*committed(8, commit=8), *many(60)[8:]])
    while any(one.hard_state for one in _batches_of(fs)):
        fs.remove(segments(fs)[0])
    with pytest.raises(CorruptLog, match="no hard state"):
        recover(fs, WAL, at(40))


def _batches_of(fs: MemoryFileSystem) -> list[record.Batch]:
    path = segments(fs)[0]
    return [found for _, found in SegmentScan(path, fs.read(path), None).batches(None)]


def test_a_base_makes_void_what_was_before() -> None:
    batches = [*THREE, Batch(state(3, None, 9), (entry(10, term=3),), at(9, term=2))]
    fs = new_log([*batches, batch(entry(11, term=3))])
    found = recover(fs, WAL, at(9, term=2))
    assert said(found) == Content(state(3, None, 9), [entry(10, term=3), entry(11, term=3)])
    assert recover(fs, WAL, at(10, term=3)).entries == [entry(11, term=3)]


def test_a_base_without_its_snapshot_is_refused() -> None:
    fs = new_log([*THREE, Batch(state(3, None, 9), (), at(9, term=2))])
    for base in (ORIGIN, at(2)):
        with pytest.raises(CorruptLog, match="a snapshot that ends with entry 9 of term 2"):
            recover(fs, WAL, base)
    with pytest.raises(CorruptLog, match="not of term 3"):
        recover(fs, WAL, at(9, term=3))


@pytest.mark.parametrize(
    ("base", "void"),
    [(at(3), False), (at(4), True), (at(9, term=5), True), (at(3, term=2), True)],
)
def test_a_log_that_does_not_hold_the_snapshots_last_entry_is_void(
    base: EntryId, void: bool
) -> None:
    fs = new_log(THREE)
    found = recover(fs, WAL, base)
    assert (found.void, found.entries) == (void, [])
    append(fs, found, [])
    again = recover(fs, WAL, base)
    assert not again.void, "the log begins anew behind the snapshot"
    assert again.hard_state == found.hard_state
    assert again.tail.sequence == 4 + void


def test_a_hard_state_is_never_older_than_the_snapshot() -> None:
    fs = new_log(THREE)
    assert recover(fs, WAL, at(3)).hard_state == state(1, "n", 3)
    assert recover(fs, WAL, at(3, term=2)).hard_state == state(2, None, 3)


@pytest.mark.parametrize("base", [at(1, term=2), at(2, term=2)])
def test_a_snapshot_of_another_history_is_refused(base: EntryId) -> None:
    with pytest.raises(CorruptLog, match=f"committed entry {base.index} is not of term 2"):
        recover(new_log(THREE), WAL, base)


def test_an_unknown_flag_is_refused() -> None:
    fs = new_log()
    frame = frames([batch(entry(1))])[0]
    fields = list(struct.unpack("<IIQIII", frame.header[:28]))
    head = struct.pack("<IIQIII", *fields[:5], 16)
    content = head + struct.pack("<I", crc32c(head)) + frame.payload
    fs.replace(FIRST, overwritten(fs.read(FIRST), RECORDS_OFFSET, content))
    assert "flags that this release does not know" in refused(fs).reason


# What was read is durable before it is used


def test_what_is_returned_was_synced_first() -> None:
    """The process, not the machine, died between a write and its sync."""
    fs = new_log(THREE)
    recovered = recover(fs, WAL)
    operations: list[tuple[str, Path]] = []
    fs.fault = lambda operation, path: operations.append((operation, path))
    assert said(recover(fs, WAL)) == said(recovered)
    assert operations == [("open", FIRST), ("sync", FIRST), ("sync_directory", WAL)]
