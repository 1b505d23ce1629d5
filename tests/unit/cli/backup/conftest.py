"""The bytes of a sound backup."""

from pathlib import Path

import pytest

from tests.unit.app.test_restoring import a_machine
from tests.unit.cli.test_snapshot import write_backup


@pytest.fixture(scope="session")
def backup(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Of five keys at revision 5."""
    path: Path = tmp_path_factory.mktemp("backup") / "kvorum.snapshot"
    return write_backup(path, a_machine()).read_bytes()
