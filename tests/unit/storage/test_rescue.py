"""A new cluster made of one survivor's data directory."""

from pathlib import Path

import pytest

from kvorum.errors import CorruptLog, DataDirectoryError
from kvorum.raft.membership import Membership, decode_membership
from kvorum.raft.types import EntryKind, NodeId
from kvorum.storage.data_dir import DataDirectory
from kvorum.storage.opening import Storage, open_storage
from kvorum.storage.rescue import RescueReport, rescue
from kvorum.testing.memory_fs import MemoryFileSystem
from tests.unit.storage.inline_worker import InlineWorker
from tests.unit.storage.logs import PowerCut, cut_after, entry, flipped, state
from tests.unit.storage.snaps import DATA, SNAPSHOTS, at, snaps
from tests.unit.storage.test_opening import directory, load, opened, with_entries

KEPT = list(range(21, 41))
Directory = tuple[DataDirectory, Storage[list[bytes]]]


async def survivor(*, snapshots: tuple[int, ...] = (10, 20)) -> MemoryFileSystem:
    """Forty entries, of which 38 are known to be committed."""
    fs = await with_entries(until=38, snapshots=snapshots)
    storage = await opened(fs)
    await storage.log.append(state(2, "other", 38), [entry(39, term=2), entry(40, term=2)])
    await storage.close()
    return fs


def rescued(fs: MemoryFileSystem, cluster_id: str = "c2", uid: str = "u2") -> RescueReport:
    return rescue(fs, DATA, cluster_id=cluster_id, uid=uid)


async def reopened(fs: MemoryFileSystem) -> Directory:
    data, worker = directory(fs), InlineWorker()
    storage = await open_storage(
        fs, data, load, log_worker=worker, snapshot_worker=worker, segment_bytes=2048
    )
    await storage.close()
    data.close()
    return data, storage


def check_new_cluster(found: Directory, *, cluster_id: str = "c2") -> None:
    data, storage = found
    identity = data.identity
    assert (identity.cluster_id, identity.uid, identity.members) == (cluster_id, "u2", ())
    assert identity.member_id == "localhost:8001#29"
    assert identity.rescue is None
    assert storage.state == [b"state of 20"]
    *kept, last = storage.recovered.entries
    assert [one.index for one in kept] == KEPT
    assert (last.id, last.kind) == (at(41, term=3), EntryKind.MEMBERSHIP)
    assert decode_membership(last.data) == Membership((NodeId("localhost:8001#29"),))
    assert storage.recovered.hard_state == state(3, "localhost:8001#29", 38)
    assert storage.warnings == []


def check_old_cluster(found: Directory) -> None:
    data, storage = found
    assert (data.identity.cluster_id, data.identity.uid) == ("c1", "u1")
    assert [one.index for one in storage.recovered.entries] == KEPT
    assert storage.recovered.hard_state == state(2, "other", 38)


async def test_everything_is_kept_and_the_survivor_decides_alone() -> None:
    fs = await survivor()
    report = rescued(fs)
    assert report == RescueReport("c2", "localhost:8001#29", at(40, term=2), at(20), 2, [])
    check_new_cluster(await reopened(fs))
    assert len(snaps(fs)) == 2


async def test_without_a_snapshot() -> None:
    fs = await survivor(snapshots=())
    report = rescued(fs)
    assert (report.snapshot, report.last, report.unconfirmed) == (None, at(40, term=2), 2)
    _, storage = await reopened(fs)
    assert [one.index for one in storage.recovered.entries] == list(range(1, 42))


async def test_an_empty_log_can_be_rescued() -> None:
    fs = await with_entries(until=0)
    assert rescued(fs).last == at(0, term=0)
    _, storage = await reopened(fs)
    assert [one.id for one in storage.recovered.entries] == [at(1)]


async def test_repeating_it_changes_nothing() -> None:
    fs = await survivor()
    rescued(fs)
    again = rescued(fs)
    assert (again.cluster_id, again.member_id) == ("c2", "localhost:8001#29")
    check_new_cluster(await reopened(fs))


