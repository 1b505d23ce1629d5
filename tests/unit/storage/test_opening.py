"""Snapshot and log together: what a node finds when it starts."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kvorum.errors import CorruptLog, DataDirectoryError, SnapshotDamaged
from kvorum.raft.snapshot import Snapshot
from kvorum.raft.types import Index
from kvorum.storage.data_dir import DataDirectory
from kvorum.storage.fs import OsFileSystem
from kvorum.storage.opening import Storage, open_storage
from kvorum.storage.snapshot_format import snapshot_name
from kvorum.storage.worker import Worker
from kvorum.testing.memory_fs import MemoryFileSystem
from tests.unit.storage.inline_worker import InlineWorker
from tests.unit.storage.logs import entry, flipped, state
from tests.unit.storage.snaps import DATA, MEMBERSHIP, SNAPSHOTS, a_snapshot, adopted, at, taken

WAL_PATH = DATA / "wal"
Opened = Storage[list[bytes]]


def directory(fs: MemoryFileSystem) -> DataDirectory:
    return DataDirectory.open(
        fs,
        DATA,
        node_id="Node-1",
        address="localhost:8001",
        cluster_id="c1",
        members=("localhost:8001",),
        uid="u1",
        segment_bytes=2048,
    )


async def load(_snapshot: Snapshot, blocks: AsyncIterator[bytes]) -> list[bytes]:
    return [block async for block in blocks]


async def opened(fs: MemoryFileSystem) -> Opened:
    data, worker = directory(fs), InlineWorker()
    try:
        return await open_storage(
            fs, data, load, log_worker=worker, snapshot_worker=worker, segment_bytes=2048
        )
    finally:
        data.close()


async def with_entries(*, until: int, snapshots: tuple[int, ...] = ()) -> MemoryFileSystem:
    """Entries 1 to ``until``, one a record, and snapshots taken on the way, log released."""
    fs = MemoryFileSystem()
    storage = await opened(fs)
    for index in range(1, until + 1):
        await storage.log.append(state(1, "n", index), [entry(index, data=b"d" * 200)])
        if index in snapshots:
            await taken(storage.snapshots, at(index), [b"state of %d" % index])
            if storage.snapshots.oldest is not None:
                await storage.log.release(storage.snapshots.oldest.last.index)
    await storage.close()
    return fs


def segments(fs: MemoryFileSystem) -> list[str]:
    return sorted(fs.names(WAL_PATH))


def path_of(snapshot: Snapshot) -> Path:
    return SNAPSHOTS / (snapshot_name(snapshot) + ".snap")


def indexes(storage: Opened) -> list[int]:
    return [one.index for one in storage.recovered.entries]


async def test_a_new_directory_is_empty() -> None:
    storage = await opened(MemoryFileSystem())
    assert (storage.snapshot, storage.state, storage.recovered.entries) == (None, None, [])
    assert storage.warnings == []
    await storage.close()


async def test_state_and_the_entries_behind_it_come_back() -> None:
    fs = await with_entries(until=40, snapshots=(10, 20, 35))
    assert segments(fs)[0] != "0000000000000001.wal", "released"
    storage = await opened(fs)
    assert storage.state == [b"state of 35"]
    assert indexes(storage) == [36, 37, 38, 39, 40]
    assert storage.recovered.hard_state == state(1, "n", 40)
    assert not storage.recovered.void
    await storage.close()


async def test_on_a_real_disk(tmp_path: Path, worker: Worker) -> None:
    fs = OsFileSystem()

    async def open_it() -> Opened:
        data = DataDirectory.open(
            fs,
            tmp_path,
            node_id="Node-1",
            address="a:1",
            cluster_id="c1",
            members=("a:1",),
            uid="u1",
            segment_bytes=4096,
        )
        data.close()
        return await open_storage(fs, data, load, log_worker=worker, snapshot_worker=worker)

    storage = await open_it()
    await storage.log.append(state(1, "n", 1), [entry(1), entry(2)])
    await taken(storage.snapshots, at(1), [b"state of 1"])
    await storage.close()
    storage = await open_it()
    assert (storage.state, indexes(storage)) == ([b"state of 1"], [2])
    await storage.close()


async def test_entries_go_only_when_the_older_snapshot_covers_them() -> None:
    fs = await with_entries(until=40, snapshots=(30,))
    assert segments(fs)[0] == "0000000000000001.wal"
    fs = await with_entries(until=40, snapshots=(10, 30))
    first = int(segments(fs)[0].removesuffix(".wal"), 16)
    assert 1 < first <= 11


async def test_a_damaged_newest_snapshot_is_passed_over() -> None:
    fs = await with_entries(until=40, snapshots=(10, 30))
    storage = await opened(fs)
    assert storage.snapshot is not None
    newest = path_of(storage.snapshot)
    fs.replace(newest, flipped(fs.read(newest), -30))
    storage = await opened(fs)
    assert storage.state == [b"state of 10"]
    assert indexes(storage) == list(range(11, 41))
    [warning] = storage.warnings
    assert str(newest) in warning
    assert storage.snapshots.newest == storage.snapshot
    await storage.close()


async def test_a_damaged_only_snapshot_is_passed_over_if_the_log_is_whole() -> None:
    fs = await with_entries(until=20, snapshots=(10,))
    [name] = fs.names(SNAPSHOTS)
    fs.replace(SNAPSHOTS / name, b"")
    storage = await opened(fs)
    assert (storage.state, indexes(storage)) == (None, list(range(1, 21)))
    assert name in storage.warnings[0]
    await storage.close()


async def test_without_a_sound_snapshot_a_released_log_is_refused() -> None:
    fs = await with_entries(until=40, snapshots=(10, 30))
    names = fs.names(SNAPSHOTS)
    for name in names:
        fs.replace(SNAPSHOTS / name, flipped(fs.read(SNAPSHOTS / name), -1))
    with pytest.raises(CorruptLog, match="first segment of the log is missing") as caught:
        await opened(fs)
    assert all(str(SNAPSHOTS / name) in str(caught.value) for name in names)


async def test_lost_snapshots_are_noticed() -> None:
    fs = await with_entries(until=40, snapshots=(10, 20, 30))
    storage = await opened(fs)
    newest, oldest = storage.snapshots.newest, storage.snapshots.oldest
    assert newest is not None
    assert oldest is not None
    await storage.close()
    fs.remove(path_of(newest))
    storage = await opened(fs)
    assert storage.snapshot == oldest
    await storage.log.release(Index(30))
    await storage.close()
    with pytest.raises(
        CorruptLog, match="ends with entry 30, but the newest sound one ends with entry 20"
    ):
        await opened(fs)


async def test_content_that_cannot_be_read_is_passed_over_like_damage() -> None:
    fs = await with_entries(until=40, snapshots=(10, 30))

    async def picky(snapshot: Snapshot, blocks: AsyncIterator[bytes]) -> list[bytes]:
        if snapshot.last.index == 30:
            raise SnapshotDamaged("of tomorrow")
        return await load(snapshot, blocks)

    worker = InlineWorker()
    storage = await open_storage(
        fs, directory(fs), picky, log_worker=worker, snapshot_worker=worker, segment_bytes=2048
    )
    assert storage.state == [b"state of 10"]
    assert "of tomorrow" in storage.warnings[0]
    await storage.close()


async def test_another_clusters_snapshot_is_refused() -> None:
    fs = await with_entries(until=5)
    snapshot, content = FOREIGN
    fs.replace(path_of(snapshot), content)
    with pytest.raises(DataDirectoryError, match=r"cluster c2.*Move that file away"):
        await opened(fs)


FOREIGN = a_snapshot(3, cluster_id="c2")
THEIRS = a_snapshot(50, [b"state of 50"], term=3)


async def installed(fs: MemoryFileSystem, storage: Opened) -> None:
    """Received and complete, but not in the log yet."""
    snapshot, content = THEIRS
    await adopted(storage.snapshots, snapshot, content)
    await storage.close()


async def test_an_installed_snapshot_begins_the_log_anew() -> None:
    fs = await with_entries(until=9)
    storage = await opened(fs)
    await installed(fs, storage)
    storage = await opened(fs)
    await storage.log.append(state(4, None, 50), [entry(51, term=4)], at(50, term=3))
    await storage.log.append(None, [entry(52, term=4)])
    await storage.close()
    storage = await opened(fs)
    assert (storage.state, indexes(storage)) == ([b"state of 50"], [51, 52])
    assert storage.recovered.hard_state == state(4, None, 50)
    await storage.close()


async def test_a_crash_before_the_log_knows_of_it_leaves_the_snapshot() -> None:
    fs = await with_entries(until=9)
    await installed(fs, await opened(fs))
    storage = await opened(fs)
    assert storage.recovered.void
    assert (storage.state, indexes(storage)) == ([b"state of 50"], [])
    assert storage.recovered.hard_state == state(3, None, 50), "no vote in that term was given"
    await storage.log.append(state(4, "v", 50), [entry(51, term=4)])
    await storage.close()
    storage = await opened(fs)
    assert not storage.recovered.void
    assert indexes(storage) == [51]
    assert storage.recovered.hard_state == state(4, "v", 50)
    await storage.close()


async def test_entries_of_another_history_behind_the_snapshot_are_void() -> None:
    fs = await with_entries(until=5)
    storage = await opened(fs)
    await storage.log.append(None, [entry(i, term=2) for i in range(6, 70)])
    await installed(fs, storage)
    storage = await opened(fs)
    assert storage.recovered.void
    assert indexes(storage) == []
    await storage.close()


async def test_entries_of_the_same_history_behind_the_snapshot_are_kept() -> None:
    fs = await with_entries(until=5)
    storage = await opened(fs)
    await storage.log.append(state(3, "v", 5), [entry(i, term=3) for i in range(6, 70)])
    await installed(fs, storage)
    storage = await opened(fs)
    assert not storage.recovered.void
    assert indexes(storage) == list(range(51, 70))
    assert storage.recovered.hard_state == state(3, "v", 50)
    await storage.close()


async def test_a_snapshot_that_contradicts_what_was_committed_is_refused() -> None:
    fs = await with_entries(until=60)
    await installed(fs, await opened(fs))
    with pytest.raises(CorruptLog, match="not of one history"):
        await opened(fs)


async def test_a_log_that_continues_a_lost_snapshot_names_it() -> None:
    fs = await with_entries(until=9, snapshots=(5,))
    storage = await opened(fs)
    snapshot, content = THEIRS
    await adopted(storage.snapshots, snapshot, content)
    await storage.log.append(state(4, None, 50), [], at(50, term=3))
    await storage.close()
    fs.replace(path_of(snapshot), flipped(content, 40))
    with pytest.raises(CorruptLog, match="a snapshot that ends with entry 50 of term 3") as caught:
        await opened(fs)
    assert str(path_of(snapshot)) in str(caught.value)


async def test_a_snapshot_of_more_than_this_log_ever_stored_is_enough() -> None:
    """Others had committed entries that this disk did not hold yet when it was taken."""
    fs = await with_entries(until=9)
    storage = await opened(fs)
    await taken(storage.snapshots, at(12, term=2), [b"state of 12"])
    await storage.close()
    storage = await opened(fs)
    assert (storage.state, indexes(storage)) == ([b"state of 12"], [])
    assert storage.recovered.hard_state == state(2, None, 12)
    await storage.close()


async def test_an_error_of_the_disk_is_explained() -> None:
    fs = await with_entries(until=5, snapshots=(2,))

    def fault(operation: str, path: Path) -> None:
        if operation == "sync":
            raise OSError(5, "Input/output error", str(path))

    data, worker = directory(fs), InlineWorker()
    fs.fault = fault
    with pytest.raises(DataDirectoryError, match="cannot be opened: Input/output error"):
        await open_storage(fs, data, load, log_worker=worker, snapshot_worker=worker)


async def test_the_membership_comes_back_with_the_snapshot() -> None:
    fs = await with_entries(until=5, snapshots=(2,))
    storage = await opened(fs)
    assert storage.snapshot is not None
    assert storage.snapshot.membership == MEMBERSHIP
    await storage.close()
