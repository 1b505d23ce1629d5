"""A process that begins again under another id, unless it is told to stop."""

from pathlib import Path

import pytest

from kvorum.app import process
from kvorum.raft.types import NodeId
from kvorum.settings import load_settings
from kvorum.storage.data_dir import DataDirectory, Identity
from kvorum.storage.fs import OsFileSystem
from kvorum.transport.introduction import Assignment

ADDRESS = "localhost:8001"
JOINED = Assignment(NodeId(f"{ADDRESS}#1f"), "cluster")


def recorded(path: Path) -> Identity:
    """What the data directory says of itself."""
    directory = DataDirectory.open(
        OsFileSystem(),
        path,
        node_id="Node-1",
        address=ADDRESS,
        cluster_id="",
        members=(),
        uid="",
    )
    directory.close()
    return directory.identity


@pytest.mark.parametrize("is_told", [False, True])
def test_who_is_told_to_stop_meanwhile_does_not_begin_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_told: bool
) -> None:
    """A pod that is to go would start anew, and be killed in the end."""

    async def run(self: process._Process) -> int:
        self._on_assigned(JOINED)
        if is_told:
            self._on_signal()
        return process.STOPPED

    monkeypatch.setattr(process._Process, "run", run)
    monkeypatch.setattr(process, "bind", lambda _host, _port: [])
    settings = load_settings(
        None,
        {
            "SELF_ID": "Node-1",
            "SELF_ADDRESS": ADDRESS,
            "OTHER_NODES": "",
            "REST_ADDRESS": "localhost:8081",
            "DATA_DIR": str(tmp_path),
        },
    )
    assert process._run_once(settings) == (process.STOPPED, None if is_told else JOINED)
    assert recorded(tmp_path).member_id == JOINED.member_id, "the next start goes on as that one"
