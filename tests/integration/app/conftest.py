from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.app.one_node import OneNode


@pytest.fixture
def node(tmp_path: Path) -> Iterator[OneNode]:
    one = OneNode(tmp_path)
    try:
        yield one
    finally:
        one.close()
