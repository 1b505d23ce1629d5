"""What a live cluster of five shows of itself, held against docs/metrics.md and promtool."""

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from kvorum.transport.pb import kvorum_pb2 as pb
from kvorum.transport.pb import kvorum_pb2_grpc, raft_pb2, raft_pb2_grpc
from tests.integration.app.one_node import OneNode
from tests.integration.client.three_nodes import Nodes
from tests.support.wait import eventually
from tools.generate_metrics import DOCUMENT, SERIES_MAX

_WAIT_S = 30
_NOWHERE = "http://127.0.0.1:9"
_FOREIGN = ("process_", "python_")


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """A cluster that has done everything that is counted."""
    cluster = Nodes(
        tmp_path_factory.mktemp("five"), 5, SNAPSHOT_ENTRIES="20", STATE_CHECK_INTERVAL_S="1"
    )
    cluster.nodes[0].environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = _NOWHERE
    try:
        cluster.heal()
        _work(cluster)
        yield cluster
    finally:
        cluster.close()


def _work(cluster: Nodes) -> None:
    leader = cluster.leader()
    followers = [node for node in cluster.nodes if node is not leader]
    with _rest_watch(leader), _grpc_watch(followers[0]):
        for number in range(30):
            assert leader.put(f"a{number}", number).status_code == 200
            assert followers[number % 4].put(f"b{number}", number).status_code == 200
            assert followers[number % 4].request("GET", f"/key/a{number}").status_code == 200
        assert leader.request("DELETE", "/key/a1").status_code == 200
    note = {"time": 1_800_000_000, "revision": 60, "bytes": 4096, "name": "x.snapshot"}
    assert leader.put("_backups/last", note).status_code == 200
    _call_over_grpc(leader)
    assert leader.request("POST", "/cluster/transfer", json={}).status_code == 200
    cluster.kill(_bystander(cluster, leader))
    eventually("a message was dropped", lambda: _shown(cluster, "kvorum_peer_dropped_messages"))
    cluster.heal()
    eventually("a snapshot was taken", lambda: _shown(cluster, "kvorum_snapshot_last_index"))


def _bystander(cluster: Nodes, former: OneNode) -> OneNode:
    """Neither the leader nor the one before."""
    present = cluster.leader()
    return next(node for node in cluster.nodes if node not in (present, former))


@contextmanager
def _rest_watch(node: OneNode) -> Iterator[None]:
    """Open until the end of the block."""
    url = f"http://{node.environ['REST_ADDRESS']}/watch?prefix=a"
    with httpx.stream("GET", url, timeout=_WAIT_S) as answer:
        assert answer.status_code == 200
        yield


@contextmanager
def _grpc_watch(node: OneNode) -> Iterator[None]:
    with grpc.insecure_channel(node.environ["SELF_ADDRESS"]) as channel:
        call = kvorum_pb2_grpc.WatchStub(channel).Watch(pb.WatchRequest(prefix=b""))
        assert next(call).WhichOneof("response") == "opened"
        yield
        call.cancel()


def _call_over_grpc(node: OneNode) -> None:
    """One call that is answered, and one that is refused: it names no cluster."""
    with grpc.insecure_channel(node.environ["SELF_ADDRESS"]) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        assert health.Check(health_pb2.HealthCheckRequest(), timeout=_WAIT_S).status
        with pytest.raises(grpc.RpcError):
            raft_pb2_grpc.RaftServiceStub(channel).RequestForVote(
                raft_pb2.RequestForVoteRequest(), timeout=_WAIT_S
            )


def _scrape(node: OneNode) -> str:
    return node.request("GET", "/metrics").text


def _families(text: str) -> list[Metric]:
    return [*text_string_to_metric_families(text)]


def _with_series(text: str) -> set[str]:
    """Names as in docs/metrics.md: counters end in ``_total``."""
    return {
        family.name + ("_total" if family.type == "counter" else "")
        for family in _families(text)
        if family.samples
    }


def _shown(cluster: Nodes, name: str) -> bool:
    running = [node for node in cluster.nodes if node.process.poll() is None]
    return any(f"\n{name}" in _scrape(node) for node in running)


