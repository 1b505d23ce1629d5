"""A file system on which every change is only claimed: to ask what recovery would do."""

from collections.abc import Sequence
from pathlib import Path

from kvorum.storage.fs import FileSystem, Reader


class UntouchedFile:
    """Takes everything, keeps nothing."""

    def write(self, buffers: Sequence[bytes], offset: int) -> None:
        """Claimed."""

    def allocate(self, size_bytes: int) -> None:
        """Claimed."""

    def write_durably(self, buffers: Sequence[bytes], offset: int) -> None:
        """Claimed."""

    def sync(self) -> None:
        """Claimed."""

    def close(self) -> None:
        """Nothing is held."""


class DryRun:
    """Reads from ``fs``; of writes only that they were asked for is true."""

    def __init__(self, fs: FileSystem) -> None:
        self._fs = fs

    def create(self, path: Path) -> UntouchedFile:
        del path
        return UntouchedFile()

    def open(self, path: Path) -> UntouchedFile:
        del path
        return UntouchedFile()

    def open_to_read(self, path: Path) -> Reader:
        return self._fs.open_to_read(path)

    def lock(self, path: Path) -> UntouchedFile:
        del path
        return UntouchedFile()

    def read(self, path: Path) -> bytes:
        return self._fs.read(path)

    def names(self, directory: Path) -> list[str]:
        return self._fs.names(directory)

    def exists(self, path: Path) -> bool:
        return self._fs.exists(path)

    def rename(self, old: Path, new: Path) -> None:
        """Claimed."""

    def remove(self, path: Path) -> None:
        """Claimed."""

    def make_directory(self, path: Path) -> None:
        """Claimed."""

    def remove_directory(self, path: Path) -> None:
        """Claimed."""

    def sync_directory(self, path: Path) -> None:
        """Claimed."""
