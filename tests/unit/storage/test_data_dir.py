"""The data directory: whose it is, and that it is used once."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from kvorum.errors import CorruptLog, DataDirectoryError
from kvorum.storage.data_dir import DataDirectory, Identity
from kvorum.storage.fs import FileSystem, OsFileSystem
from kvorum.storage.recovery import recover
from kvorum.storage.wal import open_log
from kvorum.storage.worker import Worker
from kvorum.testing.memory_fs import MemoryFileSystem
from tests.unit.storage.logs import PowerCut, append, batch, cut_after, entry, state

MEMBERS = ("localhost:8001", "localhost:8002")


def opened(
    path: Path,
    *,
    fs: FileSystem | None = None,
    node_id: str = "Node-1",
    address: str = MEMBERS[0],
    cluster_id: str = "c1",
    members: tuple[str, ...] = MEMBERS,
    uid: str = "u1",
) -> DataDirectory:
    return DataDirectory.open(
        fs or OsFileSystem(),
        path,
        node_id=node_id,
        address=address,
        cluster_id=cluster_id,
        members=members,
        uid=uid,
        segment_bytes=4096,
    )


def refused(
    path: Path,
    *,
    fs: FileSystem | None = None,
    node_id: str = "Node-1",
    address: str = MEMBERS[0],
) -> str:
    with pytest.raises(DataDirectoryError) as caught:
        opened(path, fs=fs, node_id=node_id, address=address)
    return str(caught.value)


def test_first_start_creates_everything_for_this_user_only(tmp_path: Path) -> None:
    path = tmp_path / "data" / "Node-1"
    opened(path).close()
    assert path.stat().st_mode & 0o777 == 0o700
    assert recover(OsFileSystem(), path / "wal").entries == []
    assert json.loads((path / "identity.json").read_text()) == {
        "format": 2,
        "node_id": "Node-1",
        "member_id": "localhost:8001",
        "uid": "u1",
        "cluster_id": "c1",
        "members": list(MEMBERS),
    }


def test_every_new_directory_is_made_durable_in_its_parent() -> None:
    operations: list[tuple[str, str]] = []
    fs = MemoryFileSystem(lambda operation, path: operations.append((operation, str(path))))
    opened(Path("/data/Node-1"), fs=fs).close()
    made = [i for i, (operation, _) in enumerate(operations) if operation == "mkdir"]
    assert [operations[i : i + 2] for i in made] == [
        [("mkdir", "/data"), ("sync_directory", "/")],
        [("mkdir", "/data/Node-1"), ("sync_directory", "/data")],
        [("mkdir", "/data/Node-1/wal"), ("sync_directory", "/data/Node-1")],
    ]


def test_what_is_recorded_wins(tmp_path: Path) -> None:
    """Members change in the log; what the first start gave is history."""
    opened(tmp_path).close()
    again = opened(tmp_path, cluster_id="c2", members=("localhost:8001",), uid="u2")
    assert again.identity == Identity(2, "Node-1", "localhost:8001", "u1", "c1", MEMBERS)
    again.close()


async def test_its_log_can_be_opened(tmp_path: Path, worker: Worker) -> None:
    directory = opened(tmp_path)
    wal, _ = open_log(OsFileSystem(), directory.wal_path, worker)
    await wal.append(None, [entry(1)])
    await wal.close()
    directory.close()
    again = opened(tmp_path)
    assert recover(OsFileSystem(), again.wal_path).entries == [entry(1)]
    again.close()


def test_another_node_is_refused(tmp_path: Path) -> None:
    opened(tmp_path).close()
    message = refused(tmp_path, node_id="Node-2")
    for part in ("'Node-1'", "'Node-2'", "SELF_ID", str(tmp_path)):
        assert part in message


def test_another_address_is_refused(tmp_path: Path) -> None:
    opened(tmp_path).close()
    message = refused(tmp_path, address="localhost:9001")
    for part in ("at localhost:8001", "localhost:9001", "SELF_ADDRESS", str(tmp_path)):
        assert part in message


def test_a_refused_directory_is_not_left_locked(tmp_path: Path) -> None:
    opened(tmp_path).close()
    refused(tmp_path, node_id="Node-2")
    opened(tmp_path).close()


def test_second_process_is_refused_and_told_by_whom(tmp_path: Path) -> None:
    directory = opened(tmp_path)
    script = (
        "import sys; from pathlib import Path\n"
        "from kvorum.errors import DataDirectoryError\n"
        "from kvorum.storage.data_dir import DataDirectory\n"
        "from kvorum.storage.fs import OsFileSystem\n"
        "try: DataDirectory.open(OsFileSystem(), Path(sys.argv[1]),"
        " node_id='Node-1', address='localhost:8001', cluster_id='c1', members=(), uid='u')\n"
        "except DataDirectoryError as refusal: print(refusal)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

    def said() -> str:
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, check=True, timeout=60
        ).stdout

    expected = f"in use by process {os.getpid()}; each node needs its own DATA_DIR"
    assert expected in said()
    directory.close()
    assert said() == ""


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("")
    assert "is a file" in refused(path)
    assert "is a file" in refused(path / "below")


@pytest.mark.parametrize("operation", ["mkdir", "lock", "create"])
def test_no_permission_is_explained(operation: str) -> None:
    def fault(name: str, path: Path) -> None:
        if name == operation:
            raise PermissionError(13, "Permission denied", str(path))

    message = refused(Path("/data/Node-1"), fs=MemoryFileSystem(fault))
    assert "Permission denied" in message
    assert "right to write" in message


def test_other_errors_of_the_disk_are_explained() -> None:
    def fault(name: str, path: Path) -> None:
        if name == "sync_directory":
            raise OSError(5, "Input/output error", str(path))

    assert "Input/output error" in refused(Path("/data"), fs=MemoryFileSystem(fault))


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b'{"format": 3, "new": true}', "has format version 3"),
        (b"", "is damaged"),
        (b'{"format": 1, "node_id": "Node-1"}', "is damaged"),
        (b'{"format": 2, "node_id": "Node-1"}', "is damaged"),
        (b"\xff", "is damaged"),
    ],
)
def test_unreadable_identity_is_refused(tmp_path: Path, content: bytes, part: str) -> None:
    opened(tmp_path).close()
    (tmp_path / "identity.json").write_bytes(content)
    message = refused(tmp_path)
    assert part in message
    assert str(tmp_path / "identity.json") in message


def test_a_log_without_identity_is_refused(tmp_path: Path) -> None:
    directory = opened(tmp_path)
    append(OsFileSystem(), recover(OsFileSystem(), directory.wal_path), [batch(entry(1))])
    directory.close()
    (tmp_path / "identity.json").unlink()
    assert "identity.json is missing" in refused(tmp_path)


def test_an_identity_without_a_log_is_refused(tmp_path: Path) -> None:
    directory = opened(tmp_path)
    for segment in directory.wal_path.iterdir():
        segment.unlink()
    with pytest.raises(CorruptLog, match="first segment of the log is missing"):
        recover(OsFileSystem(), directory.wal_path)
    directory.close()


@pytest.mark.parametrize("keep", [True, False])
def test_a_crash_at_any_step_of_the_first_start_is_harmless(keep: bool) -> None:
    path = Path("/data/Node-1")
    for step in range(100):
        fs = MemoryFileSystem(cut_after(step))
        finished = True
        try:
            opened(path, fs=fs)
        except PowerCut:
            finished = False
        survivor = fs.after_crash(lambda: keep)
        if finished:
            assert survivor.exists(path / "identity.json"), "durable when open returns"
        opened(path, fs=survivor)
        assert recover(survivor, path / "wal").entries == []
        if finished:
            return
    raise AssertionError("the first start has fewer steps")


FORMER = b'{"format": 1, "node_id": "Node-1", "cluster_id": "c1", "members": ["localhost:8001"]}'


def test_an_identity_of_format_1_is_written_anew(tmp_path: Path) -> None:
    """Then it had no member id but its address, and no uid."""
    opened(tmp_path).close()
    (tmp_path / "identity.json").write_bytes(FORMER)
    opened(tmp_path, uid="new", cluster_id="c2").close()
    again = opened(tmp_path, uid="newer")
    expected = Identity(2, "Node-1", "localhost:8001", "new", "c1", ("localhost:8001",))
    assert again.identity == expected
    again.close()


def test_format_1_with_another_address_is_refused(tmp_path: Path) -> None:
    opened(tmp_path).close()
    (tmp_path / "identity.json").write_bytes(FORMER)
    assert "SELF_ADDRESS is localhost:8002" in refused(tmp_path, address="localhost:8002")
    assert (tmp_path / "identity.json").read_bytes() == FORMER


def test_a_node_that_joins_adopts_what_it_is_given(tmp_path: Path) -> None:
    directory = opened(tmp_path)
    directory.adopt("localhost:8001#1f", "c9")
    assert directory.identity == Identity(2, "Node-1", "localhost:8001#1f", "u1", "c9", ())
    directory.close()
    again = opened(tmp_path)
    assert again.identity == directory.identity
    again.close()


def test_only_an_empty_log_is_adopted(tmp_path: Path) -> None:
    directory = opened(tmp_path)
    append(OsFileSystem(), recover(OsFileSystem(), directory.wal_path), [batch(entry(1))])
    with pytest.raises(DataDirectoryError, match="has a log already"):
        directory.adopt("localhost:8001#1f", "c9")
    assert directory.identity.member_id == "localhost:8001"
    directory.close()


def test_a_log_of_votes_alone_is_adopted_and_kept(tmp_path: Path) -> None:
    """The node took part in elections, but never got an entry."""
    directory, voted = opened(tmp_path), state(7, "localhost:8002")
    append(OsFileSystem(), recover(OsFileSystem(), directory.wal_path), [batch(state=voted)])
    directory.adopt("localhost:8001#1f", "c9")
    assert directory.identity.member_id == "localhost:8001#1f"
    assert recover(OsFileSystem(), directory.wal_path).hard_state == voted
    directory.close()


def test_an_id_at_another_address_is_not_adopted(tmp_path: Path) -> None:
    directory = opened(tmp_path)
    with pytest.raises(DataDirectoryError, match="cannot become localhost:9#1"):
        directory.adopt("localhost:9#1", "c9")
    directory.close()


@pytest.mark.parametrize("keep", [True, False])
def test_a_crash_while_adopting_leaves_the_old_or_the_new(keep: bool) -> None:
    path = Path("/data")
    for step in range(100):
        fs = MemoryFileSystem()
        directory = opened(path, fs=fs)
        old = directory.identity
        fs.fault = cut_after(step)
        finished = True
        try:
            directory.adopt("localhost:8001#1f", "c9")
        except PowerCut:
            finished = False
        survivor = opened(path, fs=fs.after_crash(lambda: keep))
        new = replace(old, member_id="localhost:8001#1f", cluster_id="c9", members=())
        assert survivor.identity == new or (not finished and survivor.identity == old)
        if finished:
            return
    raise AssertionError("adopting has fewer steps")
