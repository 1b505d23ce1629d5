"""Real directories for the storage's tests."""

from pathlib import Path

import pytest

from kvorum.storage.fs import OsFileSystem
from kvorum.storage.wal import create_log


@pytest.fixture
def wal_path(tmp_path: Path) -> Path:
    """A real directory with a new log of small segments."""
    path = tmp_path / "wal"
    path.mkdir()
    create_log(OsFileSystem(), path, segment_bytes=4096)
    return path
