"""How much room the data take, and how much is left."""

import os
from pathlib import Path

from kvorum.storage.data_dir import DataDirectory
from kvorum.storage.snapshot_files import snapshot_path
from kvorum.storage.snapshots import Snapshots
from kvorum.storage.wal import Wal
from kvorum.telemetry.disk_metrics import DiskSample


class DiskWatch:
    """Asks the file system anew at each scrape; what it does not tell has no series."""

    def __init__(self, directory: DataDirectory, log: Wal, snapshots: Snapshots) -> None:
        self._directory = directory
        self._log = log
        self._snapshots = snapshots

    def sample(self) -> DiskSample:
        free_bytes, size_bytes = _space(self._directory.path)
        newest = self._snapshots.newest
        return DiskSample(
            wal_size_bytes=self._log.size_bytes,
            data_free_bytes=free_bytes,
            data_size_bytes=size_bytes,
            snapshot_last_index=None if newest is None else newest.last.index,
            snapshot_last_timestamp_s=(
                None
                if newest is None
                else _written_s(snapshot_path(self._directory.snapshots_path, newest))
            ),
        )


def _space(path: Path) -> tuple[int, int] | tuple[None, None]:
    """Bytes that an ordinary user may still write, and all of them."""
    try:
        found = os.statvfs(path)
    except OSError:
        return None, None  # the log will say what is wrong with the disk
    return found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize


def _written_s(path: Path) -> float | None:
    """Unix time; None if the file was replaced by a newer one this moment."""
    try:
        return path.stat().st_mtime
    except OSError:
        return None
