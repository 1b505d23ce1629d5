"""A snapshot that is damaged at any byte is never used: the older one is, or none.

Damaged means: one bit flipped, the end gone, the end reading as zeros, something behind it.
"""

from collections.abc import Iterator

import pytest

from kvorum.errors import DataDirectoryError
from kvorum.storage.snapshot_format import snapshot_name
from kvorum.testing.memory_fs import MemoryFileSystem
from tests.unit.storage.logs import flipped
from tests.unit.storage.snaps import DATA, SNAPSHOTS
from tests.unit.storage.test_opening import opened, with_entries


def damaged(good: bytes) -> Iterator[bytes]:
    for offset in range(len(good)):
        yield flipped(good, offset, bit=offset % 8)
        yield good[:offset]
        zeroed = good[:offset].ljust(len(good), b"\0")
        if zeroed != good:
            yield zeroed
    yield good + b"\0"
    yield good + good


def copy_of(fs: MemoryFileSystem) -> MemoryFileSystem:
    copy, directories = MemoryFileSystem(), (DATA, DATA / "wal", SNAPSHOTS)
    for directory in directories:
        copy.make_directory(directory)
        for path in (directory / name for name in fs.names(directory)):
            if path not in directories:
                copy.replace(path, fs.read(path))
    return copy


async def test_the_newest_damaged_at_every_byte_gives_way_to_the_older() -> None:
    fs = await with_entries(until=34, snapshots=(10, 30))
    storage = await opened(fs)
    assert storage.snapshot is not None
    path = SNAPSHOTS / (snapshot_name(storage.snapshot) + ".snap")
    for content in damaged(fs.read(path)):
        copy = copy_of(fs)
        copy.replace(path, content)
        if content[:7] == b"KVORUMS" and content[7:8].isdigit() and content[7:8] != b"1":
            with pytest.raises(DataDirectoryError, match=f"{path}: format version"):
                await opened(copy)
            continue
        found = await opened(copy)
        assert found.state == [b"state of 10"]
        assert [one.index for one in found.recovered.entries] == list(range(11, 35))
        assert str(path) in found.warnings[0]


async def test_the_only_one_damaged_at_every_byte_is_refused_if_the_log_needs_it() -> None:
    fs = await with_entries(until=34, snapshots=(10, 30))
    older, newer = sorted(fs.names(SNAPSHOTS))
    fs.remove(SNAPSHOTS / older)
    for content in damaged(fs.read(SNAPSHOTS / newer)):
        copy = copy_of(fs)
        copy.replace(SNAPSHOTS / newer, content)
        with pytest.raises(DataDirectoryError, match=newer):
            await opened(copy)
