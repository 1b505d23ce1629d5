"""One process per data directory."""

import os
from pathlib import Path

from kvorum.errors import DataDirectoryError
from kvorum.storage.fs import File, FileSystem

LOCK = "LOCK"


def lock_directory(fs: FileSystem, path: Path) -> File:
    """Held until the file is closed. Raises DataDirectoryError if another process holds it."""
    lock_path = path / LOCK
    lock = fs.lock(lock_path)
    if lock is None:
        owner = fs.read(lock_path).decode(errors="replace").strip() or "unknown"
        raise DataDirectoryError(
            f"{path} is in use by process {owner}; each node needs its own DATA_DIR"
        )
    try:
        lock.write_durably([f"{os.getpid():<20}\n".encode()], 0)
    except BaseException:
        lock.close()
        raise
    return lock
