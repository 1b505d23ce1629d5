"""Metrics: what is counted arrives in a scrape, under names that follow the conventions."""

import re
from typing import get_args

import msgspec
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from kvorum.raft.ready import Event, EventKind
from kvorum.raft.types import NodeId, Term
from kvorum.rest.observer import OTHER, RestObserver, method_label
from kvorum.telemetry.disk_metrics import DiskMetrics, DiskSample
from kvorum.telemetry.grpc_metrics import GrpcMetrics
from kvorum.telemetry.metrics import ServiceMetrics
from kvorum.telemetry.node_metrics import NodeMetrics, NodeSample
from kvorum.telemetry.peer_metrics import PeerMetrics
from kvorum.telemetry.raft_metrics import FailureReason, RaftMetrics, ReadFailure
from kvorum.telemetry.replication_metrics import (
    Follower,
    ReplicationMetrics,
    ReplicationSample,
)
from kvorum.telemetry.rest_metrics import RestMetrics
from kvorum.telemetry.state_metrics import StallCause
from kvorum.telemetry.store_metrics import BackupSample, StoreMetrics, StoreSample
from kvorum.transport.introduction import RefusalKind
from kvorum.transport.observer import CallObserver, DropReason, TransportObserver
from kvorum.transport.reception import MALFORMED

SAMPLE = NodeSample(
    term=3,
    commit_index=10,
    applied_index=9,
    first_index=2,
    last_index=12,
    leader="Node-1",
    is_leader=True,
    is_learner=False,
    has_leader=True,
    is_serving=True,
    voters=3,
    learners=1,
    active_voters=3,
    quorum_margin=1,
    proposals_pending=4,
    reads_pending=5,
)
STORE = StoreSample(
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
    backup=BackupSample(1_800_000_000.5, 7, 4096),
)
DISK = DiskSample(
    wal_size_bytes=64,
    data_free_bytes=1000,
    data_size_bytes=2000,
    snapshot_last_index=5,
    snapshot_last_timestamp_s=1_800_000_000.25,
)
REPLICATION = ReplicationSample({"b:1": "Node-2"}, (Follower("Node-2", 3, 2),))


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(name, labels)


def everything(registry: CollectorRegistry) -> ServiceMetrics:
    """One of each metric, with every label set at least once."""
    metrics = ServiceMetrics(registry, version="1.2.3")
    metrics.member.node.sample_from(lambda: SAMPLE)
    metrics.member.store.sample_from(lambda: STORE)
    metrics.member.replication.sample_from(lambda: REPLICATION)
    metrics.member.replication.round_trips("b:1").observe(0.001)
    metrics.member.watches.ended("closed")
    metrics.disk.sample_from(lambda: DISK)
    metrics.rest.request("/key/{key}", "POST", 200, 0.001)
    metrics.peers.sent("a:1", 1, 1)
    metrics.peers.dropped("a:1", 1, "queue-full")
    metrics.peers.refused("handshake")
    metrics.grpc.answered("a.B/C", "OK", 0.001)
    metrics.grpc.opened("a.B/D")
    return metrics


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
        units = ("_seconds", "_entries", "_commands")
        assert family.type != "histogram" or family.name.endswith(units), family.name
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
    NodeMetrics(registry).sample_from(lambda: next(samples))
    first, second = (
        {family.name: family.samples[0].value for family in registry.collect()} for _ in range(2)
    )
    numbers = msgspec.structs.asdict(SAMPLE) | {"leader": 1}
    assert first == {f"kvorum_{name}": float(number) for name, number in numbers.items()}
    assert (second["kvorum_term"], second["kvorum_is_leader"]) == (4, 0)


def test_raft_counters(registry: CollectorRegistry) -> None:
    metrics = RaftMetrics(registry)
    for kind in EventKind:
        metrics.event(Event(kind, Term(2)))
    metrics.event(Event(EventKind.PRE_CAMPAIGN, Term(3)))
    metrics.leader_changed(Term(2), NodeId("a:1"))
    metrics.leader_changed(Term(2), None)
    metrics.proposals_committed(64)
    metrics.read_index_batch(0.003)
    elections = "kvorum_elections_total"
    assert value(registry, elections, kind="pre", cause="timeout") == 2
    assert value(registry, elections, kind="real", cause="timeout") == 1
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
    metrics = DiskMetrics(registry)
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


def test_without_a_source_nothing_is_claimed(registry: CollectorRegistry) -> None:
    NodeMetrics(registry)
    DiskMetrics(registry).sample_from(lambda: DiskSample(wal_size_bytes=64))
    shown = {
        family.name for family in registry.collect() if family.type == "gauge" if family.samples
    }
    assert shown == {"kvorum_wal_size_bytes"}


def test_what_only_a_leader_knows_has_no_series_elsewhere(registry: CollectorRegistry) -> None:
    follower = msgspec.structs.replace(SAMPLE, active_voters=None, quorum_margin=None, leader="")
    NodeMetrics(registry).sample_from(lambda: follower)
    shown = {family.name for family in registry.collect() if family.samples}
    assert "kvorum_voters" in shown
    assert not shown & {"kvorum_active_voters", "kvorum_quorum_margin", "kvorum_leader"}


def test_the_last_backup(registry: CollectorRegistry) -> None:
    samples = iter([STORE, STORE, STORE, msgspec.structs.replace(STORE, backup=None)])
    StoreMetrics(registry).sample_from(lambda: next(samples))
    assert value(registry, "kvorum_backup_last_success_timestamp_seconds") == 1_800_000_000.5
    assert value(registry, "kvorum_backup_last_revision") == 7
    assert value(registry, "kvorum_backup_last_size_bytes") == 4096
    assert value(registry, "kvorum_backup_last_revision") is None


