"""Real directories for the storage's tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kvorum.storage.fs import OsFileSystem
from kvorum.storage.wal import create_log
from kvorum.storage.worker import ThreadWorker, Worker


@pytest.fixture
def wal_path(tmp_path: Path) -> Path:
    """A real directory with a new log of small segments."""
    path = tmp_path / "wal"
    path.mkdir()
    create_log(OsFileSystem(), path, segment_bytes=4096)
    return path


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    """A thread, closed at the end."""
    thread = ThreadWorker("kvorum-test")
    yield thread
    await thread.close()
