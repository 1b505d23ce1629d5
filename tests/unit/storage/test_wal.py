"""The write-ahead log: order, segments, failures, its thread."""

import asyncio
import contextlib
import errno
import threading
from pathlib import Path
from random import Random

import pytest

from kvorum.raft.types import EntryId, Index, Term
from kvorum.storage.fs import OsFileSystem
from kvorum.storage.recovery import recover
from kvorum.storage.wal import LogWriteError, Wal, open_log
from kvorum.storage.worker import Worker
from kvorum.testing.memory_fs import Fault, MemoryFileSystem
from tests.unit.storage.logs import (
    FIRST,
    SEGMENT_BYTES,
    WAL,
    cut_after,
    entry,
    new_log,
    segments,
    state,
)
from tests.unit.storage.snaps import at

Operations = list[tuple[str, str]]


def recorded(fs: MemoryFileSystem) -> Operations:
    operations: Operations = []
    fs.fault = lambda operation, path: operations.append((operation, path.name))
    return operations


def fails_with(number: int, operation: str = "write") -> Fault:
    def fault(name: str, path: Path) -> None:
        if name == operation:
            raise OSError(number, errno.errorcode[number], str(path))

    return fault


def opened(fs: MemoryFileSystem, worker: Worker) -> Wal:
    return open_log(fs, WAL, worker, segment_bytes=SEGMENT_BYTES)[0]


