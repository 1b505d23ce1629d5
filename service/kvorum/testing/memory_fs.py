"""A file system in memory that can lose and tear what was not synced.

The twin of the real one for tests and simulations: it models a disk that writes whole
sectors, in any order until a sync returns, and names that are durable only once their
directory was synced.
"""

import errno
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct

from kvorum.storage.fs import File, Reader
from kvorum.storage.record import SECTOR_BYTES

Fault = Callable[[str, Path], None]
"""``f(operation, path)`` is called before each operation; what it raises is the outcome.

Operations: allocate write read sync create open lock rename remove mkdir rmdir
sync_directory.
A durable write calls it twice, with "write" and with "sync"; "read" is a part of a file
through a ``Reader``, not a whole one.
"""

Keep = Callable[[], bool]
"""Asked per unsynced sector, size of a file and change of a name: did it reach the disk?"""


def no_fault(_operation: str, _path: Path) -> None:
    """Everything works."""


class _Content:
    def __init__(self, path: Path, data: bytes = b"") -> None:
        self.path = path  # changes with its name
        self.data = bytearray(data)
        self.durable = bytearray(data)

    def after_crash(self, keep: Keep) -> "_Content":
        size = max(len(self.data), len(self.durable)) if keep() else len(self.durable)
        old = self.durable.ljust(size, b"\0")
        new = self.data.ljust(size, b"\0")
        for begin in range(0, size, SECTOR_BYTES):
            sector = slice(begin, min(begin + SECTOR_BYTES, size))
            if old[sector] != new[sector] and keep():
                old[sector] = new[sector]
        return _Content(self.path, bytes(old))


class MemoryFile:
    def __init__(self, fs: "MemoryFileSystem", content: _Content) -> None:
        self._fs = fs
        self._content = content
        self._locks = False

    def hold_lock(self) -> None:
        self._locks = True
        self._fs.locked.add(self._content.path)

    def write(self, buffers: Sequence[bytes], offset: int) -> None:
        self._fs.fault("write", self._content.path)
        new = b"".join(buffers)
        data = self._content.data
        data.extend(bytes(max(0, offset + len(new) - len(data))))
        data[offset : offset + len(new)] = new

    def allocate(self, size_bytes: int) -> None:
        self._fs.fault("allocate", self._content.path)
        content = self._content
        content.data.extend(bytes(max(0, size_bytes - len(content.data))))

    def write_durably(self, buffers: Sequence[bytes], offset: int) -> None:
        self._fs.fault("write", self._content.path)
        new = b"".join(buffers)
        end = offset + len(new)
        content = self._content
        content.data.extend(bytes(max(0, end - len(content.data))))
        content.data[offset:end] = new
        self._fs.fault("sync", self._content.path)
        content.durable.extend(bytes(max(0, end - len(content.durable))))
        content.durable[offset:end] = new

    def sync(self) -> None:
        self._fs.fault("sync", self._content.path)
        self._content.durable[:] = self._content.data

    def close(self) -> None:
        if self._locks:
            self._fs.locked.discard(self._content.path)


class MemoryReader:
    def __init__(self, fs: "MemoryFileSystem", content: _Content) -> None:
        self._fs = fs
        self._content = content

    def size_bytes(self) -> int:
        return len(self._content.data)

    def read(self, offset: int, size_bytes: int) -> bytes:
        self._fs.fault("read", self._content.path)
        return bytes(self._content.data[offset : offset + size_bytes])

    def close(self) -> None:
        """Nothing is held."""


class _NameChange(Struct, frozen=True):
    """Not durable yet: ``content`` has a new name, or none any more."""

    old: Path | None
    new: Path | None
    content: _Content

    def apply(self, names: dict[Path, _Content]) -> None:
        if self.old is not None:
            names.pop(self.old, None)
        if self.new is not None:
            names[self.new] = self.content

    def touches(self, paths: set[Path | None]) -> bool:
        return self.old in paths or self.new in paths

    def is_in(self, directory: Path) -> bool:
        path = self.new or self.old
        return path is not None and path.parent == directory


