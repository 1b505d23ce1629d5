"""A data directory that begins anew for another member, and what it held before."""

from pathlib import Path
from random import Random

import pytest

from kvorum.errors import DataDirectoryError
from kvorum.raft.types import HardState
from kvorum.storage.data_dir import DataDirectory
from kvorum.storage.fs import OsFileSystem
from kvorum.storage.identity import Identity, read_identity
from kvorum.storage.recovery import recover
from kvorum.storage.rescue import rescue
from kvorum.testing.memory_fs import Keep, MemoryFileSystem
from tests.unit.storage.logs import PowerCut, cut_after, state
from tests.unit.storage.snaps import DATA, at
from tests.unit.storage.test_opening import directory, opened, with_entries

OLD, NEW, NEWER = "localhost:8001", "localhost:8001#1e", "localhost:8001#2f"
LAST = 40


async def former_member() -> MemoryFileSystem:
    return await with_entries(until=LAST, snapshots=(10, 20))


def begin_anew(fs: MemoryFileSystem, member_id: str = NEW, uid: str = "u2") -> DataDirectory:
    data = directory(fs)
    try:
        data.begin_anew(member_id, uid, segment_bytes=2048)
    finally:
        data.close()
    return data


async def check_new(fs: MemoryFileSystem, member_id: str = NEW, uid: str = "u2") -> None:
    """As an empty directory that was given the id."""
    data = directory(fs)
    assert data.identity == Identity(2, "Node-1", member_id, uid, "c1", ())
    data.close()
    storage = await opened(fs)
    assert (storage.snapshot, storage.recovered.entries, storage.warnings) == (None, [], [])
    assert storage.recovered.hard_state == HardState()
    await storage.close()


async def check_all_there(fs: MemoryFileSystem, path: Path, member_id: str = OLD) -> None:
    """A complete data directory."""
    identity = read_identity(fs, path)
    assert isinstance(identity, Identity)
    assert (identity.member_id, identity.putting_aside) == (member_id, None)
    found = recover(fs, path / "wal", at(20))
    assert [entry.index for entry in found.entries] == list(range(21, LAST + 1))
    assert found.hard_state == state(1, "n", LAST)
    assert len([n for n in fs.names(path / "snapshots") if n.endswith(".snap")]) == 2


async def test_it_is_as_an_empty_one_and_the_former_is_kept() -> None:
    fs = await former_member()
    begin_anew(fs)
    await check_new(fs)
    await check_all_there(fs, DATA / f"former-{OLD}")


async def test_only_one_former_life_is_kept() -> None:
    fs = await former_member()
    begin_anew(fs)
    storage = await opened(fs)
    await storage.close()
    begin_anew(fs, NEWER, "u3")
    await check_new(fs, NEWER, "u3")
    assert [name for name in fs.names(DATA) if name.startswith("former-")] == [f"former-{NEW}"]
    assert not fs.names(DATA / f"former-{OLD}" / "wal")


async def test_what_somebody_else_put_there_stays() -> None:
    fs = await former_member()
    begin_anew(fs)
    notes = DATA / f"former-{OLD}" / "notes.txt"
    fs.replace(notes, b"look into this")
    begin_anew(fs, NEWER, "u3")
    assert fs.read(notes) == b"look into this"
    await check_new(fs, NEWER, "u3")


def keeping(seed: int) -> Keep:
    """0: nothing that was not synced, 1: everything; otherwise some of it."""
    if seed < 2:
        return lambda: bool(seed)
    random = Random(seed)
    return lambda: random.random() < 0.5


@pytest.mark.parametrize("seed", range(8))
async def test_a_crash_at_any_step_leaves_the_old_or_the_new(seed: int) -> None:
    for step in range(200):
        fs = await former_member()
        fs.fault = cut_after(step)
        finished = True
        try:
            begin_anew(fs)
        except PowerCut:
            finished = False
        after = fs.after_crash(keeping(seed))
        if NEW.encode() in after.read(DATA / "identity.json"):
            await check_new(after)
        else:
            assert not finished
            await check_all_there(after, DATA)
            begin_anew(after)
            await check_new(after)
        await check_all_there(after, DATA / f"former-{OLD}")
        if finished:
            return
    raise AssertionError("it has fewer steps")


