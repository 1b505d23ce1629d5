"""Power cuts: whatever was acknowledged is there, in order, and nothing else is."""

from collections.abc import Sequence
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from kvorum.storage.recovery import Recovered, recover
from kvorum.storage.wal import continue_log
from kvorum.testing.memory_fs import MemoryFileSystem
from tests.unit.storage.histories import histories
from tests.unit.storage.logs import (
    SEGMENT_BYTES,
    WAL,
    Batch,
    PowerCut,
    contents,
    cut_after,
    new_log,
    said,
)


def acknowledged(fs: MemoryFileSystem, recovered: Recovered, batches: Sequence[Batch]) -> int:
    """Write until the power goes; how many batches were made durable."""
    done = 0
    try:
        writer = continue_log(fs, recovered, segment_bytes=SEGMENT_BYTES)
        for batch in batches:
            writer.write(writer.frame(batch.hard_state, batch.entries, batch.base))
            done += 1
    except PowerCut:
        return done
    return done


@settings(max_examples=200)
@given(
    history=histories(),
    operations=st.lists(st.integers(0, 60), min_size=1, max_size=4),
    seed=st.integers(0, 2**32),
)
def test_acknowledged_batches_survive_power_cuts(
    history: list[Batch], operations: list[int], seed: int
) -> None:
    """The result is the acknowledged batches, or those and the one that was being written."""
    random = Random(seed)
    likely = random.choice((0.0, 0.1, 0.5, 0.9, 1.0))
    expected = contents(history)
    fs, held = new_log(), 0
    for count in operations:
        recovered = recover(fs, WAL)
        assert said(recovered) == expected[held]
        fs.fault = cut_after(count)
        done = acknowledged(fs, recovered, history[held:])
        fs = fs.after_crash(lambda: random.random() < likely)
        found = recover(fs, WAL).tail.sequence - 1
        assert held + done <= found <= min(held + done + 1, len(history))
        held = found
    assert said(recover(fs, WAL)) == expected[held]


@settings(max_examples=100)
@given(history=histories(), operations=st.integers(0, 8), seed=st.integers(0, 2**32))
def test_a_power_cut_during_recovery_loses_nothing(
    history: list[Batch], operations: int, seed: int
) -> None:
    random = Random(seed)

    def keep() -> bool:
        return random.random() < 0.5

    fs = new_log()
    recovered = recover(fs, WAL)
    fs.fault = cut_after(random.randrange(40))
    done = acknowledged(fs, recovered, history)
    fs = fs.after_crash(keep)
    fs.fault = cut_after(operations)
    try:
        returned = recover(fs, WAL).tail.sequence - 1
    except PowerCut:
        returned = done
    found = recover(fs.after_crash(keep), WAL).tail.sequence - 1
    assert done <= returned <= found <= done + 1
