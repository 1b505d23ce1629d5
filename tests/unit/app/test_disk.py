"""What the disk of a node is said to hold."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kvorum.app.disk import DiskWatch
from kvorum.mvcc.state_machine import StateMachine
from kvorum.node.loading import load_state
from kvorum.raft.membership import Membership
from kvorum.raft.types import EntryId, Index, NodeId, Term
from kvorum.storage.data_dir import DataDirectory
from kvorum.storage.fs import OsFileSystem
from kvorum.storage.opening import Storage, open_storage
from kvorum.telemetry.disk_metrics import DiskSample
from tests.unit.storage.inline_worker import InlineWorker

SEGMENT_BYTES = 8192
LAST = EntryId(Term(1), Index(7))
MEMBER = NodeId("localhost:1")


@pytest.fixture
def directory(tmp_path: Path) -> DataDirectory:
    return DataDirectory.open(
        OsFileSystem(),
        tmp_path / "data",
        node_id="Node-1",
        address=MEMBER,
        cluster_id="c",
        members=(MEMBER,),
        uid="u",
        segment_bytes=SEGMENT_BYTES,
    )


@pytest.fixture
async def storage(directory: DataDirectory) -> AsyncIterator[Storage[StateMachine]]:
    worker = InlineWorker()
    opened = await open_storage(
        OsFileSystem(),
        directory,
        load_state,
        log_worker=worker,
        snapshot_worker=worker,
        segment_bytes=SEGMENT_BYTES,
    )
    yield opened
    await opened.close()


async def take_snapshot(storage: Storage[StateMachine]) -> None:
    sink = storage.snapshots.create(LAST, Membership((MEMBER,)))
    for block in StateMachine().freeze().blocks():
        await sink.write(block)
    await sink.finish()


def sample(directory: DataDirectory, storage: Storage[StateMachine]) -> DiskSample:
    return DiskWatch(directory, storage.log, storage.snapshots).sample()


async def test_room_on_the_file_system(
    directory: DataDirectory, storage: Storage[StateMachine]
) -> None:
    told, known = sample(directory, storage), os.statvfs(directory.path)
    assert told.wal_size_bytes == SEGMENT_BYTES
    assert told.data_size_bytes == known.f_blocks * known.f_frsize
    assert told.data_free_bytes is not None
    assert 0 < told.data_free_bytes < told.data_size_bytes


async def test_the_newest_snapshot(
    directory: DataDirectory, storage: Storage[StateMachine]
) -> None:
    told = sample(directory, storage)
    assert (told.snapshot_last_index, told.snapshot_last_timestamp_s) == (None, None)
    await take_snapshot(storage)
    [file] = directory.snapshots_path.glob("*.snap")
    os.utime(file, (1_800_000_000, 1_800_000_000))
    told = sample(directory, storage)
    assert (told.snapshot_last_index, told.snapshot_last_timestamp_s) == (7, 1_800_000_000)


async def test_what_is_gone_has_no_figures(
    directory: DataDirectory, storage: Storage[StateMachine], monkeypatch: pytest.MonkeyPatch
) -> None:
    await take_snapshot(storage)
    [file] = directory.snapshots_path.glob("*.snap")
    file.unlink()

    def fail(_path: Path) -> os.statvfs_result:
        raise OSError(5, "input/output error")

    monkeypatch.setattr(os, "statvfs", fail)
    told = sample(directory, storage)
    assert told == DiskSample(wal_size_bytes=SEGMENT_BYTES, snapshot_last_index=7)
