"""A backup into an empty data directory: all of it, or nothing that starts."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from kvorum.errors import CorruptLog, DataDirectoryError
from kvorum.raft.membership import Membership
from kvorum.raft.snapshot import Snapshot
from kvorum.raft.types import NodeId
from kvorum.storage.data_dir import DataDirectory
from kvorum.storage.identity import FORMAT_VERSION, Identity
from kvorum.storage.rescue import rescue
from kvorum.storage.restoring import restore_directory
from kvorum.storage.snapshot_format import Head
from kvorum.testing.memory_fs import MemoryFileSystem
from tests.unit.storage.logs import PowerCut, cut_after, entry, state
from tests.unit.storage.snaps import BLOCKS, DATA, SNAPSHOTS, at, snaps
from tests.unit.storage.test_opening import Opened, directory, opened, with_entries

MEMBERS = Membership((NodeId("localhost:8001"), NodeId("localhost:8002")))
IDENTITY = Identity(FORMAT_VERSION, "Node-1", "localhost:8001", "u2", "c2", ())


def restored(fs: MemoryFileSystem, blocks: Sequence[bytes] = BLOCKS, path: Path = DATA) -> Snapshot:
    head = Head("c2", at(70, term=5), MEMBERS)
    return restore_directory(fs, path, IDENTITY, head, blocks, segment_bytes=2048)


async def check_restored(fs: MemoryFileSystem, blocks: Sequence[bytes] = BLOCKS) -> Opened:
    storage = await opened(fs)
    assert storage.warnings == []
    assert storage.snapshot is not None
    assert (storage.snapshot.last, storage.snapshot.membership) == (at(70, term=5), MEMBERS)
    assert storage.state == list(blocks)
    assert storage.recovered.entries == []
    assert storage.recovered.hard_state == state(5, None, 70)
    data = directory(fs)
    assert data.identity == IDENTITY
    data.close()
    return storage


@pytest.mark.parametrize("present", [(), ("LOCK",), ("lost+found", "LOCK")])
async def test_a_node_starts_from_it_and_goes_on(present: Sequence[str]) -> None:
    fs = MemoryFileSystem()
    if present:
        fs.make_directory(DATA)
    for name in present:
        fs.create(DATA / name).close()
    restored(fs)
    storage = await check_restored(fs)
    await storage.log.append(state(6, "n", 70), [entry(71, term=6)])
    await storage.close()
    again = await opened(fs)
    assert [one.index for one in again.recovered.entries] == [71]


async def test_the_log_does_not_do_without_the_snapshot() -> None:
    """Otherwise a node that lost it before its first start would be a new, empty member."""
    fs = MemoryFileSystem()
    restored(fs)
    fs.remove(SNAPSHOTS / snaps(fs)[0])
    with pytest.raises(CorruptLog, match="continues a snapshot that ends with entry 70"):
        await opened(fs)


@pytest.mark.parametrize("keep", [True, False])
async def test_a_crash_leaves_nothing_that_starts_and_it_can_be_repeated(keep: bool) -> None:
    for step in range(200):
        fs = MemoryFileSystem()
        fs.fault = cut_after(step)
        finished = True
        try:
            restored(fs)
        except PowerCut:
            finished = False
        after = fs.after_crash(lambda: keep)
        if not finished and after.exists(DATA / "identity.json"):
            if b"restoring" in after.read(DATA / "identity.json"):
                with pytest.raises(DataDirectoryError, match=r"interrupted\. Run `kvorum snap"):
                    await opened(after)
                restored(after, [b"another", b"backup"])
                await check_restored(after, [b"another", b"backup"])
            else:
                await check_restored(after)
        elif not finished:
            present = set(after.names(DATA)) if after.exists(DATA) else set()
            assert not present - {"LOCK", "identity.json.tmp"}
            restored(after)
            await check_restored(after)
        else:
            await check_restored(after)
            return
    raise AssertionError("a restore has fewer steps")


async def test_data_are_never_written_over() -> None:
    fs = await with_entries(until=3)
    with pytest.raises(DataDirectoryError, match=r"/data is not empty, it holds identity\.json"):
        restored(fs)
    assert [one.index for one in (await opened(fs)).recovered.entries] == [1, 2, 3]


def test_nor_is_anything_else() -> None:
    fs = MemoryFileSystem()
    fs.make_directory(DATA)
    fs.create(DATA / "thesis.tex").close()
    with pytest.raises(DataDirectoryError, match=r"it holds thesis\.tex"):
        restored(fs)
    assert fs.names(DATA) == ["thesis.tex"]


def test_a_former_format_is_an_occupant_too() -> None:
    fs = MemoryFileSystem()
    fs.make_directory(DATA)
    fs.create(DATA / "identity.json").close()
    former = b'{"format": 1, "node_id": "Node-1", "cluster_id": "c1", "members": []}'
    fs.replace(DATA / "identity.json", former)
    with pytest.raises(DataDirectoryError, match="is not empty"):
        restored(fs)


async def test_an_interrupted_one_is_not_rescued() -> None:
    fs = MemoryFileSystem()

    def fault(operation: str, path: Path) -> None:
        if operation == "create" and path.name.endswith(".snap.tmp"):
            raise OSError(28, "No space left on device", str(path))

    fs.fault = fault
    with pytest.raises(DataDirectoryError, match=r"No space left.*then restore again"):
        restored(fs)
    fs.fault = lambda _operation, _path: None
    with pytest.raises(DataDirectoryError, match="that was interrupted"):
        rescue(fs, DATA, cluster_id="c3", uid="u3")
    restored(fs)
    await check_restored(fs)


async def test_two_at_a_time_do_not_get_along() -> None:
    fs = MemoryFileSystem()
    fs.fault = cut_after(8)
    with pytest.raises(PowerCut):
        restored(fs)
    after = fs.after_crash(lambda: True)
    lock = after.lock(DATA / "LOCK")
    assert lock is not None
    with pytest.raises(DataDirectoryError, match="in use by process"):
        restored(after)
    lock.close()
    restored(after)


async def test_it_belongs_to_its_member_alone() -> None:
    fs = MemoryFileSystem()
    restored(fs)
    with pytest.raises(DataDirectoryError, match="belongs to node 'Node-1'"):
        DataDirectory.open(
            fs,
            DATA,
            node_id="Node-2",
            address="localhost:8001",
            cluster_id="c1",
            members=("localhost:8001",),
            uid="u1",
        )
