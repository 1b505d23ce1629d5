"""`kvorum recover` on the data of a real node, which then goes on as a cluster of its own."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.app.one_node import OneNode, free_port


@pytest.fixture
def node(tmp_path: Path) -> Iterator[OneNode]:
    one = OneNode(tmp_path)
    try:
        yield one
    finally:
        one.close()


def kvorum(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "kvorum.cli.main", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_survivor_goes_on_alone_with_everything_it_had(node: OneNode) -> None:
    node.start()
    assert node.put("colour", "green").status_code == 200
    data_dir = node.environ["DATA_DIR"]
    running = kvorum("recover", "--data-dir", data_dir, "--yes")
    assert (running.returncode, running.stdout) == (1, "")
    assert "is in use by process" in running.stderr
    before = node.request("GET", "/cluster/members").json()
    assert node.stop() == 0

    done = kvorum("recover", "--data-dir", data_dir, "--yes")
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("kvorum: UNSAFE")
    node.start(OTHER_NODES=f"localhost:{free_port()},localhost:{free_port()}")
    listed = kvorum("member", "list", "--endpoint", node.environ["REST_ADDRESS"], "-o", "json")
    after = json.loads(listed.stdout)
    assert after["clusterId"] != before["clusterId"]
    (member,) = after["members"]
    assert (member["name"], member["role"], member["isLeader"]) == ("Node-1", "voter", True)
    assert member["id"].startswith(f"{node.environ['SELF_ADDRESS']}#")
    assert node.request("GET", "/key/colour").json()["value"] == "green"
    assert node.put("colour", "red").status_code == 200
