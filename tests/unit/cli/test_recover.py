"""`kvorum recover`: what it says, what it asks, and that it changes nothing unless told to."""

import io
from pathlib import Path

import pytest

from kvorum.cli.console import Console
from kvorum.cli.recover import recover
from kvorum.storage.data_dir import DataDirectory
from kvorum.storage.identity import Identity, read_identity
from kvorum.testing.memory_fs import MemoryFileSystem

DIRECTORY = Path("/data/Node-1")
MEMBERS = ("localhost:8001", "localhost:8002", "localhost:8003")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Recovery:
    """One run of the command."""

    def __init__(
        self, fs: MemoryFileSystem, *, stdin: io.StringIO | None = None, confirmed: bool = False
    ) -> None:
        out, err = io.StringIO(), io.StringIO()
        console = Console(stdin or io.StringIO(), out, err)
        self.code = recover(fs, DIRECTORY, confirmed=confirmed, console=console)
        self.out, self.err = out.getvalue(), err.getvalue()


@pytest.fixture
def fs() -> MemoryFileSystem:
    """The data directory of a node that was started once and has stopped."""
    fs = MemoryFileSystem()
    open_directory(fs).close()
    return fs


def open_directory(fs: MemoryFileSystem) -> DataDirectory:
    return DataDirectory.open(
        fs,
        DIRECTORY,
        node_id="Node-1",
        address=MEMBERS[0],
        cluster_id="5f0c2a9e3b7d1846",
        members=MEMBERS,
        uid="first",
        segment_bytes=64 << 10,
    )


def identity(fs: MemoryFileSystem) -> Identity:
    found = read_identity(fs, DIRECTORY)
    assert isinstance(found, Identity)
    return found


@pytest.mark.parametrize(
    ("stdin", "confirmed"), [(Terminal("Node-1\n"), False), (io.StringIO(), True)]
)
def test_it_makes_a_new_cluster_and_says_what_is_next(
    fs: MemoryFileSystem, stdin: io.StringIO, confirmed: bool
) -> None:
    run = Recovery(fs, stdin=stdin, confirmed=confirmed)
    assert run.code == 0, run.err
    assert identity(fs).cluster_id != "5f0c2a9e3b7d1846"
    assert identity(fs).uid != "first"
    new_id = identity(fs).cluster_id
    assert f"Node-1 is the only voter of the new cluster {new_id}" in run.out
    assert "kvorum member add HOST:PORT" in run.out


def test_it_is_loud_about_what_may_be_lost(fs: MemoryFileSystem) -> None:
    run = Recovery(fs, confirmed=True)
    assert run.err.startswith("kvorum: UNSAFE. This makes a new cluster")
    assert "cluster 5f0c2a9e3b7d1846\n" in run.err
    assert "writes that were acknowledged, if Node-1 had not received them" in run.err


@pytest.mark.parametrize(
    ("stdin", "words"),
    [
        (io.StringIO("Node-1\n"), "without a terminal it takes --yes"),
        (Terminal("Node-2\n"), "that is not its name"),
        (Terminal("\n"), "that is not its name"),
        (Terminal(""), "that is not its name"),
    ],
)
def test_without_the_nodes_name_nothing_happens(
    fs: MemoryFileSystem, stdin: io.StringIO, words: str
) -> None:
    before = identity(fs)
    run = Recovery(fs, stdin=stdin)
    assert (run.code, run.out) == (2, "")
    assert words in run.err
    assert identity(fs) == before


def test_a_running_node_is_left_alone(fs: MemoryFileSystem) -> None:
    with_node = open_directory(fs)
    run = Recovery(fs, confirmed=True)
    with_node.close()
    assert (run.code, run.out) == (1, "")
    assert "is in use by process" in run.err
    assert "UNSAFE" not in run.err, "nobody is asked first"
    assert identity(fs).uid == "first"


def test_another_directory_is_called_that() -> None:
    run = Recovery(MemoryFileSystem(), confirmed=True)
    assert run.code == 1
    assert f"kvorum: {DIRECTORY} is no data directory of a node: identity.json: " in run.err
