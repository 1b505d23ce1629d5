"""The store of snapshots: taken, received, read, dropped."""

import errno
from pathlib import Path

import pytest

from kvorum.errors import SnapshotDamaged
from kvorum.node.ports import SnapshotSink
from kvorum.raft.membership import Membership
from kvorum.raft.snapshot import Snapshot
from kvorum.raft.types import NodeId
from kvorum.storage.fs import OsFileSystem
from kvorum.storage.record import crc32c
from kvorum.storage.snapshot_file import SYNC_BYTES
from kvorum.storage.snapshot_format import snapshot_name
from kvorum.storage.snapshots import Snapshots, open_snapshots
from kvorum.storage.worker import Worker
from kvorum.testing.memory_fs import Fault, no_fault
from tests.unit.storage.logs import flipped, overwritten
from tests.unit.storage.snaps import (
    BLOCKS,
    MEMBERSHIP,
    SNAPSHOTS,
    a_snapshot,
    adopted,
    at,
    blocks_of,
    file_of,
    new_fs,
    opened,
    received,
    snaps,
    taken,
)

FOREIGN = a_snapshot(7, cluster_id="c2")
OTHER = a_snapshot(60, [b"other"])
THEIRS = a_snapshot(50, [b"their %d" % i * 40 for i in range(20)], term=3)


def fails_with(number: int, operation: str, suffix: str = "") -> Fault:
    def fault(name: str, path: Path) -> None:
        if name == operation and path.name.endswith(suffix):
            raise OSError(number, errno.errorcode[number], str(path))

    return fault


async def written(sink: SnapshotSink) -> Snapshot:
    await sink.write(b"block")
    return await sink.finish()


# --- taken ---------------------------------------------------------------------------------


async def test_a_snapshot_on_a_real_disk_comes_back(tmp_path: Path, worker: Worker) -> None:
    fs, directory = OsFileSystem(), tmp_path / "snapshots"
    store = open_snapshots(fs, directory, worker, "c1")
    assert (store.newest, store.oldest) == (None, None)
    snapshot = await taken(store, at(5, term=2))
    assert store.newest == snapshot
    assert snapshot.last == at(5, term=2)
    assert snapshot.membership == MEMBERSHIP
    [file] = directory.iterdir()
    assert file.name == f"0000000000000005-0000000000000002-{snapshot.checksum:08x}.snap"
    assert snapshot.checksum == crc32c(file.read_bytes())
    assert snapshot.size_bytes == file.stat().st_size
    again = open_snapshots(fs, directory, worker, "c1")
    assert again.newest == snapshot
    assert await blocks_of(again, snapshot) == list(BLOCKS)
    await again.close()
    await store.close()


async def test_nothing_is_seen_before_it_is_finished() -> None:
    store = opened(fs := new_fs())
    sink = store.create(at(5), MEMBERSHIP)
    await sink.write(b"block")
    assert store.newest is None
    assert opened(fs).newest is None
    await sink.abort()
    assert snaps(fs) == []


async def test_a_snapshot_without_blocks_is_one() -> None:
    store = opened(new_fs())
    assert await blocks_of(store, await taken(store, at(1), [])) == []


async def test_the_last_two_are_kept() -> None:
    store = opened(fs := new_fs())
    made = [await taken(store, at(index)) for index in (1, 2)]
    assert (store.oldest, store.newest) == (made[0], made[1])
    made.append(await taken(store, at(3)))
    assert list(store.kept) == made[1:]
    assert snaps(fs) == [snapshot_name(snapshot) + ".snap" for snapshot in made[1:]]
    assert list(opened(fs).kept) == made[1:]


async def test_one_alone_is_not_the_older_one() -> None:
    """As long as there is no second one, all of the log is needed if it turns out damaged."""
    store = opened(new_fs())
    await taken(store, at(1))
    assert store.oldest is None


async def test_one_that_was_overtaken_does_not_become_the_newest() -> None:
    store = opened(new_fs())
    sink = store.create(at(5), MEMBERSHIP)
    newer = await taken(store, at(9))
    older = await sink.finish()
    assert list(store.kept) == [older, newer]


async def test_it_is_synced_before_it_has_its_name() -> None:
    store = opened(fs := new_fs())
    operations: list[tuple[str, str]] = []
    fs.fault = lambda operation, path: operations.append((operation, path.name))
    await taken(store, at(1))
    tmp = "0000000000000001-0000000000000001.snap.tmp"
    assert operations[0] == ("create", tmp)
    assert operations[-3:] == [("sync", tmp), ("rename", tmp), ("sync_directory", "snapshots")]


