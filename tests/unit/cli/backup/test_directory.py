"""Backups in a directory whose disk fails, at any operation."""

import errno
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from kvorum.cli.backup.directory import Directory
from kvorum.cli.backup.loaded_stream import LoadedStream
from kvorum.cli.backup.names import Names
from kvorum.cli.failed import CommandFailed
from kvorum.errors import SnapshotDamaged
from kvorum.testing.memory_fs import MemoryFileSystem
from tests.unit.storage.logs import flipped

PLACE = Path("/backups")
NAMES = Names("kvorum")
NAME = "kvorum-20261123T030000Z-r5.snapshot"
UNFINISHED = "kvorum-20261123T030000Z.unfinished"


def tell(done: int) -> None:
    """Nobody watches."""


@pytest.fixture
def fs() -> MemoryFileSystem:
    fs = MemoryFileSystem()
    fs.make_directory(PLACE)
    fs.sync_directory(PLACE.parent)
    return fs


def keep(fs: MemoryFileSystem, content: bytes) -> None:
    with LoadedStream("b", iter([content]), len(content), tell) as stream:
        Directory(fs, PLACE, UNFINISHED).keep(stream, NAME, tell)


def test_it_survives_a_crash_once_it_is_kept(fs: MemoryFileSystem, backup: bytes) -> None:
    keep(fs, backup)
    assert fs.after_crash(lambda: False).read(PLACE / NAME) == backup


def test_a_crash_at_any_time_leaves_all_of_it_or_none(backup: bytes) -> None:
    operations = 0
    for stop in range(100):
        fs = MemoryFileSystem()
        fs.make_directory(PLACE)
        fs.sync_directory(PLACE.parent)
        done = 0

        def cut(_name: str, _path: Path, stop: int = stop) -> None:
            nonlocal done
            done += 1
            if done > stop:
                raise OSError(errno.EIO, "Input/output error")

        fs.fault = cut
        try:
            keep(fs, backup)
        except CommandFailed:
            operations += 1
        else:
            break
        for kept in (True, False):
            crashed = fs.after_crash(partial(bool, kept))
            if crashed.exists(PLACE / NAME):
                assert crashed.read(PLACE / NAME) == backup
    assert operations > 4, "it was cut at every operation"


@pytest.mark.parametrize("operation", ["create", "write", "sync", "rename"])
def test_a_full_disk(fs: MemoryFileSystem, backup: bytes, operation: str) -> None:
    def full(name: str, path: Path) -> None:
        if name == operation:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))

    fs.fault = full
    with pytest.raises(CommandFailed) as caught:
        keep(fs, backup)
    assert str(caught.value).endswith("cannot be written: No space left on device")
    assert fs.names(PLACE) == []


def test_a_disk_that_gives_back_something_else(fs: MemoryFileSystem, backup: bytes) -> None:
    def bad(name: str, path: Path) -> None:
        if name == "sync" and path.name == UNFINISHED:
            fs.replace(path, flipped(backup, 50))

    fs.fault = bad
    with pytest.raises(CommandFailed, match=f"{NAME} does not hold what was written there"):
        keep(fs, backup)
    assert fs.names(PLACE) == []


def test_damage_on_the_way_leaves_nothing(fs: MemoryFileSystem, backup: bytes) -> None:
    with pytest.raises(SnapshotDamaged):
        keep(fs, flipped(backup, -30))
    assert fs.names(PLACE) == []


def test_ctrl_c_leaves_nothing(fs: MemoryFileSystem, backup: bytes) -> None:
    def parts() -> Iterator[bytes]:
        yield backup[:200]
        raise KeyboardInterrupt

    directory = Directory(fs, PLACE, UNFINISHED)
    with pytest.raises(KeyboardInterrupt):
        directory.keep(LoadedStream("b", parts(), len(backup), tell), NAME, tell)
    assert fs.names(PLACE) == []


def test_two_of_one_second_do_not_meet(fs: MemoryFileSystem, backup: bytes) -> None:
    fs.replace(PLACE / UNFINISHED, b"of another process")
    with pytest.raises(CommandFailed) as caught:
        keep(fs, backup)
    assert "is another backup being made?" in str(caught.value)
    assert fs.read(PLACE / UNFINISHED) == b"of another process"


def test_what_was_abandoned_makes_room_before_the_next(fs: MemoryFileSystem) -> None:
    old = "kvorum-20200101T000000Z.unfinished"
    fs.replace(PLACE / old, b"")
    fs.replace(PLACE / "kvorum-29990101T000000Z.unfinished", b"")
    Directory(fs, PLACE, UNFINISHED).refuse_early(NAMES, needs_names=False)
    assert fs.names(PLACE) == ["kvorum-29990101T000000Z.unfinished"]
