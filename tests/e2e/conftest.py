"""A fresh five-node cluster for each test; its logs are shown when the test fails."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.five_nodes import NODES, FiveNodes


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[FiveNodes]:
    nodes = FiveNodes(tmp_path)
    nodes.start()
    try:
        nodes.leader()
        yield nodes
    finally:
        nodes.close()
        for node in NODES:
            log = nodes.log_file(node).read_text(errors="replace")
            print(f"--- Node-{node} ---\n{log[-4000:]}")