@pytest.mark.parametrize("seed", range(4))
async def test_so_does_a_second_crash_while_the_first_is_mended(seed: int) -> None:
    for step in range(200):
        fs = await former_member()
        fs.fault = cut_after(17 + 4 * seed)
        with pytest.raises(PowerCut):
            begin_anew(fs)
        once = fs.after_crash(keeping(seed))
        assert NEW.encode() in once.read(DATA / "identity.json")
        once.fault = cut_after(step)
        finished = True
        try:
            directory(once).close()
        except PowerCut:
            finished = False
        twice = once.after_crash(keeping(seed))
        await check_new(twice)
        await check_all_there(twice, DATA / f"former-{OLD}")
        if finished:
            return
    raise AssertionError("it has fewer steps")


@pytest.mark.parametrize("seed", range(4))
async def test_an_earlier_life_goes_only_when_the_new_one_is_durable(seed: int) -> None:
    for step in range(200):
        fs = await former_member()
        begin_anew(fs)
        fs.fault = cut_after(step)
        finished = True
        try:
            begin_anew(fs, NEWER, "u3")
        except PowerCut:
            finished = False
        after = fs.after_crash(keeping(seed))
        if NEWER.encode() not in after.read(DATA / "identity.json"):
            await check_all_there(after, DATA / f"former-{OLD}")
            await check_new(after)
            begin_anew(after, NEWER, "u3")
        await check_new(after, NEWER, "u3")
        assert [n for n in after.names(DATA) if n.startswith("former-")] == [f"former-{NEW}"]
        if finished:
            return
    raise AssertionError("it has fewer steps")


async def test_a_full_disk_is_told_and_can_be_tried_again() -> None:
    fs = await former_member()

    def fault(operation: str, path: Path) -> None:
        if operation in ("write", "create") and path.name.startswith("identity.json"):
            raise OSError(28, "No space left on device", str(path))

    fs.fault = fault
    with pytest.raises(DataDirectoryError, match="No space left on device"):
        begin_anew(fs)
    fs.fault = lambda _operation, _path: None
    begin_anew(fs)
    await check_new(fs)


async def test_former_data_are_not_mixed_with_those_of_another_copy() -> None:
    """Somebody put the old directory back after it had begun anew."""
    fs = await former_member()
    begin_anew(fs)
    storage = await opened(fs)
    await storage.close()
    fs.replace(DATA / "identity.json", fs.read(DATA / f"former-{OLD}" / "identity.json"))
    with pytest.raises(DataDirectoryError, match="holds data already"):
        begin_anew(fs)
    assert OLD in fs.read(DATA / "identity.json").decode()


async def test_one_that_is_half_anew_is_not_rescued() -> None:
    fs = await former_member()
    fs.fault = cut_after(17)
    with pytest.raises(PowerCut):
        begin_anew(fs)
    after = fs.after_crash(lambda: True)
    with pytest.raises(DataDirectoryError, match=f"are in former-{OLD}"):
        rescue(after, DATA, cluster_id="c2", uid="u9")


def test_on_a_real_disk(tmp_path: Path) -> None:
    def opened_there() -> DataDirectory:
        return DataDirectory.open(
            OsFileSystem(),
            tmp_path,
            node_id="Node-1",
            address=OLD,
            cluster_id="c1",
            members=(OLD,),
            uid="u1",
            segment_bytes=2048,
        )

    data = opened_there()
    data.begin_anew(NEW, "u2", segment_bytes=2048)
    data.begin_anew(NEWER, "u3", segment_bytes=2048)
    data.close()
    again = opened_there()
    assert again.identity == Identity(2, "Node-1", NEWER, "u3", "c1", ())
    again.close()
    there = {path.name for path in tmp_path.iterdir()}
    assert there == {"LOCK", "identity.json", "wal", f"former-{NEW}"}
    assert {path.name for path in (tmp_path / f"former-{NEW}").iterdir()} == {
        "identity.json",
        "wal",
    }