async def test_another_rescue_makes_another_cluster() -> None:
    fs = await survivor()
    rescued(fs)
    report = rescued(fs, cluster_id="c3", uid="u3")
    assert report.cluster_id == "c3"
    data, storage = await reopened(fs)
    assert data.identity.member_id == "localhost:8001#2a"
    last = storage.recovered.entries[-1]
    assert last.id == at(42, term=4)
    assert decode_membership(last.data) == Membership((NodeId("localhost:8001#2a"),))


@pytest.mark.parametrize("keep", [True, False])
async def test_a_crash_at_any_step_leaves_the_old_or_the_new(keep: bool) -> None:
    for step in range(200):
        fs = await survivor()
        fs.fault = cut_after(step)
        finished = True
        try:
            rescued(fs)
        except PowerCut:
            finished = False
        after = fs.after_crash(lambda: keep)
        identity = after.read(DATA / "identity.json")
        found = await reopened(after)
        if finished or b"c2" in identity:
            check_new_cluster(found)
        else:
            check_old_cluster(found)
        rescued(after, uid="u2")
        check_new_cluster(await reopened(after))
        if finished:
            return
    raise AssertionError("a rescue has fewer steps")


@pytest.mark.parametrize("seed", range(40))
async def test_an_interrupted_one_is_finished_under_its_first_name(seed: int) -> None:
    fs = await survivor()
    fs.fault = cut_after(12 + seed)
    with pytest.raises(PowerCut):
        rescued(fs)
    after = fs.after_crash(lambda: True)
    begun = b"c2" in after.read(DATA / "identity.json")
    report = rescued(after, cluster_id="c2" if not begun else "c9", uid="u2" if not begun else "u9")
    assert report.cluster_id == "c2"
    check_new_cluster(await reopened(after))


async def test_a_damaged_snapshot_is_passed_over() -> None:
    fs = await survivor()
    newest = SNAPSHOTS / snaps(fs)[-1]
    fs.replace(newest, flipped(fs.read(newest), -30))
    report = rescued(fs)
    assert report.snapshot == at(10)
    assert str(newest) in report.warnings[0]
    _, storage = await reopened(fs)
    assert storage.state == [b"state of 10"]
    assert [one.index for one in storage.recovered.entries] == list(range(11, 42))
    assert storage.warnings == []


async def test_a_damaged_log_is_not_touched() -> None:
    fs = await survivor()
    path = DATA / "wal" / min(fs.names(DATA / "wal"))
    fs.replace(path, flipped(fs.read(path), 1100))
    before = fs.read(DATA / "identity.json")
    with pytest.raises(CorruptLog):
        rescued(fs)
    assert fs.read(DATA / "identity.json") == before


async def test_a_running_node_is_not_rescued() -> None:
    fs = await survivor()
    data = directory(fs)
    with pytest.raises(DataDirectoryError, match="in use by process"):
        rescued(fs)
    data.close()
    rescued(fs)


async def test_what_is_no_data_directory_is_refused() -> None:
    with pytest.raises(DataDirectoryError, match=r"identity\.json is missing"):
        rescued(MemoryFileSystem())


async def test_an_older_release_must_be_upgraded_first() -> None:
    fs = await survivor()
    former = b'{"format": 1, "node_id": "Node-1", "cluster_id": "c1", "members": []}'
    fs.replace(DATA / "identity.json", former)
    with pytest.raises(DataDirectoryError, match="start its node with this one"):
        rescued(fs)


async def test_a_full_disk_is_told_and_can_be_tried_again() -> None:
    fs = await survivor()

    def fault(operation: str, path: Path) -> None:
        if operation == "create" and path.name.endswith(".snap.tmp"):
            raise OSError(28, "No space left on device", str(path))

    fs.fault = fault
    with pytest.raises(DataDirectoryError, match="No space left"):
        rescued(fs)
    fs.fault = lambda _operation, _path: None
    rescued(fs)
    check_new_cluster(await reopened(fs))
