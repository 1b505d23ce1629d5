"""The file system in memory forgets what a real one may forget."""

from itertools import count
from pathlib import Path

from kvorum.testing.memory_fs import MemoryFileSystem

D = Path("/d")
A, B, C = D / "a", D / "b", D / "c"


def with_files(*paths: Path) -> MemoryFileSystem:
    fs = MemoryFileSystem()
    fs.make_directory(D)
    for path in paths:
        fs.replace(path, path.name.encode() * 1024)
    return fs


def names(fs: MemoryFileSystem) -> list[str]:
    return sorted(fs.names(D))


def test_plain_writes_last_only_when_synced() -> None:
    fs = with_files(A)
    file = fs.open(A)
    file.write([b"x" * 512, b"y" * 512], 512)
    assert fs.open_to_read(A).read(500, 20) == b"a" * 12 + b"x" * 8
    assert fs.after_crash(lambda: False).read(A) == b"a" * 1024
    turn = count()
    torn = fs.after_crash(lambda: next(turn) % 2 == 0).read(A)
    assert torn in {b"a" * 512 + b"x" * 512 + bytes(512), b"a" * 1024 + b"y" * 512}
    file.sync()
    assert fs.after_crash(lambda: False).read(A) == b"a" * 512 + b"x" * 512 + b"y" * 512


def test_names_last_only_when_their_directory_is_synced() -> None:
    fs = with_files(A, B)
    fs.create(C)
    fs.rename(A, D / "z")
    fs.remove(B)
    assert names(fs.after_crash(lambda: False)) == ["a", "b"]
    assert names(fs.after_crash(lambda: True)) == ["c", "z"]
    fs.sync_directory(D)
    assert names(fs.after_crash(lambda: False)) == ["c", "z"]


def test_changes_of_different_names_last_in_any_order() -> None:
    fs = with_files(A, B)
    fs.remove(A)
    fs.remove(B)
    turn = count()
    assert names(fs.after_crash(lambda: next(turn) == 1)) == ["a"]


def test_changes_of_one_name_last_in_their_order() -> None:
    """A file that was never there cannot be renamed."""
    fs = with_files()
    fs.create(A)
    fs.rename(A, B)
    turn = count()
    assert names(fs.after_crash(lambda: next(turn) == 1)) == []


def test_an_open_file_outlives_its_name() -> None:
    fs = with_files(A)
    reader = fs.open_to_read(A)
    fs.remove(A)
    assert (reader.size_bytes(), reader.read(0, 2)) == (1024, b"aa")
