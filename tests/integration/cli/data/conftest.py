"""One real node for all commands; each test has keys of its own."""

import socket
from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.integration.app.one_node import OneNode
from tests.support.command_line import CommandLine


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneNode]:
    node = OneNode(tmp_path_factory.mktemp("cli"))
    try:
        node.start()
        yield node
    finally:
        node.close()


@pytest.fixture
def kvorum(node: OneNode) -> CommandLine:
    return CommandLine(f"http://{node.environ['REST_ADDRESS']}")


@pytest.fixture
def own() -> str:
    """A prefix that no other test uses."""
    return f"{uuid4().hex[:8]}/"


@pytest.fixture
def nobody(unused_endpoint: str) -> CommandLine:
    return CommandLine(unused_endpoint)


@pytest.fixture
def unused_endpoint() -> Iterator[str]:
    """Bound, but nobody listens: connections are refused, and nobody else gets the port."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"