async def test_what_was_awaited_is_there_after_reopening(worker: Worker, wal_path: Path) -> None:
    fs = OsFileSystem()
    wal, recovered = open_log(fs, wal_path, worker, segment_bytes=4096)
    assert recovered.entries == []
    for index in range(1, 101):
        await wal.append(state(2, "n", index // 3), [entry(index, term=2)])
    await wal.close()
    assert len(fs.names(wal_path)) > 2
    wal, recovered = open_log(fs, wal_path, worker, segment_bytes=4096)
    assert recovered.entries == [entry(index, term=2) for index in range(1, 101)]
    assert recovered.hard_state == state(2, "n", 33)
    assert recovered.warnings == []
    await wal.append(None, [entry(50, term=3)])
    await wal.close()
    assert [e.term for e in recover(fs, wal_path).entries] == [2] * 49 + [3]


async def test_one_write_and_one_sync_a_batch(worker: Worker) -> None:
    fs = new_log()
    wal = opened(fs, worker)
    operations = recorded(fs)
    await wal.append(state(1, "n"), [entry(1), entry(2), entry(3)])
    assert operations == [("write", FIRST.name), ("sync", FIRST.name)]
    await wal.close()


async def test_new_segment_is_durable_before_it_is_used(worker: Worker) -> None:
    fs = new_log()
    wal = opened(fs, worker)
    operations = recorded(fs)
    await wal.append(None, [entry(1, data=b"x" * 1000)])
    operations.clear()
    await wal.append(None, [entry(2, data=b"x" * 1000)])
    new = "0000000000000002.wal"
    assert operations == [
        ("create", new + ".tmp"),
        ("allocate", new + ".tmp"),
        ("write", new + ".tmp"),
        ("sync", new + ".tmp"),
        ("sync", new + ".tmp"),
        ("rename", new + ".tmp"),
        ("sync_directory", WAL.name),
        ("write", FIRST.name),
        ("sync", FIRST.name),
        ("write", new),
        ("sync", new),
    ]
    await wal.close()


async def test_record_over_the_segment_size_gets_a_larger_segment(worker: Worker) -> None:
    fs = new_log()
    wal = opened(fs, worker)
    entries = [entry(1), entry(2, data=b"x" * 10_000), entry(3)]
    for one in entries:
        await wal.append(None, [one])
    await wal.close()
    assert [len(fs.read(path)) > 10_000 for path in segments(fs)] == [False, True, False]
    assert recover(fs, WAL).entries == entries


async def test_empty_segment_that_is_too_small_is_replaced(worker: Worker) -> None:
    fs = new_log()
    wal = opened(fs, worker)
    entries = [entry(1, data=b"x" * 10_000), entry(2)]
    for one in entries:
        await wal.append(None, [one])
    await wal.close()
    assert [len(fs.read(path)) > 10_000 for path in segments(fs)] == [True, False]
    assert recover(fs, WAL).entries == entries


async def test_appends_keep_their_order_without_waiting(worker: Worker) -> None:
    fs = new_log()
    wal = opened(fs, worker)
    await asyncio.gather(*(wal.append(None, [entry(i)]) for i in range(1, 50)))
    await wal.close()
    assert recover(fs, WAL).entries == [entry(i) for i in range(1, 50)]


async def test_nothing_to_write_is_done_at_once(worker: Worker) -> None:
    fs = new_log()
    wal = opened(fs, worker)
    assert wal.append(None, ()).done()
    await wal.close()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("operation", ["write", "sync"])
async def test_a_failure_is_final_and_names_the_file(
    worker: Worker, number: int, operation: str
) -> None:
    fs = new_log()
    wal = opened(fs, worker)
    await wal.append(None, [entry(1)])
    fs.fault = fails_with(number, operation)
    with pytest.raises(LogWriteError, match=rf"{FIRST}.*{errno.errorcode[number]}") as caught:
        await wal.append(None, [entry(2)])
    assert isinstance(caught.value.__cause__, OSError)
    operations = recorded(fs)
    with pytest.raises(LogWriteError):
        await wal.append(state(1), [entry(2)])
    await wal.close()
    assert operations == []


async def test_a_failure_fails_what_was_queued_behind_it(worker: Worker) -> None:
    fs = new_log()
    wal = opened(fs, worker)
    fs.fault = fails_with(errno.EIO)
    results = await asyncio.gather(
        *(wal.append(None, [entry(i)]) for i in (1, 2, 3)), return_exceptions=True
    )
    assert [type(result) for result in results] == [LogWriteError] * 3
    await wal.close()


@pytest.mark.parametrize("operation", ["create", "allocate", "rename", "sync_directory"])
async def test_no_room_for_a_new_segment(worker: Worker, operation: str) -> None:
    fs = new_log()
    wal = opened(fs, worker)
    kept = entry(1, data=b"x" * 1000)
    await wal.append(None, [kept])
    fs.fault = fails_with(errno.ENOSPC, operation)
    with pytest.raises(LogWriteError, match=r"0000000000000002.wal.*ENOSPC"):
        await wal.append(None, [entry(2, data=b"x" * 1000)])
    await wal.close()
    fs.fault = lambda _operation, _path: None
    assert recover(fs, WAL).entries == [kept]


async def test_a_cancelled_append_still_happens(worker: Worker) -> None:
    fs = new_log()
    wal = opened(fs, worker)
    assert wal.append(None, [entry(1)]).cancel()
    await wal.append(None, [entry(2)])
    await wal.close()
    assert recover(fs, WAL).entries == [entry(1), entry(2)]


async def test_close_finishes_what_is_queued_and_refuses_more(worker: Worker) -> None:
    fs = new_log()
    wal = opened(fs, worker)
    queued = wal.append(None, [entry(1)])
    await asyncio.gather(wal.close(), wal.close())
    assert queued.done()
    assert recover(fs, WAL).entries == [entry(1)]
    with pytest.raises(LogWriteError, match="closed"):
        await wal.append(None, [entry(1)])
    with pytest.raises(LogWriteError, match="closed"):
        await wal.release(Index(1))


async def test_observer_sees_each_sync_on_the_event_loop(worker: Worker) -> None:
    seen: list[tuple[float, int, int, int]] = []
    fs = new_log()
    wal, _ = open_log(
        fs, WAL, worker, observe=lambda *sync: seen.append((*sync, threading.get_ident()))
    )
    await wal.append(None, [entry(1)])
    assert len(seen) == 1
    seconds, size, entries, thread = seen[0]
    assert seconds >= 0
    assert (size % 32, entries, thread) == (0, 1, threading.get_ident())
    await wal.close()


async def test_a_batch_that_cannot_be_encoded_changes_nothing(worker: Worker) -> None:
    fs = new_log()
    wal = opened(fs, worker)
    with pytest.raises(ValueError, match="entry 3 stands where"):
        await wal.append(None, [entry(1), entry(3)])
    await wal.append(None, [entry(1)])
    await wal.close()
    assert recover(fs, WAL).entries == [entry(1)]


# --- release -------------------------------------------------------------------------------


async def filled(fs: MemoryFileSystem, worker: Worker, until: int) -> Wal:
    wal = opened(fs, worker)
    for index in range(1, until + 1):
        await wal.append(state(1, "n", index), [entry(index, data=b"d" * 300)])
    return wal


def first_entry_of(fs: MemoryFileSystem, path: Path) -> int:
    """Each record holds one entry, so it has the record's number."""
    return int(path.stem, 16)


async def test_segments_are_removed_one_after_the_other(worker: Worker) -> None:
    """Each durably before the next: a crash must not leave a gap."""
    fs = new_log()
    wal = await filled(fs, worker, 12)
    names = [path.name for path in segments(fs)]
    second = first_entry_of(fs, segments(fs)[1])
    operations = recorded(fs)
    await wal.release(Index(second - 2))
    assert operations == [], "the last entry of the first segment is still needed"
    await wal.release(Index(12))
    assert operations == [
        step for name in names[:-1] for step in (("remove", name), ("sync_directory", WAL.name))
    ]
    await wal.close()
    assert [path.name for path in segments(fs)] == names[-1:], "the one in use stays"


async def test_what_is_behind_the_index_stays(worker: Worker) -> None:
    fs = new_log()
    wal = await filled(fs, worker, 12)
    await wal.release(Index(7))
    await wal.append(state(1, "n", 13), [entry(13, data=b"d" * 300)])
    await wal.close()
    found = recover(fs, WAL, at(7))
    assert [one.index for one in found.entries] == list(range(8, 14))
    assert found.warnings == []
    wal, recovered = open_log(fs, WAL, worker, base=at(7), segment_bytes=SEGMENT_BYTES)
    before = len(segments(fs))
    await wal.release(Index(10))
    assert len(segments(fs)) < before, "what is in which segment is known after a restart, too"
    assert [one.index for one in recovered.entries] == list(range(8, 14))
    await wal.close()


async def test_a_segment_with_the_only_hard_state_stays(worker: Worker) -> None:
    fs = new_log()
    wal = opened(fs, worker)
    await wal.append(state(3, "n", 0), [entry(1, data=b"d" * 900)])
    for index in range(2, 9):
        await wal.append(None, [entry(index, data=b"d" * 900)])
    await wal.release(Index(8))
    assert segments(fs)[0] == FIRST
    await wal.append(state(3, "n", 8), ())
    await wal.release(Index(8))
    assert len(segments(fs)) == 1
    await wal.close()
    assert recover(fs, WAL, at(8)).hard_state == state(3, "n", 8)


async def test_what_a_base_makes_void_can_be_released(worker: Worker) -> None:
    fs = new_log()
    wal = await filled(fs, worker, 12)
    await wal.append(state(5, None, 9), [entry(10, term=5)], at(9, term=4))
    await wal.release(Index(9))
    assert len(segments(fs)) == 1, "entries up to 12 were there, but void"
    await wal.close()
    found = recover(fs, WAL, at(9, term=4))
    assert found.entries == [entry(10, term=5)]


async def test_a_base_must_be_followed_by_its_successor(worker: Worker) -> None:
    wal = opened(new_log(), worker)
    with pytest.raises(ValueError, match="entry 11 does not follow the base 9"):
        await wal.append(state(5), [entry(11)], at(9))
    await wal.close()


@pytest.mark.parametrize("operation", ["remove", "sync_directory"])
async def test_a_release_that_fails_is_final_too(worker: Worker, operation: str) -> None:
    fs = new_log()
    wal = await filled(fs, worker, 12)
    fs.fault = fails_with(errno.EIO, operation)
    with pytest.raises(LogWriteError, match="EIO"):
        await wal.release(Index(12))
    fs.fault = lambda _operation, _path: None
    with pytest.raises(LogWriteError):
        await wal.append(None, [entry(13)])
    await wal.close()
    recover(fs, WAL, at(12))


@pytest.mark.parametrize("seed", range(30))
async def test_a_crash_while_releasing_leaves_no_gap(worker: Worker, seed: int) -> None:
    fs = new_log()
    wal = await filled(fs, worker, 12)
    fs.fault = cut_after(seed % 9)
    with contextlib.suppress(LogWriteError):
        await wal.release(Index(12))
    random = Random(seed)
    survivor = fs.after_crash(lambda: random.random() < 0.5)
    assert recover(survivor, WAL, at(12)).hard_state == state(1, "n", 12)
    fs.fault = lambda _operation, _path: None
    await wal.close()


async def test_the_size_follows_the_segments(worker: Worker) -> None:
    fs = new_log()

    def on_disk() -> int:
        return sum(len(fs.read(path)) for path in segments(fs))

    wal = await filled(fs, worker, 12)
    assert len(segments(fs)) > 2
    assert wal.size_bytes == on_disk()
    await wal.append(state(1, "n", 12), [entry(13, data=b"d" * (3 * SEGMENT_BYTES))])
    assert wal.size_bytes == on_disk()
    await wal.release(Index(12))
    assert wal.size_bytes == on_disk()
    await wal.close()
    base = EntryId(Term(1), Index(12))
    again, _ = open_log(fs, WAL, worker, base=base, segment_bytes=SEGMENT_BYTES)
    assert again.size_bytes == on_disk()
    await again.close()