async def test_large_ones_are_synced_on_the_way() -> None:
    store = opened(fs := new_fs())
    operations: list[str] = []
    fs.fault = lambda operation, path: operations.append(operation)
    await taken(store, at(1), [bytes(SYNC_BYTES // 2)] * 5)
    assert operations.count("sync") == 3


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("operation", ["create", "write", "sync", "rename", "sync_directory"])
async def test_a_failure_fails_that_snapshot_only(number: int, operation: str) -> None:
    store = opened(fs := new_fs())
    before = await taken(store, at(1))
    fs.fault = fails_with(number, operation)
    sink = store.create(at(2), MEMBERSHIP)
    with pytest.raises(OSError, match=errno.errorcode[number]):
        await written(sink)
    await sink.abort()
    assert store.newest == before
    fs.fault = no_fault
    assert [name for name in snaps(fs) if name.endswith(".tmp")] == []
    after = await taken(store, at(3))
    assert list(store.kept) == [before, after]
    assert len(snaps(fs)) == 2


async def test_what_is_finished_cannot_be_aborted() -> None:
    store = opened(new_fs())
    sink = store.create(at(2), MEMBERSHIP)
    snapshot = await sink.finish()
    await sink.abort()
    assert await blocks_of(store, snapshot) == []


# --- received --------------------------------------------------------------------------------


async def test_bytes_of_another_node_become_the_newest() -> None:
    snapshot, content = THEIRS
    store = opened(fs := new_fs())
    assert await received(store, snapshot, content) == snapshot.size_bytes
    assert not store.kept
    await store.complete(snapshot)
    await store.adopt(snapshot)
    assert store.newest == snapshot
    assert await file_of(store, snapshot) == content
    assert opened(fs).newest == snapshot


async def test_only_what_continues_is_stored() -> None:
    snapshot, content = THEIRS
    store = opened(new_fs())
    assert await store.receive(snapshot, 10, content[10:20]) == 0
    assert await store.receive(snapshot, 0, content[:20]) == 20
    assert await store.receive(snapshot, 0, content[:20]) == 20
    assert await store.receive(snapshot, 30, content[30:]) == 20
    assert await received(store, snapshot, content) == len(content)
    await store.complete(snapshot)
    await store.adopt(snapshot)
    assert await file_of(store, snapshot) == content


async def test_a_transfer_goes_on_after_a_restart_where_blocks_are_whole() -> None:
    snapshot, content = THEIRS
    fs = new_fs()
    store = opened(fs)
    await store.receive(snapshot, 0, content[: len(content) - 100])
    await store.close()
    store = opened(fs)
    here = await store.received(snapshot)
    assert len(content) - 600 < here <= len(content) - 100
    assert await received(store, snapshot, content) == len(content)
    await store.complete(snapshot)
    await store.adopt(snapshot)
    assert await file_of(store, snapshot) == content


async def test_bytes_that_a_crash_lost_are_fetched_again() -> None:
    snapshot, content = THEIRS
    fs = new_fs()
    await received(opened(fs), snapshot, content)
    part = SNAPSHOTS / (snapshot_name(snapshot) + ".part")
    fs.replace(part, overwritten(content, 2000, bytes(512)))
    store = opened(fs)
    here = await store.received(snapshot)
    assert 1000 < here <= 2000
    await received(store, snapshot, content)
    await store.complete(snapshot)
    await store.adopt(snapshot)
    assert store.newest == snapshot


async def test_the_first_bytes_of_another_one_end_a_transfer() -> None:
    snapshot, content = THEIRS
    other, others_content = OTHER
    store = opened(fs := new_fs())
    await store.receive(snapshot, 0, content[:50])
    assert await store.received(other) == 0
    await received(store, other, others_content)
    assert snaps(fs) == [snapshot_name(other) + ".part"]
    assert await store.received(snapshot) == 0
    await store.complete(other)
    await store.adopt(other)
    assert store.newest == other


async def test_one_that_is_here_already_needs_no_bytes() -> None:
    snapshot, content = THEIRS
    store = opened(new_fs())
    await received(store, snapshot, content)
    await store.complete(snapshot)
    for _ in ("complete", "kept"):
        assert await store.received(snapshot) == snapshot.size_bytes
        assert await store.receive(snapshot, 0, content[:9]) == snapshot.size_bytes
        await store.complete(snapshot)
        await store.adopt(snapshot)
    assert list(store.kept) == [snapshot]


@pytest.mark.parametrize("offset", [0, 9, 40, 200, 1500, -1])
async def test_damaged_bytes_are_refused_and_forgotten(offset: int) -> None:
    snapshot, content = THEIRS
    store = opened(fs := new_fs())
    await received(store, snapshot, flipped(content, offset % len(content)))
    with pytest.raises(SnapshotDamaged, match=snapshot_name(snapshot)):
        await store.complete(snapshot)
    assert snaps(fs) == []
    assert await store.received(snapshot) == 0
    await received(store, snapshot, content)
    await store.complete(snapshot)
    await store.adopt(snapshot)
    assert store.newest == snapshot


async def test_what_is_not_all_here_is_not_complete() -> None:
    snapshot, content = THEIRS
    store = opened(new_fs())
    with pytest.raises(SnapshotDamaged, match="nothing was received"):
        await store.complete(snapshot)
    await store.receive(snapshot, 0, content[:-1])
    with pytest.raises(SnapshotDamaged, match="bytes"):
        await store.complete(snapshot)


async def test_more_bytes_than_announced_are_refused() -> None:
    snapshot, content = THEIRS
    store = opened(fs := new_fs())
    with pytest.raises(SnapshotDamaged, match="more bytes"):
        await store.receive(snapshot, 0, content + b"!")
    assert snaps(fs) == []


async def test_sound_bytes_under_a_wrong_name_are_refused() -> None:
    """Whole and sound, but not what the leader announced."""
    snapshot, content = THEIRS
    claims = [
        Snapshot(at(51, term=3), snapshot.membership, len(content), snapshot.checksum),
        Snapshot(snapshot.last, Membership((NodeId("x:1"),)), len(content), snapshot.checksum),
        Snapshot(snapshot.last, snapshot.membership, len(content), snapshot.checksum ^ 1),
    ]
    for claim in claims:
        store = opened(new_fs())
        await received(store, claim, content)
        with pytest.raises(SnapshotDamaged, match="expected"):
            await store.complete(claim)


async def test_a_snapshot_of_another_cluster_is_not_taken_over() -> None:
    snapshot, content = FOREIGN
    store = opened(new_fs())
    await received(store, snapshot, content)
    with pytest.raises(SnapshotDamaged, match="cluster c2, this node to cluster c1"):
        await store.complete(snapshot)


async def test_a_full_disk_gets_its_space_back() -> None:
    snapshot, content = THEIRS
    store = opened(fs := new_fs())
    await store.receive(snapshot, 0, content[:100])
    fs.fault = fails_with(errno.ENOSPC, "write")
    with pytest.raises(OSError, match="ENOSPC"):
        await store.receive(snapshot, 100, content[100:200])
    assert snaps(fs) == []
    fs.fault = no_fault
    await received(store, snapshot, content)
    await store.complete(snapshot)
    await store.adopt(snapshot)
    assert store.newest == snapshot


@pytest.mark.parametrize("operation", ["sync", "rename"])
async def test_completing_can_be_tried_again(operation: str) -> None:
    snapshot, content = THEIRS
    store = opened(fs := new_fs())
    await received(store, snapshot, content)
    fs.fault = fails_with(errno.EIO, operation)
    with pytest.raises(OSError, match="EIO"):
        await completed(store, snapshot)
    fs.fault = no_fault
    assert await store.received(snapshot) == snapshot.size_bytes
    await completed(store, snapshot)
    assert store.newest == snapshot


async def completed(store: Snapshots, snapshot: Snapshot) -> None:
    await store.complete(snapshot)
    await store.adopt(snapshot)


async def test_one_that_is_complete_can_be_loaded_and_takes_no_place_before_it_is_adopted() -> None:
    """Nobody has seen yet whether this release can read the state in it."""
    store = opened(fs := new_fs())
    own = [await taken(store, at(index)) for index in (1, 2)]
    snapshot, content = THEIRS
    await received(store, snapshot, content)
    await store.complete(snapshot)
    assert len(await blocks_of(store, snapshot)) == 20
    assert list(store.kept) == own
    assert list(opened(fs).kept) == own, "nor after a crash"
    await store.adopt(snapshot)
    assert list(store.kept) == [own[1], snapshot]


async def test_only_what_was_verified_is_adopted() -> None:
    snapshot, content = THEIRS
    store = opened(fs := new_fs())
    await received(store, snapshot, content)
    with pytest.raises(AssertionError, match="verified"):
        await store.adopt(snapshot)
    assert store.newest is None
    assert snaps(fs) == [snapshot_name(snapshot) + ".part"]


async def test_what_is_not_needed_is_discarded() -> None:
    snapshot, content = THEIRS
    store = opened(fs := new_fs())
    kept = await taken(store, at(1))
    await received(store, snapshot, content)
    await store.complete(snapshot)
    for one in (snapshot, snapshot, kept):
        await store.discard(one)
    assert await store.received(snapshot) == 0
    assert (list(store.kept), len(snaps(fs))) == ([kept], 1)


# --- read ------------------------------------------------------------------------------------


async def test_what_is_being_sent_can_be_read_although_it_was_dropped() -> None:
    store = opened(fs := new_fs())
    first = await taken(store, at(1))
    content = await store.read(first, 0, 50)
    for index in (2, 3):
        await taken(store, at(index))
    assert len(snaps(fs)) == 2
    content += await store.read(first, 50, first.size_bytes)
    assert crc32c(content) == first.checksum
    store.done_with(first)
    with pytest.raises(FileNotFoundError):
        await store.read(first, 0, 50)


async def test_several_who_read_one_do_not_disturb_each_other() -> None:
    store = opened(new_fs())
    first = await taken(store, at(1))
    for _ in range(2):
        await store.check(first)
    for index in (2, 3):
        await taken(store, at(index))
    content = await store.read(first, 0, first.size_bytes)
    store.done_with(first)
    assert await store.read(first, 0, first.size_bytes) == content
    store.done_with(first)
    with pytest.raises(FileNotFoundError):
        await store.read(first, 0, 50)


async def test_damage_found_while_loading_makes_it_unknown() -> None:
    """So that it can be received again."""
    snapshot, content = THEIRS
    store = opened(fs := new_fs())
    await adopted(store, snapshot, content)
    path = SNAPSHOTS / (snapshot_name(snapshot) + ".snap")
    fs.replace(path, flipped(content, 1000))
    with pytest.raises(SnapshotDamaged, match=f"{path}: damaged near byte .*: block"):
        await blocks_of(store, snapshot)
    assert store.newest is None
    await received(store, snapshot, content)
    await store.complete(snapshot)
    assert len(await blocks_of(store, snapshot)) == 20


async def test_damage_found_while_loading_what_was_received_makes_it_unknown() -> None:
    """It came between verifying and loading."""
    snapshot, content = THEIRS
    store = opened(fs := new_fs())
    await received(store, snapshot, content)
    await store.complete(snapshot)
    fs.replace(SNAPSHOTS / (snapshot_name(snapshot) + ".part"), flipped(content, 1000))
    with pytest.raises(SnapshotDamaged, match=r"damaged near byte .*: block"):
        await blocks_of(store, snapshot)
    assert (await store.received(snapshot), snaps(fs)) == (0, [])


async def test_what_has_rotted_is_found_before_it_is_sent() -> None:
    store = opened(fs := new_fs())
    snapshot = await taken(store, at(1))
    await store.check(snapshot)
    path = SNAPSHOTS / (snapshot_name(snapshot) + ".snap")
    content = fs.read(path)
    fs.replace(path, flipped(content, len(content) // 2))
    with pytest.raises(SnapshotDamaged, match=f"{path}: damaged"):
        await store.check(snapshot)
    await store.distrust(snapshot)
    assert store.newest is None
    assert await taken(store, at(1)) == snapshot
    assert await file_of(store, snapshot) == content, "the same state makes the same file"


async def test_what_was_checked_can_be_read_although_it_was_dropped() -> None:
    store = opened(new_fs())
    first = await taken(store, at(1))
    await store.check(first)
    for index in (2, 3):
        await taken(store, at(index))
    assert crc32c(await file_of(store, first)) == first.checksum
    with pytest.raises(FileNotFoundError):
        await store.check(first)


async def test_loading_can_be_given_up(worker: Worker, tmp_path: Path) -> None:
    store = open_snapshots(OsFileSystem(), tmp_path / "snapshots", worker, "c1")
    snapshot = await taken(store, at(1))
    blocks = store.load(snapshot)
    assert await anext(blocks) == BLOCKS[0]
    await blocks.aclose()
    assert await blocks_of(store, snapshot) == list(BLOCKS)
    await store.close()


@pytest.mark.parametrize("operation", ["open", "read"])
async def test_a_disk_that_cannot_be_read_is_not_a_damaged_snapshot(operation: str) -> None:
    store = opened(fs := new_fs())
    snapshot = await taken(store, at(1))
    fs.fault = fails_with(errno.EIO, operation)
    with pytest.raises(OSError, match="EIO"):
        await blocks_of(store, snapshot)
    assert store.newest == snapshot
