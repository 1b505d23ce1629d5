"""The file system as a port: all disk access of the storage goes through here.

A simulator supplies its own, to lose, tear and refuse writes. Every call may raise
``OSError``; nothing is ever retried.
"""

import errno
import fcntl
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

_Buffers = Sequence[bytes] | Sequence[memoryview]

TEMPORARY_SUFFIX = ".tmp"
"""Of files that are not finished."""


class File(Protocol):
    """A file open for writing at given places."""

    def write(self, buffers: Sequence[bytes], offset: int) -> None:
        """Write the buffers one after the other at ``offset``; durable after ``sync``."""
        ...

    def allocate(self, size_bytes: int) -> None:
        """Make the file at least this long: new bytes are zero, space is reserved."""
        ...

    def write_durably(self, buffers: Sequence[bytes], offset: int) -> None:
        """Write the buffers one after the other at ``offset`` and wait until they are durable.

        What was written before, without waiting, is not covered.
        """
        ...

    def sync(self) -> None:
        """Wait until everything in the file, and its size, is durable."""
        ...

    def close(self) -> None: ...


class Reader(Protocol):
    """A file open for reading; it stays readable when its name is removed."""

    def size_bytes(self) -> int: ...

    def read(self, offset: int, size_bytes: int) -> bytes:
        """Bytes from ``offset`` on; fewer only at the end of the file."""
        ...

    def close(self) -> None: ...


class Opener(Protocol):
    """All that is needed for reading one file."""

    def open_to_read(self, path: Path) -> Reader: ...


class FileSystem(Opener, Protocol):
    """Files and directories, by path."""

    def create(self, path: Path) -> File:
        """Create an empty file, for this user only; an old one is emptied."""
        ...

    def open(self, path: Path) -> File:
        """Open an existing file for writing, unchanged."""
        ...

    def lock(self, path: Path) -> File | None:
        """Create or open a file and lock it until it is closed; None: another holds it."""
        ...

    def read(self, path: Path) -> bytes:
        """The whole file."""
        ...

    def names(self, directory: Path) -> list[str]:
        """Of files and directories."""
        ...

    def exists(self, path: Path) -> bool: ...

    def rename(self, old: Path, new: Path) -> None:
        """Replaces ``new`` atomically; durable after ``sync_directory``."""
        ...

    def remove(self, path: Path) -> None: ...

    def make_directory(self, path: Path) -> None:
        """Create one directory, for this user only."""
        ...

    def remove_directory(self, path: Path) -> None:
        """An empty one."""
        ...

    def sync_directory(self, path: Path) -> None:
        """Make names that were created, renamed or removed in it durable."""
        ...


class OsFile:
    """A file descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._write = _write_and_sync

    def write(self, buffers: Sequence[bytes], offset: int) -> None:
        written = os.pwritev(self._descriptor, buffers, offset)
        if written == sum(map(len, buffers)):
            return
        content = memoryview(b"".join(buffers))
        while written < len(content):
            written += os.pwritev(self._descriptor, [content[written:]], offset + written)

    def allocate(self, size_bytes: int) -> None:
        os.posix_fallocate(self._descriptor, 0, size_bytes)

    def write_durably(self, buffers: Sequence[bytes], offset: int) -> None:
        try:
            written = self._write(self._descriptor, buffers, offset)
        except OSError as cause:
            if cause.errno != errno.EOPNOTSUPP or self._write is _write_then_sync:
                raise
            self._write = _write_then_sync  # nothing was written: the flag is not known here
            written = self._write(self._descriptor, buffers, offset)
        if written < sum(map(len, buffers)):
            self._write_rest(memoryview(b"".join(buffers)), written, offset)

    def _write_rest(self, content: memoryview, written: int, offset: int) -> None:
        while written < len(content):
            written += self._write(self._descriptor, [content[written:]], offset + written)

    def sync(self) -> None:
        os.fsync(self._descriptor)

    def close(self) -> None:
        os.close(self._descriptor)


class OsReader:
    """A file descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def size_bytes(self) -> int:
        return os.fstat(self._descriptor).st_size

    def read(self, offset: int, size_bytes: int) -> bytes:
        found = os.pread(self._descriptor, size_bytes, offset)
        while len(found) < size_bytes:
            more = os.pread(self._descriptor, size_bytes - len(found), offset + len(found))
            if not more:
                break
            found += more
        return found

    def close(self) -> None:
        os.close(self._descriptor)


class OsFileSystem:
    """The real one."""

    def create(self, path: Path) -> OsFile:
        return OsFile(_open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC))

    def open(self, path: Path) -> OsFile:
        return OsFile(_open(path, os.O_RDWR))

    def open_to_read(self, path: Path) -> OsReader:
        return OsReader(_open(path, os.O_RDONLY))

    def lock(self, path: Path) -> OsFile | None:
        descriptor = _open(path, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except OSError:
            os.close(descriptor)
            raise
        return OsFile(descriptor)

    def read(self, path: Path) -> bytes:
        return path.read_bytes()

    def names(self, directory: Path) -> list[str]:
        return os.listdir(directory)

    def exists(self, path: Path) -> bool:
        return path.exists()

    def rename(self, old: Path, new: Path) -> None:
        os.rename(old, new)

    def remove(self, path: Path) -> None:
        os.unlink(path)

    def make_directory(self, path: Path) -> None:
        os.mkdir(path, 0o700)

    def remove_directory(self, path: Path) -> None:
        os.rmdir(path)

    def sync_directory(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_file(fs: FileSystem, path: Path, content: bytes) -> None:
    """Create or replace a whole file, atomically and durably."""
    temporary = path.with_name(path.name + TEMPORARY_SUFFIX)
    file = fs.create(temporary)
    try:
        file.write_durably([content], 0)
        file.sync()
    finally:
        file.close()
    fs.rename(temporary, path)
    fs.sync_directory(path.parent)


def _open(path: Path, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def _write_and_sync(descriptor: int, buffers: _Buffers, offset: int) -> int:
    """Write and fdatasync in one system call.

    A thread beside a busy event loop then waits for the interpreter lock once, not twice.
    """
    return os.pwritev(descriptor, buffers, offset, os.RWF_DSYNC)


def _write_then_sync(descriptor: int, buffers: _Buffers, offset: int) -> int:
    written = os.pwritev(descriptor, buffers, offset)
    os.fdatasync(descriptor)
    return written
