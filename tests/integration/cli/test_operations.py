"""`kvorum status`, `check` and `snapshot` against real nodes."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.app.one_node import OneNode, free_port
from tests.support.wait import eventually


@pytest.fixture
def node(tmp_path: Path) -> Iterator[OneNode]:
    one = OneNode(tmp_path)
    try:
        one.start()
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


def at(node: OneNode, *arguments: str) -> subprocess.CompletedProcess[str]:
    return kvorum(*arguments, "--endpoint", node.environ["REST_ADDRESS"])


def told(done: subprocess.CompletedProcess[str]) -> Any:
    return json.loads(done.stdout)


def test_status_tells_of_a_node_and_of_none(node: OneNode) -> None:
    assert node.put("colour", "green").status_code == 200
    done = at(node, "status", "-o", "json")
    assert (done.returncode, done.stderr) == (0, "")
    (row,) = told(done)["nodes"]
    assert (row["name"], row["role"], row["state"]) == ("Node-1", "leader", "ok")
    assert row["store"]["keys"] == 1
    assert row["version"]
    assert row["uptimeSeconds"] < 300
    table = at(node, "status")
    assert "Node-1 leads" in table.stdout
    assert "with one voter nothing is replicated" in table.stdout
    assert node.stop() == 0
    gone = at(node, "status", "--timeout", "300ms")
    assert gone.returncode == 5
    assert "ALARM no endpoint can be reached" in gone.stdout


def test_check_measures_and_cleans_up(node: OneNode) -> None:
    done = at(node, "check", "--seconds", "200ms", "--writers", "1,4", "-o", "json")
    report = told(done)
    assert done.returncode == (4 if report["level"] == "unfit" else 0)
    assert [name for name, step in report["steps"].items() if not step["count"]] == []
    assert len(report["steps"]) == 5
    assert report["nodes"][0]["syncs"] > 0
    assert {finding["subject"] for finding in report["findings"]} == {
        "disk of Node-1",
        "processor of Node-1",
    }
    status = told(at(node, "status", "-o", "json"))
    assert status["store"]["keys"] == status["store"]["leases"] == 0


def test_a_backup_becomes_a_new_cluster_and_the_old_one_stays_out(
    node: OneNode, tmp_path: Path
) -> None:
    for number in range(20):
        assert node.put(f"k{number}", number).status_code == 200
    backup = tmp_path / "backups"
    backup.mkdir()
    saved = at(node, "snapshot", "save", str(backup), "-o", "json")
    assert saved.returncode == 0, saved.stderr
    file = told(saved)["file"]
    assert (told(saved)["keys"], told(saved)["revision"]) == (20, 20)
    assert node.put("k0", "later").status_code == 200
    looked = told(kvorum("snapshot", "status", file, "-o", "json"))
    assert (looked["keys"], looked["revision"]) == (20, 20)

    first, second = OneNode(tmp_path / "first"), OneNode(tmp_path / "second")
    addresses = [one.environ["SELF_ADDRESS"] for one in (first, second, node)]
    assert node.stop() == 0
    same: tuple[str, ...] = ()
    revision = 0
    for number, one in enumerate((first, second), 1):
        one.directory.mkdir()
        one.environ["SELF_ID"] = f"New-{number}"
        one.environ["OTHER_NODES"] = ",".join(addresses)
        restored = restore(one, file, *same)
        assert restored.returncode == 0, restored.stderr
        same = ("--restore-id", told(restored)["restoreId"])
        revision = told(restored)["revision"]
        again = restore(one, file, *same)
        assert (again.returncode, again.stdout) == (1, "")
        assert "is not empty" in again.stderr
    try:
        first.launch()
        second.start()
        assert second.request("GET", "/key/k0").json()["value"] == 0
        assert second.request("GET", "/key/k19").json()["revision"] == revision
        assert second.put("k0", "new").json()["revision"] == revision + 1
        node.start()  # with its old data, at the place of the third member
        eventually("it is refused", lambda: "belongs to cluster" in first.log)
        members = first.request("GET", "/cluster/members").json()["members"]
        names = {member["address"]: member["name"] for member in members}
        assert names == dict(zip(addresses, ("New-1", "New-2", ""), strict=True))
    finally:
        first.close()
        second.close()


def restore(one: OneNode, file: str, *more: str) -> subprocess.CompletedProcess[str]:
    environ = one.environ
    return kvorum(
        *("snapshot", "restore", file, "--data-dir", environ["DATA_DIR"], "-o", "json"),
        *("--self-id", environ["SELF_ID"], "--self-address", environ["SELF_ADDRESS"]),
        *("--other-nodes", environ["OTHER_NODES"]),
        *more,
    )


def test_an_interrupted_restore_does_not_start(tmp_path: Path) -> None:
    one = OneNode(tmp_path)
    data = tmp_path / "data"
    data.mkdir()
    (data / "identity.json").write_text(
        json.dumps(
            {
                "format": 2,
                "node_id": "Node-1",
                "member_id": one.environ["SELF_ADDRESS"],
                "uid": "u",
                "cluster_id": "c",
                "members": [],
                "restoring": True,
            }
        )
    )
    try:
        assert "Run `kvorum snapshot restore` again" in one.refuses_to_start()
    finally:
        one.close()


def test_serve_without_settings_is_a_node_for_clients(tmp_path: Path) -> None:
    """But for its ports, which are not its own to choose here."""
    process = subprocess.Popen(
        [sys.executable, "-m", "kvorum.cli.main", "serve"],
        cwd=tmp_path,
        env={
            "PATH": "/usr/bin:/bin",
            "REST_ADDRESS": (rest := f"localhost:{free_port()}"),
            "SELF_ADDRESS": f"localhost:{free_port()}",
            "OTHER_NODES": "",
        },
        stderr=subprocess.DEVNULL,
    )
    try:
        eventually("it answers", lambda: kvorum("status", "--endpoint", rest).returncode == 0)
        assert kvorum("put", "greeting", "hello", "--endpoint", rest).returncode == 0
        assert (tmp_path / "kvorum-data" / "identity.json").exists()
        dumped = kvorum("wal-dump", str(tmp_path / "kvorum-data"))
        assert 'put greeting value="hello"' in dumped.stdout
    finally:
        process.terminate()
        assert process.wait(30) == 0
