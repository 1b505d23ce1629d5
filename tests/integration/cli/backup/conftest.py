"""A node with something in it, an object store, and a bucket for each test."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from urllib3.util import Retry

from kvorum.client import Client
from tests.integration.app.one_node import OneNode
from tests.support.command_line import CommandLine
from tests.support.s3_server import S3Server, TestBucket, s3_server

PATIENT = {
    "BROADCAST_TIME_MS": "50",
    "MIN_ELECTION_TIMEOUT_MS": "1000",
    "MAX_ELECTION_TIMEOUT_MS": "1500",
}
LARGE_KEYS = 13
LARGE_BYTES = 1_000_000


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneNode]:
    node = OneNode(tmp_path_factory.mktemp("backup"))
    try:
        node.start(**PATIENT)
        for number in range(3):
            assert node.put(f"k{number}", number).status_code == 200
        yield node
    finally:
        node.close()


@pytest.fixture(scope="session")
def large_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneNode]:
    """Its store fills three parts of an upload."""
    node = OneNode(tmp_path_factory.mktemp("large"))
    try:
        node.start(**PATIENT)
        with Client(node.environ["REST_ADDRESS"]) as client:
            for number in range(LARGE_KEYS):
                client.put(f"large/{number}", "x" * LARGE_BYTES)
        yield node
    finally:
        node.close()


@pytest.fixture
def large(large_node: OneNode) -> CommandLine:
    """Commands that ask the large one."""
    return CommandLine(f"http://{large_node.environ['REST_ADDRESS']}")


@pytest.fixture
def kvorum(node: OneNode) -> CommandLine:
    return CommandLine(f"http://{node.environ['REST_ADDRESS']}")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    path = tmp_path / "backups"
    path.mkdir()
    return path


@pytest.fixture(scope="session")
def one_s3_server() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture
def server(one_s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """Without faults yet; the environment points to it."""
    one_s3_server.faults = []
    one_s3_server.seen = []
    one_s3_server.during = None
    for name in ("AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    quick = Retry(total=4, backoff_factor=0.01, status_forcelist=[503])
    monkeypatch.setattr("kvorum.cli.object_store.bucket._RETRIES", quick)
    for name, value in one_s3_server.environ.items():
        monkeypatch.setenv(name, value)
    return one_s3_server


@pytest.fixture
def unused_endpoint() -> Iterator[str]:
    """Bound, but nobody listens: connections are refused, and nobody else gets the port."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


@pytest.fixture
def bucket(server: S3Server) -> TestBucket:
    return TestBucket(server)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The smallest that S3 takes."""
    for module in ("object_store.bucket", "backup.object_place"):
        monkeypatch.setattr(f"kvorum.cli.{module}.PART_BYTES", 5 << 20)
