"""A backup into the directories of a new cluster: the same for all members, and never half."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from kvorum.app.restore_id import RestoreId, new_restore_id
from kvorum.app.restoring import REVISION_MAX, Restored, load_backup, restore_backup
from kvorum.errors import DataDirectoryError, SnapshotDamaged
from kvorum.mvcc.command import Put, Stamp, encode_batch, encode_command
from kvorum.mvcc.state_machine import StateMachine
from kvorum.node.loading import load_state
from kvorum.raft.membership import Membership
from kvorum.raft.types import NodeId
from kvorum.storage.data_dir import DataDirectory
from kvorum.storage.opening import open_storage
from kvorum.storage.snapshot_file import SnapshotWriter
from kvorum.storage.snapshot_format import Head
from kvorum.testing.memory_fs import MemoryFileSystem
from tests.unit.storage.inline_worker import InlineWorker
from tests.unit.storage.logs import PowerCut, cut_after, flipped
from tests.unit.storage.snaps import at

BACKUP = Path("/backup/kvorum.snapshot")
MEMBERS = ("a:1", "b:1", "c:1")
NOW_US = 1_800_000_000_000_000
RESTORE = new_restore_id(NOW_US, 1)
STAMP = Stamp(1000, 1000, 3600, 1000, 3600, 1 << 20)


def a_machine(writes: int = 5) -> StateMachine:
    machine = StateMachine()
    for index in range(1, writes + 1):
        put = Put(f"r{index}", b"k%d" % index, b'"v%d"' % index, ttl_ms=60_000 * (index == 1))
        machine.apply(index, encode_batch([encode_command(put)], STAMP))
    return machine


def write_backup(
    fs: MemoryFileSystem, machine: StateMachine, *, index: int | None = None
) -> MemoryFileSystem:
    if not fs.exists(BACKUP.parent):
        fs.make_directory(BACKUP.parent)
    frozen = machine.freeze()
    last = at(machine.applied_index if index is None else index)
    writer = SnapshotWriter(fs, BACKUP, Head("old", last, Membership((NodeId("x:1"),))))
    for block in frozen.blocks():
        writer.write(block)
    writer.finish()
    frozen.close()
    return fs


def ignore(_done: int, _total: int) -> None:
    """Nobody watches."""


def restored(
    fs: MemoryFileSystem,
    address: str = "a:1",
    *,
    members: Sequence[str] = MEMBERS,
    bump: int = 1000,
    restore_id: RestoreId = RESTORE,
) -> Restored:
    return restore_backup(
        fs,
        BACKUP,
        Path("/") / address[0],
        node_id=f"Node-{address[0]}",
        address=address,
        members=members,
        uid=f"uid-{address}",
        bump_revision=bump,
        restore_id=restore_id,
        segment_bytes=4096,
        progress=ignore,
    )


def started(fs: MemoryFileSystem, address: str = "a:1") -> tuple[DataDirectory, StateMachine]:
    """As the process does it."""

    async def start() -> tuple[DataDirectory, StateMachine]:
        directory = DataDirectory.open(
            fs,
            Path("/") / address[0],
            node_id=f"Node-{address[0]}",
            address=address,
            cluster_id="new",
            members=MEMBERS,
            uid="other",
            segment_bytes=4096,
        )
        worker = InlineWorker()
        storage = await open_storage(
            fs, directory, load_state, log_worker=worker, snapshot_worker=worker
        )
        await storage.close()
        directory.close()
        assert storage.state is not None
        assert storage.warnings == []
        return directory, storage.state

    return asyncio.run(start())


def test_every_member_starts_from_the_same_state_in_the_same_cluster() -> None:
    fs = write_backup(MemoryFileSystem(), a_machine())
    told = [restored(fs, address) for address in MEMBERS]
    found = [started(fs, address) for address in MEMBERS]
    assert {directory.identity.cluster_id for directory, _ in found} == {told[0].cluster_id}
    assert len({machine.state_hash for _, machine in found}) == 1
    assert [directory.identity.member_id for directory, _ in found] == list(MEMBERS)
    assert len({directory.identity.uid for directory, _ in found}) == 3
    assert told[0].members == MEMBERS


def test_keys_stay_and_revisions_go_on_far_above() -> None:
    before = a_machine()
    fs = write_backup(MemoryFileSystem(), before)
    told = restored(fs)
    assert (told.former_revision, told.revision, told.key_count) == (5, NOW_US, 5)
    assert told.former_cluster_id == "old"
    _, machine = started(fs)
    assert machine.revision == machine.compacted_revision == NOW_US
    assert machine.get(b"k3") == before.get(b"k3")
    assert machine.lease_count == 1
    assert machine.outcome("r3") is None
    assert dict(machine.members) == {}
    put = Put("new", b"k9", b"1")
    (outcome,) = machine.apply(6, encode_batch([encode_command(put)], STAMP))
    assert outcome.revision == NOW_US + 1


def test_the_same_backup_restored_twice_is_two_clusters_without_a_common_revision() -> None:
    """Tokens, entity tags and event ids of the first mean nothing to the second."""
    backup = write_backup(MemoryFileSystem(), a_machine()).read(BACKUP)
    lives = []
    for restore_id in (RESTORE, new_restore_id(NOW_US + 1_000_000, 1)):
        fs = write_backup(MemoryFileSystem(), a_machine())
        assert fs.read(BACKUP) == backup
        lives.append(restored(fs, restore_id=restore_id))
    first, second = lives
    assert first.cluster_id != second.cluster_id
    assert second.revision - first.revision == 1_000_000, "a revision for each microsecond"


def test_at_the_same_time_two_clusters_are_strangers_still() -> None:
    one, two = (
        restored(write_backup(MemoryFileSystem(), a_machine()), restore_id=restore_id)
        for restore_id in (RESTORE, new_restore_id(NOW_US, 2))
    )
    assert one.cluster_id != two.cluster_id


def test_with_a_clock_that_is_behind_revisions_are_raised_all_the_same() -> None:
    fs = write_backup(MemoryFileSystem(), a_machine())
    assert restored(fs, restore_id=new_restore_id(900, 1)).revision == 1005


def test_a_revision_that_json_could_not_tell_exactly_is_none() -> None:
    fs = write_backup(MemoryFileSystem(), a_machine())
    with pytest.raises(DataDirectoryError, match="revision 5 of the backup cannot go on"):
        restored(fs, bump=REVISION_MAX - 4)
    assert not fs.exists(Path("/a"))
    assert restored(fs, bump=REVISION_MAX - 5).revision == REVISION_MAX < 2**53


def test_what_would_make_other_states_makes_other_clusters() -> None:
    fs = write_backup(MemoryFileSystem(), a_machine())
    usual = restored(fs).cluster_id

    def id_of(machine: StateMachine | None = None, **changes: object) -> str:
        fresh = write_backup(MemoryFileSystem(), machine or a_machine())
        return restored(fresh, **changes).cluster_id  # type: ignore[arg-type]  # as restored takes them

    assert id_of() == usual
    assert id_of(members=("c:1", "b:1", "a:1")) == usual
    others = [
        id_of(members=("a:1", "b:1")),
        id_of(bump=1001),
        id_of(restore_id=new_restore_id(NOW_US, 2)),
        id_of(a_machine(6)),
        "old",
    ]
    assert len({usual, *others}) == 6


@pytest.mark.parametrize("offset", [10, -30, 300])
def test_a_damaged_backup_restores_nothing(offset: int) -> None:
    fs = write_backup(MemoryFileSystem(), a_machine())
    fs.replace(BACKUP, flipped(fs.read(BACKUP), offset))
    with pytest.raises(SnapshotDamaged, match=str(BACKUP)):
        restored(fs)
    assert not fs.exists(Path("/a"))


def test_one_that_is_cut_short_neither() -> None:
    whole = write_backup(MemoryFileSystem(), a_machine()).read(BACKUP)
    for size in range(0, len(whole), 7):
        fs = write_backup(MemoryFileSystem(), a_machine())
        fs.replace(BACKUP, whole[:size])
        with pytest.raises(SnapshotDamaged):
            load_backup(fs, BACKUP, ignore)


def test_no_byte_of_a_backup_can_change_unnoticed() -> None:
    fs = write_backup(MemoryFileSystem(), a_machine())
    whole = fs.read(BACKUP)
    for offset in range(len(whole)):
        fs.replace(BACKUP, flipped(whole, offset, bit=offset % 8))
        with pytest.raises(SnapshotDamaged):
            load_backup(fs, BACKUP, ignore)
    for more in (b"\0", b"more"):
        fs.replace(BACKUP, whole + more)
        with pytest.raises(SnapshotDamaged, match="follow its trailer"):
            load_backup(fs, BACKUP, ignore)


def test_a_head_that_belongs_to_another_state_is_noticed() -> None:
    fs = write_backup(MemoryFileSystem(), a_machine(), index=4)
    with pytest.raises(SnapshotDamaged, match="ends with entry 4, but holds the state of entry 5"):
        restored(fs)


def test_an_occupied_directory_is_noticed_before_anything_takes_long() -> None:
    fs = write_backup(MemoryFileSystem(), a_machine())
    restored(fs)

    def fault(operation: str, path: Path) -> None:
        assert path != BACKUP, operation

    fs.fault = fault
    with pytest.raises(DataDirectoryError, match="is not empty"):
        restored(fs)


def test_a_backup_of_what_was_restored_can_be_restored() -> None:
    fs = write_backup(MemoryFileSystem(), a_machine())
    restored(fs)
    _, machine = started(fs)
    again = write_backup(MemoryFileSystem(), machine)
    assert restored(again).revision == NOW_US + 1000, "at least the bump"


@pytest.mark.parametrize("step", range(0, 60, 3))
def test_after_a_crash_it_is_repeated_with_the_same_result(step: int) -> None:
    usual = restored(write_backup(MemoryFileSystem(), a_machine()))
    fs = write_backup(MemoryFileSystem(), a_machine())
    fs.sync_directory(BACKUP.parent)
    fs.fault = cut_after(step)
    try:
        restored(fs)
    except PowerCut:
        after = fs.after_crash(lambda: True)
        identity = Path("/a/identity.json")
        if not after.exists(identity) or b"restoring" in after.read(identity):
            assert restored(after) == usual
        started(after)
    else:
        started(fs)


def test_how_far_it_is_is_told() -> None:
    fs = write_backup(MemoryFileSystem(), a_machine())
    told: list[tuple[int, int]] = []
    load_backup(fs, BACKUP, lambda done, total: told.append((done, total)))
    size = len(fs.read(BACKUP))
    assert told[-1] == (size, size)
    assert told == sorted(told)