class MemoryFileSystem:
    """``fault`` may be replaced at any time."""

    def __init__(self, fault: Fault = no_fault) -> None:
        self.fault = fault
        self.locked: set[Path] = set()
        self._files: dict[Path, _Content] = {}
        self._durable_files: dict[Path, _Content] = {}
        self._name_changes: list[_NameChange] = []
        self._directories: set[Path] = {Path("/")}

    def after_crash(self, keep: Keep) -> "MemoryFileSystem":
        """What a machine that lost its power now finds; this one must not be used any more."""
        survivor = MemoryFileSystem()
        survivor._directories = set(self._directories)
        for path, content in self._names_after_crash(keep).items():
            survivor._files[path] = content.after_crash(keep)
            survivor._files[path].path = path
        survivor._durable_files = dict(survivor._files)
        return survivor

    def _names_after_crash(self, keep: Keep) -> dict[Path, _Content]:
        """Changes of different names reach the disk in any order, those of one name in theirs."""
        names = dict(self._durable_files)
        lost: set[Path | None] = set()
        for change in self._name_changes:
            if change.touches(lost - {None}) or not keep():
                lost |= {change.old, change.new}
            else:
                change.apply(names)
        return names

    def replace(self, path: Path, data: bytes) -> None:
        """Change a file from outside, durably."""
        self._name_changes = [c for c in self._name_changes if not c.touches({path})]
        self._files[path] = self._durable_files[path] = _Content(path, data)

    def create(self, path: Path) -> File:
        self.fault("create", path)
        if path.parent not in self._directories:
            raise FileNotFoundError(2, "No such file or directory", str(path))
        content = self._existing_or_new(path)
        content.data.clear()
        return MemoryFile(self, content)

    def open(self, path: Path) -> File:
        self.fault("open", path)
        return MemoryFile(self, self._existing(path))

    def open_to_read(self, path: Path) -> Reader:
        self.fault("open", path)
        return MemoryReader(self, self._existing(path))

    def lock(self, path: Path) -> File | None:
        self.fault("lock", path)
        if path in self.locked:
            return None
        file = MemoryFile(self, self._existing_or_new(path))
        file.hold_lock()
        return file

    def read(self, path: Path) -> bytes:
        return bytes(self._existing(path).data)

    def names(self, directory: Path) -> list[str]:
        paths = (*self._files, *self._directories)
        return [path.name for path in paths if path.parent == directory and path != directory]

    def exists(self, path: Path) -> bool:
        return path in self._files or path in self._directories

    def rename(self, old: Path, new: Path) -> None:
        self.fault("rename", old)
        content = self._files[new] = self._existing(old)
        content.path = new
        del self._files[old]
        self._name_changes.append(_NameChange(old, new, content))

    def remove(self, path: Path) -> None:
        self.fault("remove", path)
        self._name_changes.append(_NameChange(path, None, self._existing(path)))
        del self._files[path]

    def make_directory(self, path: Path) -> None:
        self.fault("mkdir", path)
        self._directories.add(path)

    def remove_directory(self, path: Path) -> None:
        self.fault("rmdir", path)
        if path not in self._directories:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", str(path))
        if self.names(path):
            raise OSError(errno.ENOTEMPTY, "Directory not empty", str(path))
        self._directories.discard(path)

    def sync_directory(self, path: Path) -> None:
        self.fault("sync_directory", path)
        for change in self._name_changes:
            if change.is_in(path):
                change.apply(self._durable_files)
        self._name_changes = [c for c in self._name_changes if not c.is_in(path)]

    def _existing_or_new(self, path: Path) -> _Content:
        content = self._files.get(path)
        if content is None:
            content = self._files[path] = _Content(path)
            self._name_changes.append(_NameChange(None, path, content))
        return content

    def _existing(self, path: Path) -> _Content:
        content = self._files.get(path)
        if content is None:
            raise FileNotFoundError(2, "No such file or directory", str(path))
        return content
