"""The real file system behind the port."""

import errno
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from kvorum.storage.fs import OsFileSystem, write_file
from kvorum.testing.memory_fs import MemoryFileSystem


def test_write_puts_all_buffers_at_the_offset(tmp_path: Path) -> None:
    fs, path = OsFileSystem(), tmp_path / "f"
    file = fs.create(path)
    file.allocate(64)
    file.write_durably([b"abc", b"", b"de"], 10)
    file.sync()
    file.close()
    assert fs.read(path) == bytes(10) + b"abcde" + bytes(49)
    assert path.stat().st_mode & 0o777 == 0o600


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.pwritev

    def two_bytes(fd: int, buffers: Sequence[bytes], offset: int, flags: int = 0) -> int:
        return real(fd, [b"".join(buffers)[:2]], offset, flags)

    monkeypatch.setattr(os, "pwritev", two_bytes)
    file = OsFileSystem().create(tmp_path / "f")
    file.write_durably([b"abc", b"defg"], 1)
    file.close()
    assert (tmp_path / "f").read_bytes() == b"\0abcdefg"


def test_short_plain_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.pwritev

    def two_bytes(fd: int, buffers: Sequence[bytes], offset: int) -> int:
        return real(fd, [b"".join(buffers)[:2]], offset)

    monkeypatch.setattr(os, "pwritev", two_bytes)
    file = OsFileSystem().create(tmp_path / "f")
    file.write([b"abc", b"defg"], 1)
    file.close()
    assert (tmp_path / "f").read_bytes() == b"\0abcdefg"


def test_an_open_file_can_be_read_after_its_name_is_gone(tmp_path: Path) -> None:
    fs, path = OsFileSystem(), tmp_path / "f"
    path.write_bytes(b"0123456789")
    reader = fs.open_to_read(path)
    fs.remove(path)
    assert reader.size_bytes() == 10
    assert reader.read(3, 4) == b"3456"
    assert reader.read(8, 4) == b"89"
    assert reader.read(20, 4) == b""
    reader.close()


def test_short_reads_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.pread
    monkeypatch.setattr(os, "pread", lambda fd, size, offset: real(fd, min(size, 2), offset))
    (tmp_path / "f").write_bytes(b"0123456789")
    reader = OsFileSystem().open_to_read(tmp_path / "f")
    assert reader.read(1, 7) == b"1234567"
    assert reader.read(7, 7) == b"789"
    reader.close()


def test_without_the_combined_call_data_are_synced_separately(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, real_sync = os.pwritev, os.fdatasync
    synced: list[int] = []

    def no_flags(fd: int, buffers: Sequence[bytes], offset: int, flags: int = 0) -> int:
        if flags:
            raise OSError(errno.EOPNOTSUPP, "Operation not supported")
        return real(fd, buffers, offset)

    monkeypatch.setattr(os, "pwritev", no_flags)

    def sync(fd: int) -> None:
        synced.append(fd)
        real_sync(fd)

    monkeypatch.setattr(os, "fdatasync", sync)
    file = OsFileSystem().create(tmp_path / "f")
    file.write_durably([b"abc"], 0)
    file.write_durably([b"def"], 3)
    file.close()
    assert (tmp_path / "f").read_bytes() == b"abcdef"
    assert len(synced) == 2


def test_other_errors_are_not_retried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def full(fd: int, *_: object) -> int:
        calls.append(fd)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwritev", full)
    file = OsFileSystem().create(tmp_path / "f")
    with pytest.raises(OSError, match="No space left"):
        file.write_durably([b"abc"], 0)
    file.close()
    assert len(calls) == 1


def test_a_lock_is_held_until_it_is_closed(tmp_path: Path) -> None:
    fs, path = OsFileSystem(), tmp_path / "LOCK"
    lock = fs.lock(path)
    assert lock is not None
    assert fs.lock(path) is None
    lock.close()
    again = fs.lock(path)
    assert again is not None
    again.close()


def test_whole_files_are_replaced_durably() -> None:
    fs = MemoryFileSystem()
    fs.make_directory(Path("/d"))
    operations: list[tuple[str, str]] = []
    fs.fault = lambda operation, path: operations.append((operation, path.name))
    write_file(fs, Path("/d/f"), b"content")
    assert operations[-3:] == [("sync", "f.tmp"), ("rename", "f.tmp"), ("sync_directory", "d")]
    assert fs.after_crash(lambda: False).read(Path("/d/f")) == b"content"
