"""Snapshots on disk when a node starts: what counts, what goes, what is refused."""

import pytest

from kvorum.storage.snapshot_file import ForeignFile
from kvorum.storage.snapshot_format import snapshot_name
from tests.unit.storage.logs import flipped, overwritten
from tests.unit.storage.snaps import (
    SNAPSHOTS,
    at,
    file_of,
    new_fs,
    opened,
    received,
    snaps,
    taken,
)
from tests.unit.storage.test_snapshots import FOREIGN, THEIRS


async def test_leftovers_go_when_it_is_tidied() -> None:
    snapshot, content = THEIRS
    fs = new_fs()
    store = opened(fs)
    kept = [await taken(store, at(index)) for index in (1, 2)]
    await received(store, snapshot, content[:100])
    others = ["0-0-0.snap.tmp", f"{1:016x}-{1:016x}-{9:08x}.part"]
    for name in others:
        fs.replace(SNAPSHOTS / name, b"half")
    before = snaps(fs)
    store = opened(fs)
    assert snaps(fs) == before, "looking changes nothing"
    await store.tidy()
    assert snaps(fs) == sorted(set(before) - set(others))
    assert list(store.kept) == kept


async def test_a_third_one_goes_when_it_is_tidied() -> None:
    """A crash came before the removal of the oldest was durable."""
    fs = new_fs()
    store = opened(fs)
    first = await taken(store, at(1))
    content = await file_of(store, first)
    kept = [await taken(store, at(index)) for index in (2, 3)]
    fs.replace(SNAPSHOTS / (snapshot_name(first) + ".snap"), content)
    store = opened(fs)
    assert list(store.kept) == kept
    await store.tidy()
    assert len(snaps(fs)) == 2


async def test_another_clusters_file_is_refused() -> None:
    snapshot, content = FOREIGN
    opened(fs := new_fs())
    path = SNAPSHOTS / (snapshot_name(snapshot) + ".snap")
    fs.replace(path, content)
    with pytest.raises(ForeignFile, match=f"{path}: it belongs to cluster c2"):
        opened(fs)


async def test_another_format_is_refused() -> None:
    fs = new_fs()
    store = opened(fs)
    snapshot = await taken(store, at(1))
    path = SNAPSHOTS / (snapshot_name(snapshot) + ".snap")
    fs.replace(path, overwritten(fs.read(path), 7, b"2"))
    with pytest.raises(ForeignFile, match=f"{path}: format version 2 is not known"):
        opened(fs)


@pytest.mark.parametrize("offset", [0, 20, 35])
async def test_a_damaged_head_is_warned_of(offset: int) -> None:
    fs = new_fs()
    store = opened(fs)
    older = await taken(store, at(1))
    newer = await taken(store, at(2))
    path = SNAPSHOTS / (snapshot_name(newer) + ".snap")
    fs.replace(path, flipped(fs.read(path), offset))
    store = opened(fs)
    assert list(store.kept) == [older]
    assert f"{path}: damaged" in store.warnings[0]


async def test_a_renamed_file_is_warned_of() -> None:
    fs = new_fs()
    store = opened(fs)
    snapshot = await taken(store, at(1))
    path = SNAPSHOTS / (snapshot_name(snapshot) + ".snap")
    other = SNAPSHOTS / f"{2:016x}-{1:016x}-{snapshot.checksum:08x}.snap"
    fs.replace(other, fs.read(path))
    store = opened(fs)
    assert list(store.kept) == [snapshot]
    assert "once named otherwise" in store.warnings[0]


async def test_files_with_other_names_are_left_alone() -> None:
    fs = new_fs()
    store = opened(fs)
    fs.replace(SNAPSHOTS / "README.snap", b"?")
    fs.replace(SNAPSHOTS / "notes.txt", b"?")
    store = opened(fs)
    await store.tidy()
    for index in (1, 2, 3):
        await taken(store, at(index))
    assert {"README.snap", "notes.txt"} < set(snaps(fs))
    assert len(snaps(fs)) == 4


async def test_tidying_after_the_next_snapshot_finds_nothing_to_do() -> None:
    fs = new_fs()
    store = opened(fs)
    first = await taken(store, at(1))
    content = await file_of(store, first)
    for index in (2, 3):
        await taken(store, at(index))
    fs.replace(SNAPSHOTS / (snapshot_name(first) + ".snap"), content)
    store = opened(fs)
    await taken(store, at(4))
    await store.tidy()
    assert len(snaps(fs)) == 2
