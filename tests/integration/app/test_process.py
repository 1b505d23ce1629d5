"""A node as a process: what it survives, what it refuses, how it stops."""

import json
import resource
import signal
import socket
import time
from pathlib import Path

import httpx
import pytest

from tests.integration.app.one_node import OneNode, free_port
from tests.support.wait import eventually


def test_a_single_node_keeps_what_it_acknowledged_through_kill_9(node: OneNode) -> None:
    node.start()
    for number in range(20):
        assert node.put(f"k{number}", number).status_code == 200
    term = node.request("GET", "/cluster/info").json()["info"]["currentTerm"]
    node.stop(signal.SIGKILL)
    node.start()
    for number in range(20):
        assert node.request("GET", f"/key/k{number}").json()["value"] == number
    assert node.request("GET", "/cluster/info").json()["info"]["currentTerm"] > term


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_within_two_seconds(node: OneNode, number: signal.Signals) -> None:
    node.start()
    with httpx.Client() as idle:  # a kept-alive connection must not delay the end
        idle.get(f"http://{node.environ['REST_ADDRESS']}/livez")
        began_s = time.monotonic()
        assert node.stop(number) == 0
        assert time.monotonic() - began_s < 2
    assert "Traceback" not in node.log


def test_a_signal_stops_a_node_whose_clients_wait_for_a_majority(node: OneNode) -> None:
    """A request that waits for a leader is answered, not cut off with a traceback."""
    node.launch(OTHER_NODES=f"localhost:{free_port()},localhost:{free_port()}")
    eventually("it listens", lambda: _listens(node))
    with socket.create_connection(_rest_address(node)) as client:
        client.sendall(b"GET /key/k HTTP/1.1\r\nhost: kvorum\r\n\r\n")
        began_s = time.monotonic()
        assert node.stop() == 0
        assert time.monotonic() - began_s < 2
    assert "Traceback" not in node.log


def _rest_address(node: OneNode) -> tuple[str, int]:
    host, port = node.environ["REST_ADDRESS"].split(":")
    return host, int(port)


def _listens(node: OneNode) -> bool:
    try:
        return node.request("GET", "/livez").status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.parametrize("variable", ["REST_ADDRESS", "SELF_ADDRESS"])
def test_a_port_in_use_is_named_with_its_variable(node: OneNode, variable: str) -> None:
    with socket.create_server(("localhost", 0)) as taken:
        address = f"localhost:{taken.getsockname()[1]}"
        said = node.refuses_to_start(**{variable: address})
    assert variable in said
    assert address in said
    assert "in use" in said


def test_a_second_process_on_one_data_directory_is_refused(node: OneNode, tmp_path: Path) -> None:
    node.start()
    (tmp_path / "second").mkdir()
    second = OneNode(tmp_path / "second")
    said = second.refuses_to_start(DATA_DIR=node.environ["DATA_DIR"])
    assert f"in use by process {node.process.pid}" in said
    assert node.put("still", "works").status_code == 200


def test_another_id_on_the_same_data_is_refused(node: OneNode) -> None:
    node.start()
    node.stop()
    said = node.refuses_to_start(SELF_ID="Node-2")
    assert "'Node-1'" in said
    assert "'Node-2'" in said


def test_the_members_are_those_of_the_log_whatever_other_nodes_says(node: OneNode) -> None:
    node.start()
    node.put("k", 1)
    node.stop()
    node.start(OTHER_NODES="localhost:1,localhost:2")
    assert node.request("GET", "/key/k").json()["value"] == 1
    [member] = node.request("GET", "/cluster/members").json()["members"]
    assert member["address"] == node.environ["SELF_ADDRESS"]
    assert "OTHER_NODES" in node.log


def test_another_address_is_refused(node: OneNode) -> None:
    node.start()
    node.stop()
    said = node.refuses_to_start(SELF_ADDRESS="localhost:1", LISTEN_ADDRESS="localhost:1")
    assert "SELF_ADDRESS is localhost:1" in said
    assert "set it back" in said


def test_a_damaged_log_is_named_and_left_alone(node: OneNode) -> None:
    node.start()
    for number in range(5):
        node.put("k", number)
    node.stop(signal.SIGKILL)
    damaged = bytearray(node.wal.read_bytes())
    at = damaged.find(b"localhost")
    damaged[at] ^= 1
    node.wal.write_bytes(damaged)
    said = node.refuses_to_start()
    assert str(node.wal) in said
    assert "byte" in said
    assert node.wal.read_bytes() == damaged


def test_a_torn_tail_is_cut_with_a_warning(node: OneNode) -> None:
    """As after a power cut in the middle of a write: the last record's second half is missing."""
    node.start()
    node.put("kept", "x" * 3000)
    node.put("torn", "y" * 3000)
    node.stop(signal.SIGKILL)
    content = bytearray(node.wal.read_bytes())
    end = len(content.rstrip(b"\0"))
    torn_from = (end - 1500) // 512 * 512
    content[torn_from:] = bytes(len(content) - torn_from)
    node.wal.write_bytes(content)
    node.start()
    assert '"level":"warning"' in node.log
    assert node.request("GET", "/key/kept").status_code == 200
    assert node.request("GET", "/key/torn").status_code == 404


def test_a_log_that_cannot_be_written_ends_the_process(node: OneNode) -> None:
    """EFBIG stands in for a full disk; what was not durable is not acknowledged."""
    node.start(WAL_SEGMENT_BYTES=str(64 << 10))
    for number in range(3):
        assert node.put(f"before{number}", number).status_code == 200
    resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, (60_000, 60_000))
    acknowledged = _acknowledged_until_it_fails(node)
    assert 0 < len(acknowledged) < 10
    assert node.exit_code() == 1
    (stopped,) = (line for line in node.log.splitlines() if '"level":"critical"' in line)
    assert "cannot write the log" in json.loads(stopped)["message"], "not only in a traceback"
    node.start()
    for number in acknowledged:
        assert node.request("GET", f"/key/k{number}").status_code == 200


def _acknowledged_until_it_fails(node: OneNode) -> list[int]:
    acknowledged = []
    for number in range(100):
        try:
            answer = node.put(f"k{number}", "x" * 10_000)
        except httpx.TransportError:
            break
        if answer.status_code != 200:
            assert answer.status_code in (503, 504), answer.text
            break
        acknowledged.append(number)
    return acknowledged


def test_metrics_tell_the_state_of_the_node(node: OneNode) -> None:
    node.start()
    node.put("k", 1)
    shown = node.request("GET", "/metrics").text
    for line in (
        "kvorum_is_leader 1.0",
        "kvorum_has_leader 1.0",
        "kvorum_keys 1.0",
        'kvorum_http_requests_total{method="PUT",route="/key/{key}",status="200"} 1.0',
        "kvorum_leader_changes_total 1.0",
    ):
        assert line in shown
    assert "kvorum_wal_fsync_duration_seconds_bucket" in shown
