"""The write-ahead log: order, segments, failures, its thread."""

import asyncio
import errno
import threading
from pathlib import Path

import pytest

from kvorum.raft.types import Index
from kvorum.storage.fs import OsFileSystem
from kvorum.storage.recovery import recover
from kvorum.storage.wal import LogWriteError, Wal, open_log
from kvorum.storage.worker import Worker
from kvorum.testing.memory_fs import Fault, MemoryFileSystem
from tests.unit.storage.logs import FIRST, SEGMENT_BYTES, WAL, entry, new_log, segments, state

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
