"""A backup that comes over the network, read like a file: forward only, and never stored."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from kvorum.errors import SnapshotDamaged


class Passing:
    """Opens as itself, whatever the path: for one :class:`SnapshotScan`."""

    def __init__(self, parts: Iterator[bytes], size_bytes: int) -> None:
        self._parts = parts
        self._size_bytes = size_bytes
        self._held = bytearray()  # what the scan may still ask for
        self._offset = 0  # of the first byte held
        self.passed = bytearray()  # what came in, for whoever keeps it
        self.digest = hashlib.sha256()
        self._taken_bytes = 0

    def open_to_read(self, _path: Path) -> "Passing":
        return self

    def size_bytes(self) -> int:
        return self._size_bytes

    def read(self, offset: int, size_bytes: int) -> bytes:
        assert offset >= self._offset, "a scan never goes back"
        del self._held[: offset - self._offset]
        self._offset = offset
        while len(self._held) < size_bytes and self._take():
            pass
        return bytes(self._held[:size_bytes])

    def _take(self) -> bool:
        part = next(self._parts, b"")
        self._held += part
        self.passed += part
        self.digest.update(part)
        self._taken_bytes += len(part)
        return bool(part)

    def drain(self) -> None:
        """To the end, where a download says whether it was whole. Raises SnapshotDamaged."""
        while self._take():
            pass
        if self._taken_bytes != self._size_bytes:
            raise SnapshotDamaged(f"{self._taken_bytes - self._size_bytes} bytes follow its end")

    def close(self) -> None:
        """Whoever opened the download closes it."""