def _value(text: str, name: str, **labels: str) -> float | None:
    for family in _families(text):
        for sample in family.samples:
            if sample.name == name and sample.labels == labels:
                return sample.value
    return None


def test_every_documented_metric_is_there_and_no_other(nodes: Nodes) -> None:
    documented = set(re.findall(r"^\| `(kvorum_\w+)` \|", DOCUMENT.read_text(), re.MULTILINE))

    def own() -> set[str]:
        found = set[str]().union(*(_with_series(_scrape(node)) for node in nodes.nodes))
        return {name for name in found if not name.startswith(_FOREIGN)}

    eventually("all are shown", lambda: own() >= documented)
    assert own() <= documented


def test_promtool_finds_nothing_to_improve(nodes: Nodes) -> None:
    for node in nodes.nodes:
        checked = subprocess.run(
            ["promtool", "check", "metrics"],
            input=_scrape(node),
            capture_output=True,
            text=True,
            check=False,
        )
        assert checked.returncode == 0, checked.stderr + checked.stdout
        assert checked.stdout + checked.stderr == ""


def test_gauges_do_not_look_like_counters(nodes: Nodes) -> None:
    for family in _families(_scrape(nodes.nodes[0])):
        for sample in family.samples:
            assert sample.name.endswith("_total") == (family.type == "counter"), sample.name


def test_the_number_of_series_is_bounded(nodes: Nodes) -> None:
    counts = {
        node.environ["SELF_ID"]: sum(len(family.samples) for family in _families(_scrape(node)))
        for node in nodes.nodes
    }
    print(f"series of each node: {json.dumps(counts)}")
    assert max(counts.values()) < SERIES_MAX


def test_only_the_leader_tells_what_only_it_knows(nodes: Nodes) -> None:
    leader = nodes.leader()
    name = leader.environ["SELF_ID"]
    peers = {node.environ["SELF_ID"] for node in nodes.nodes} - {name}

    def margin() -> bool:
        return _value(_scrape(leader), "kvorum_quorum_margin") == 2

    eventually("all voters answer", margin)
    shown = _scrape(leader)
    assert _value(shown, "kvorum_active_voters") == 5
    assert _value(shown, "kvorum_leader", leader=name) == 1
    assert {
        peer
        for peer in peers
        if _value(shown, "kvorum_peer_match_lag_entries", peer=peer) is not None
    } == peers
    for peer in peers:
        answered = _value(shown, "kvorum_peer_round_trip_seconds_count", peer=peer)
        assert answered, peer
        assert _value(shown, "kvorum_peer_connected", peer=peer) == 1
    for node in nodes.nodes:
        if node is not leader:
            others = _with_series(_scrape(node))
            assert not others & {
                "kvorum_quorum_margin",
                "kvorum_active_voters",
                "kvorum_peer_match_lag_entries",
                "kvorum_peer_in_flight_messages",
            }
            assert _value(_scrape(node), "kvorum_leader", leader=name) == 1


def test_figures_of_what_was_done(nodes: Nodes) -> None:
    shown = [_scrape(node) for node in nodes.nodes]

    def total(name: str, **labels: str) -> float:
        return sum(_value(text, name, **labels) or 0 for text in shown)

    assert total("kvorum_elections_total", kind="real", cause="transfer") >= 1
    assert total("kvorum_proposal_batch_commands_sum") >= 30  # one node counts anew
    assert total("kvorum_commit_duration_seconds_count") >= 30
    assert total("kvorum_read_index_duration_seconds_count") >= 20
    assert total("kvorum_grpc_requests_total", method="grpc.health.v1.Health/Check", code="OK") == 1
    assert total("kvorum_grpc_streams", method="raft_protocol.RaftService/Stream") == 5 * 4
    assert {_value(text, "kvorum_backup_last_revision") for text in shown} == {60}
    for text in shown:
        assert (_value(text, "kvorum_wal_size_bytes") or 0) >= 64 << 20
        free, size = (_value(text, f"kvorum_data_{which}_bytes") or 0 for which in ("free", "size"))
        assert 0 < free < size
