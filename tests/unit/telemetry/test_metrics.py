"""Metrics: what is counted arrives in a scrape, under names that follow the conventions."""

import msgspec
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from kvorum.raft.ready import Event, EventKind
from kvorum.raft.types import NodeId, Term
from kvorum.rest.observer import RestObserver
from kvorum.telemetry.loop_lag import LoopLag
from kvorum.telemetry.metrics import (
    FailureReason,
    NodeCollector,
    NodeSample,
    PeerMetrics,
    RaftMetrics,
    RestMetrics,
    WalMetrics,
)
from kvorum.telemetry.process_metrics import GcPauses, register_process_metrics
from kvorum.transport.observer import DropReason, TransportObserver

SAMPLE = NodeSample(
    term=3,
    commit_index=10,
    applied_index=9,
    first_index=2,
    last_index=12,
    is_leader=True,
    has_leader=True,
    is_serving=True,
    voters=3,
    learners=1,
    proposals_pending=4,
    reads_pending=5,
    keys=6,
    store_bytes=700,
    revision=8,
    outcomes=11,
    store_is_full=False,
    store_quota_bytes=1 << 31,
    leases=2,
    compacted_revision=1,
    history_revisions=7,
    history_bytes=900,
)


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(name, labels)


def everything(registry: CollectorRegistry) -> None:
    """One of each metric, with every label set at least once."""
    NodeCollector(lambda: SAMPLE, registry)
    RaftMetrics(registry)
    WalMetrics(registry)
    rest, peers = RestMetrics(registry), PeerMetrics(registry)
    rest.request("/key/{key}", "POST", 200, 0.001)
    peers.sent("a:1", 1, 1)
    peers.dropped("a:1", 1, "queue-full")
    peers.refused("handshake")
    LoopLag(registry)
    GcPauses(registry)
    register_process_metrics(registry, version="1.2.3")


def test_names_follow_the_conventions(registry: CollectorRegistry) -> None:
    everything(registry)
    families = list(registry.collect())
    own = [family for family in families if family.name.startswith("kvorum_")]
    assert len(own) > 25
    for family in families:
        foreign = family.name.startswith(("process_", "python_"))
        assert foreign or family in own, family.name
        for sample in family.samples:
            if not sample.name.endswith("_created"):  # counters and histograms have it
                assert sample.name.endswith("_total") == (family.type == "counter"), sample.name
    for family in own:
        assert len(family.documentation) > 10, family.name
        assert family.documentation.endswith("."), family.name
        assert family.type != "histogram" or family.name.endswith(("_seconds", "_entries"))
        assert not family.name.endswith(("_ms", "_us", "_kb", "_count")), family.name


def test_everything_is_valid_in_both_formats(registry: CollectorRegistry) -> None:
    everything(registry)
    for accept in ("text/plain", "application/openmetrics-text; version=1.0.0"):
        encode, content_type = choose_encoder(accept)
        assert content_type.startswith(accept.partition(";")[0])
        lines = encode(registry).decode().splitlines()
        helped = [line for line in lines if line.startswith("# HELP kvorum_")]
        assert len(helped) == len(set(helped)) > 25
        assert "kvorum_term 3.0" in lines


def test_two_nodes_in_one_process_do_not_share_figures(registry: CollectorRegistry) -> None:
    other = CollectorRegistry()
    RaftMetrics(registry).leader_changed(Term(1), NodeId("a:1"))
    RaftMetrics(other)
    assert value(registry, "kvorum_leader_changes_total") == 1
    assert value(other, "kvorum_leader_changes_total") == 0


def test_a_name_is_taken_once_in_a_registry(registry: CollectorRegistry) -> None:
    PeerMetrics(registry)
    with pytest.raises(ValueError, match="kvorum_peer_connected"):
        PeerMetrics(registry)


def test_node_gauges_are_read_at_each_scrape(registry: CollectorRegistry) -> None:
    samples = iter([SAMPLE, msgspec.structs.replace(SAMPLE, term=4, is_leader=False)])
    NodeCollector(lambda: next(samples), registry)
    first, second = (
        {family.name: family.samples[0].value for family in registry.collect()} for _ in range(2)
    )
    assert first == {
        f"kvorum_{name}": float(number) for name, number in msgspec.structs.asdict(SAMPLE).items()
    }
    assert (second["kvorum_term"], second["kvorum_is_leader"]) == (4, 0)


