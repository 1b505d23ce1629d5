"""A log that is cut or flipped at every byte reads as a prefix, or is refused.

Cut means that the end of the newest segment is gone, or reads as zeros. Flipped means one
bit anywhere in any segment. Neither may ever give other data, or another error.
"""

from collections.abc import Iterator
from pathlib import Path

from hypothesis import HealthCheck, assume, given, settings

from kvorum.errors import CorruptLog
from kvorum.raft.types import ORIGIN, EntryId
from kvorum.storage.recovery import Recovered, recover
from kvorum.storage.segment import RECORDS_OFFSET
from kvorum.testing.memory_fs import MemoryFileSystem
from tests.unit.storage.histories import histories
from tests.unit.storage.logs import (
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
    release,
    said,
    segments,
)

every_byte = settings(
    max_examples=10,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.filter_too_much,
    ],
)
BYTES_MAX = 8 << 10


def changed_copies(
    fs: MemoryFileSystem, path: Path, variants: Iterator[bytes], base: EntryId = ORIGIN
) -> Iterator[tuple[bytes, Recovered | CorruptLog]]:
    """What recovery makes of the log with ``path`` replaced by each variant in turn."""
    original = {segment: fs.read(segment) for segment in segments(fs)}
    for variant in variants:
        copy = MemoryFileSystem()
        copy.make_directory(WAL)
        for segment, data in original.items():
            copy.replace(segment, data)
        copy.replace(path, variant)
        try:
            recovered = recover(copy, WAL, base)
        except CorruptLog as refusal:
            yield variant, refusal
        else:
            check_it_goes_on(copy, recovered)
            yield variant, recovered


def check_it_goes_on(fs: MemoryFileSystem, recovered: Recovered) -> None:
    new = entry(recovered.base.index + len(recovered.entries) + 1, term=99)
    append(fs, recovered, [batch(new)])
    again = recover(fs, WAL, recovered.base)
    assert again.entries == [*recovered.entries, new]
    assert again.warnings == []


def batches_of(recovered: Recovered) -> int:
    return recovered.tail.sequence - 1


@every_byte
@given(histories())
def test_the_newest_segment_cut_at_every_byte(history: list[Batch]) -> None:
    """A prefix, with every record that lies before the cut; a warning; or a refusal."""
    fs = new_log(history)
    newest = segments(fs)[-1]
    data = fs.read(newest)
    ends = record_ends(history, int(newest.stem, 16))
    prefixes = contents(history)
    variants = (data[:size] for size in range(len(data)))
    for variant, outcome in changed_copies(fs, newest, variants):
        if isinstance(outcome, CorruptLog):
            assert len(variant) < ends[-1], "nothing was lost, nothing to refuse"
            continue
        count = batches_of(outcome)
        assert said(outcome) == prefixes[count]
        assert count >= int(newest.stem, 16) - 1 + sum(len(variant) >= end for end in ends)
        assert outcome.warnings


@every_byte
@given(histories())
def test_the_newest_segment_zeroed_from_every_byte(history: list[Batch]) -> None:
    fs = new_log(history)
    newest = segments(fs)[-1]
    data = fs.read(newest)
    ends = record_ends(history, int(newest.stem, 16))
    prefixes = contents(history)
    used = range(RECORDS_OFFSET, ends[-1] if ends else RECORDS_OFFSET)
    variants = (data[:size].ljust(len(data), b"\0") for size in used)
    for _, outcome in changed_copies(fs, newest, variants):
        if isinstance(outcome, Recovered):
            assert said(outcome) == prefixes[batches_of(outcome)]


@settings(every_byte, max_examples=5)
@given(histories(max_batches=6))
def test_one_bit_flipped_at_every_byte(history: list[Batch]) -> None:
    """Acknowledged data are there in full, or the log is refused: never a shorter log."""
    fs = new_log(history)
    whole = contents(history)[-1]
    for path in segments(fs):
        data = fs.read(path)
        variants = (flipped(data, offset, bit=offset % 8) for offset in range(len(data)))
        for _, outcome in changed_copies(fs, path, variants):
            if isinstance(outcome, Recovered):
                assert said(outcome) == whole


@settings(every_byte, max_examples=4)
@given(histories(max_batches=8))
def test_a_released_log_flipped_at_every_byte(history: list[Batch]) -> None:
    """Behind its snapshot, a log without its first segments is as safe as a whole one."""
    whole = contents(history)[-1]
    base = snapshot_of(whole)
    assume(base != ORIGIN)
    fs = new_log(history)
    release(fs, base.index, base=base)
    assume(is_small(fs))
    for path in segments(fs):
        data = fs.read(path)
        variants = (flipped(data, offset, bit=offset % 8) for offset in range(len(data)))
        for _, outcome in changed_copies(fs, path, variants, base):
            if isinstance(outcome, Recovered):
                assert outcome.entries == whole.entries[base.index :]
                assert outcome.hard_state == whole.hard_state
                # With nothing left behind the snapshot there is no telling, and nothing to lose.
                assert not (outcome.void and outcome.entries)


@settings(every_byte, max_examples=4)
@given(histories(max_batches=8))
def test_a_released_log_cut_at_every_byte(history: list[Batch]) -> None:
    whole = contents(history)[-1]
    base = snapshot_of(whole)
    assume(base != ORIGIN)
    fs = new_log(history)
    release(fs, base.index, base=base)
    assume(is_small(fs))
    newest = segments(fs)[-1]
    data = fs.read(newest)
    prefixes = contents(history)
    variants = (data[:size] for size in range(len(data)))
    for _, outcome in changed_copies(fs, newest, variants, base):
        if isinstance(outcome, Recovered):
            prefix = prefixes[batches_of(outcome)].entries
            held = base in [one.id for one in prefix]
            assert outcome.entries == (prefix[base.index :] if held else [])
            assert outcome.void or held
            assert not (outcome.void and outcome.entries)


def is_small(fs: MemoryFileSystem) -> bool:
    """Every byte of a large log would take minutes, and show nothing more."""
    return sum(len(fs.read(path)) for path in segments(fs)) <= BYTES_MAX


def snapshot_of(content: Content) -> EntryId:
    """Of everything that is known to be committed."""
    commit = content.hard_state.commit
    return content.entries[commit - 1].id if commit else ORIGIN


def record_ends(history: list[Batch], first: int) -> list[int]:
    """Where the records of the segment that begins with record ``first`` end."""
    ends = [RECORDS_OFFSET]
    for frame in frames(history)[first - 1 :]:
        ends.append(ends[-1] + frame.size_bytes)
    return ends[1:] or ends