def test_the_disk(registry: CollectorRegistry) -> None:
    DiskMetrics(registry).sample_from(lambda: DISK)
    assert value(registry, "kvorum_wal_size_bytes") == 64
    assert value(registry, "kvorum_data_free_bytes") == 1000
    assert value(registry, "kvorum_data_size_bytes") == 2000
    assert value(registry, "kvorum_snapshot_last_index") == 5
    assert value(registry, "kvorum_snapshot_last_timestamp_seconds") == 1_800_000_000.25


def test_batches_and_reads(registry: CollectorRegistry) -> None:
    metrics = RaftMetrics(registry)
    metrics.proposed(3)
    metrics.proposed(1024)
    metrics.read_index_batch(0.003)
    metrics.reads_failed("no_leader", 2)
    metrics.event(Event(EventKind.CAMPAIGN, Term(2), is_transfer=True))
    assert value(registry, "kvorum_proposal_batch_commands_bucket", le="4.0") == 1
    assert value(registry, "kvorum_proposal_batch_commands_bucket", le="1024.0") == 2
    assert value(registry, "kvorum_proposal_batch_commands_sum") == 1027
    assert value(registry, "kvorum_read_index_duration_seconds_bucket", le="0.004") == 1
    assert value(registry, "kvorum_reads_failed_total", reason="no_leader") == 2
    assert value(registry, "kvorum_reads_failed_total", reason="overloaded") == 0
    assert value(registry, "kvorum_elections_total", kind="real", cause="transfer") == 1
    assert value(registry, "kvorum_elections_total", kind="real", cause="timeout") == 0


def test_peers_of_a_leader(registry: CollectorRegistry) -> None:
    metrics = ReplicationMetrics(registry)
    metrics.round_trips("b:1").observe(0.003)
    metrics.round_trips("c:1").observe(0.003)
    trips = "kvorum_peer_round_trip_seconds_count"
    metrics.sample_from(lambda: REPLICATION)
    assert value(registry, "kvorum_peer_match_lag_entries", peer="Node-2") == 3
    assert value(registry, "kvorum_peer_in_flight_messages", peer="Node-2") == 2
    assert value(registry, trips, peer="Node-2") == 1
    assert value(registry, trips, peer="c:1") is None  # it is no member any more
    metrics.sample_from(lambda: ReplicationSample({"c:1": "Node-3"}, ()))
    assert value(registry, trips, peer="Node-3") is None  # and was forgotten
    assert value(registry, "kvorum_peer_match_lag_entries", peer="Node-2") is None


def test_peers_are_shown_by_their_names(registry: CollectorRegistry) -> None:
    metrics = PeerMetrics(registry)
    metrics.name_by(lambda members: {member: f"name of {member}" for member in members})
    metrics.sent("a:1", 1, 10)
    metrics.dropped("a:1", 2, DropReason.QUEUE_FULL)
    metrics.dropped("b:1", 3, DropReason.QUEUE_FULL)
    assert value(registry, "kvorum_peer_sent_bytes_total", peer="name of a:1") == 10
    dropped = "kvorum_peer_dropped_messages_total"
    assert value(registry, dropped, peer="name of b:1", reason="queue-full") == 3
    metrics.forgotten("a:1")
    assert value(registry, "kvorum_peer_sent_bytes_total", peer="name of a:1") is None
    assert value(registry, dropped, peer="name of a:1", reason="queue-full") is None


def test_grpc_calls(registry: CollectorRegistry) -> None:
    metrics = GrpcMetrics(registry)
    observer: CallObserver = metrics
    observer.answered("a.B/C", "OK", 0.003)
    observer.answered("a.B/C", "UNAVAILABLE", 0.003)
    observer.opened("a.B/D")
    observer.opened("a.B/D")
    observer.closed("a.B/D", "CANCELLED")
    observer.unknown()
    requests = "kvorum_grpc_requests_total"
    assert value(registry, requests, method="a.B/C", code="OK") == 1
    assert value(registry, requests, method="a.B/C", code="UNAVAILABLE") == 1
    assert value(registry, requests, method="a.B/D", code="CANCELLED") == 1
    assert value(registry, requests, method="other", code="UNIMPLEMENTED") == 1
    assert value(registry, "kvorum_grpc_streams", method="a.B/D") == 1
    duration = "kvorum_grpc_request_duration_seconds"
    assert value(registry, f"{duration}_bucket", method="a.B/C", le="0.004") == 2
    assert value(registry, f"{duration}_count", method="a.B/D") is None


def labels_of(metrics: ServiceMetrics, name: str, label: str) -> set[str]:
    """What the description of a label says that it can be."""
    [family] = [one for topic in metrics.topics for one in topic.families if one.name == name]
    [values] = [one.values for one in family.labels if one.name == label]
    return set(re.findall(r"`([^`]*)`", values))


def test_the_descriptions_name_all_values_that_code_uses(registry: CollectorRegistry) -> None:
    metrics = ServiceMetrics(registry, version="1.2.3")
    kinds = labels_of(metrics, "kvorum_peer_refused_calls_total", "kind")
    assert kinds == {MALFORMED, *RefusalKind}
    reasons = labels_of(metrics, "kvorum_peer_dropped_messages_total", "reason")
    assert reasons == set(DropReason)
    failures = labels_of(metrics, "kvorum_proposals_failed_total", "reason")
    assert failures == set(get_args(FailureReason))
    assert labels_of(metrics, "kvorum_reads_failed_total", "reason") == set(get_args(ReadFailure))
    assert labels_of(metrics, "kvorum_stalls_total", "cause") == set(get_args(StallCause))
    methods = labels_of(metrics, "kvorum_http_requests_total", "method")
    assert {method for method in methods if method_label(method) == method} == methods
    assert OTHER in methods