def test_raft_counters(registry: CollectorRegistry) -> None:
    metrics = RaftMetrics(registry)
    for kind in EventKind:
        metrics.event(Event(kind, Term(2)))
    metrics.event(Event(EventKind.PRE_CAMPAIGN, Term(3)))
    metrics.leader_changed(Term(2), NodeId("a:1"))
    metrics.leader_changed(Term(2), None)
    metrics.proposals_committed(64)
    metrics.read_index_batch()
    assert value(registry, "kvorum_elections_total", kind="pre") == 2
    assert value(registry, "kvorum_elections_total", kind="real") == 1
    assert value(registry, "kvorum_leader_changes_total") == 1
    assert value(registry, "kvorum_proposals_committed_total") == 64
    assert value(registry, "kvorum_read_index_batches_total") == 1


@pytest.mark.parametrize("reason", ["no_leader", "overloaded", "unknown", "superseded"])
def test_failed_proposals_by_reason(registry: CollectorRegistry, reason: FailureReason) -> None:
    metrics = RaftMetrics(registry)
    assert value(registry, "kvorum_proposals_failed_total", reason=reason) == 0
    metrics.proposals_failed(reason)
    metrics.proposals_failed(reason, 2)
    assert value(registry, "kvorum_proposals_failed_total", reason=reason) == 3


def test_wal_figures(registry: CollectorRegistry) -> None:
    metrics = WalMetrics(registry)
    metrics.synced(0.00017, 4096, 3)
    metrics.synced(0.003, 100, 1)
    fsync = "kvorum_wal_fsync_duration_seconds"
    assert value(registry, f"{fsync}_bucket", le="0.00015") == 0
    assert value(registry, f"{fsync}_bucket", le="0.0002") == 1
    assert value(registry, f"{fsync}_count") == 2
    assert value(registry, "kvorum_wal_written_bytes_total") == 4196
    assert value(registry, "kvorum_wal_batch_entries_bucket", le="4.0") == 2


def test_requests_by_route_method_and_status(registry: CollectorRegistry) -> None:
    metrics = RestMetrics(registry)
    observer: RestObserver = metrics
    observer.request("/key/{key}", "POST", 200, 0.002)
    observer.request("/key/{key}", "POST", 200, 0.003)
    observer.request("/key/{key}", "POST", 503, 99.0)
    observer.request("other", "GET", 404, 0.0)
    post = {"route": "/key/{key}", "method": "POST"}
    assert value(registry, "kvorum_http_requests_total", status="200", **post) == 2
    assert value(registry, "kvorum_http_requests_total", status="503", **post) == 1
    duration = "kvorum_http_request_duration_seconds"
    assert value(registry, f"{duration}_bucket", le="0.002", **post) == 1  # the end belongs to it
    assert value(registry, f"{duration}_bucket", le="8.0", **post) == 2
    assert value(registry, f"{duration}_bucket", le="+Inf", **post) == 3
    assert value(registry, f"{duration}_count", **post) == 3
    assert value(registry, f"{duration}_sum", **post) == pytest.approx(99.005)
    assert value(registry, f"{duration}_count", route="other", method="GET") == 1


def test_traffic_by_peer(registry: CollectorRegistry) -> None:
    metrics = PeerMetrics(registry)
    observer: TransportObserver = metrics
    observer.sent("a:1", 2, 300)
    observer.sent("a:1", 1, 100)
    observer.received("b:1", 5, 50)
    observer.dropped("a:1", 7, DropReason.QUEUE_FULL)
    observer.refused("handshake")
    assert value(registry, "kvorum_peer_sent_messages_total", peer="a:1") == 3
    assert value(registry, "kvorum_peer_sent_bytes_total", peer="a:1") == 400
    assert value(registry, "kvorum_peer_received_messages_total", peer="b:1") == 5
    assert value(registry, "kvorum_peer_received_bytes_total", peer="b:1") == 50
    dropped = "kvorum_peer_dropped_messages_total"
    assert value(registry, dropped, peer="a:1", reason="queue-full") == 7
    assert value(registry, "kvorum_peer_refused_calls_total", kind="handshake") == 1


def test_connection_of_a_peer(registry: CollectorRegistry) -> None:
    def figures() -> list[float | None]:
        names = ["connected", "dials_total", "connections_total"]
        return [value(registry, f"kvorum_peer_{name}", peer="a:1") for name in names]

    metrics = PeerMetrics(registry)
    metrics.dialled("a:1")
    assert figures() == [0, 1, 0]
    metrics.connected("a:1", True)
    metrics.connected("a:1", True)
    assert figures() == [1, 1, 1]
    metrics.connected("a:1", False)
    metrics.connected("a:1", False)
    assert figures() == [0, 1, 1]
    metrics.dialled("a:1")
    metrics.connected("a:1", True)
    assert figures() == [1, 2, 2]
