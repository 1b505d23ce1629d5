"""Real nodes: one for all tests that only need any, three for those that kill them."""

from collections.abc import Iterator

import pytest

from tests.integration.app.one_node import OneNode
from tests.integration.client.three_nodes import ThreeNodes


@pytest.fixture(scope="session")
def one_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneNode]:
    node = OneNode(tmp_path_factory.mktemp("client"))
    try:
        node.start()
        yield node
    finally:
        node.close()


@pytest.fixture(params=["sync", "async"])
def kind(request: pytest.FixtureRequest) -> str:
    value: str = request.param
    return value


@pytest.fixture
def url(one_node: OneNode) -> str:
    return f"http://{one_node.environ['REST_ADDRESS']}"


@pytest.fixture(scope="session")
def three_processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThreeNodes]:
    cluster = ThreeNodes(tmp_path_factory.mktemp("three"))
    try:
        yield cluster
    finally:
        cluster.close()


@pytest.fixture
def three_nodes(three_processes: ThreeNodes) -> ThreeNodes:
    """All of them run, whatever the test before did to them."""
    three_processes.heal()
    return three_processes
