"""A file system in memory that can lose and tear what was not synced.

The twin of the real one for tests and simulations: it models a disk that writes whole
sectors, in any order until a sync returns, and names that are durable only once their
directory was synced.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from kvorum.storage.fs import File
from kvorum.storage.record import SECTOR_BYTES

Fault = Callable[[str, Path], None]
"""``f(operation, path)`` is called before each operation; what it raises is the outcome.

Operations: allocate write sync create open lock rename remove mkdir sync_directory.
A durable write calls it twice, with "write" and with "sync".
"""

Keep = Callable[[], bool]
"""Asked per unsynced sector and per unsynced directory: did it reach the disk?"""


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


class MemoryFileSystem:
    """``fault`` may be replaced at any time."""

    def __init__(self, fault: Fault = no_fault) -> None:
        self.fault = fault
        self.locked: set[Path] = set()
        self._files: dict[Path, _Content] = {}
        self._durable_files: dict[Path, _Content] = {}
        self._directories: set[Path] = {Path("/")}

    def after_crash(self, keep: Keep) -> "MemoryFileSystem":
        """What a machine that lost its power now finds; this one must not be used any more."""
        survivor = MemoryFileSystem()
        survivor._directories = set(self._directories)
        for directory in sorted(self._directories):
            names = self._files if keep() else self._durable_files
            for path, content in names.items():
                if path.parent == directory:
                    survivor._files[path] = content.after_crash(keep)
                    survivor._files[path].path = path
        survivor._durable_files = dict(survivor._files)
        return survivor

    def replace(self, path: Path, data: bytes) -> None:
        """Change a file from outside, durably."""
        self._files[path] = self._durable_files[path] = _Content(path, data)

    def create(self, path: Path) -> File:
        self.fault("create", path)
        if path.parent not in self._directories:
            raise FileNotFoundError(2, "No such file or directory", str(path))
        content = self._files.setdefault(path, _Content(path))
        content.data.clear()
        return MemoryFile(self, content)

    def open(self, path: Path) -> File:
        self.fault("open", path)
        return MemoryFile(self, self._existing(path))

    def lock(self, path: Path) -> File | None:
        self.fault("lock", path)
        if path in self.locked:
            return None
        file = MemoryFile(self, self._files.setdefault(path, _Content(path)))
        file.hold_lock()
        return file

    def read(self, path: Path) -> bytes:
        return bytes(self._existing(path).data)

    def names(self, directory: Path) -> list[str]:
        return [path.name for path in self._files if path.parent == directory]

    def exists(self, path: Path) -> bool:
        return path in self._files or path in self._directories

    def rename(self, old: Path, new: Path) -> None:
        self.fault("rename", old)
        content = self._files[new] = self._existing(old)
        content.path = new
        del self._files[old]

    def remove(self, path: Path) -> None:
        self.fault("remove", path)
        self._existing(path)
        del self._files[path]

    def make_directory(self, path: Path) -> None:
        self.fault("mkdir", path)
        self._directories.add(path)

    def sync_directory(self, path: Path) -> None:
        self.fault("sync_directory", path)
        others = {p: c for p, c in self._durable_files.items() if p.parent != path}
        here = {p: c for p, c in self._files.items() if p.parent == path}
        self._durable_files = others | here

    def _existing(self, path: Path) -> _Content:
        content = self._files.get(path)
        if content is None:
            raise FileNotFoundError(2, "No such file or directory", str(path))
        return content
