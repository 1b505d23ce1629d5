"""What a node counts about itself, for Prometheus.

Every group takes the registry that it reports to; none is global, so one
process can hold several nodes. Names follow the Prometheus conventions: base
units, ``_total`` for counters only. Label values come from fixed lists or the
cluster's members, so their number is bounded.

What a node knows anyway (its term, its indexes, its queues) is read when
somebody scrapes, and costs nothing in between: see :class:`NodeCollector`.
"""

from collections.abc import Callable, Iterable
from typing import Literal

import msgspec
from msgspec import Struct
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from kvorum.raft.ready import Event, EventKind
from kvorum.raft.types import NodeId, Term
from kvorum.telemetry.distribution import Distribution

FSYNC_BUCKETS_S = (
    *(50e-6, 100e-6, 150e-6, 200e-6, 300e-6, 500e-6, 750e-6),
    *(0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.0),
)
REQUEST_BUCKETS_S = (
    *(250e-6, 500e-6, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064),
    *(0.128, 0.256, 0.512, 1.0, 2.0, 4.0, 8.0),
)
SNAPSHOT_BUCKETS_S = (0.01, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)

FailureReason = Literal["no_leader", "overloaded", "unknown", "superseded"]


class NodeSample(Struct, frozen=True, kw_only=True):
    """Where a node stands at the moment of a scrape."""

    term: int
    commit_index: int
    applied_index: int
    first_index: int
    last_index: int
    is_leader: bool
    has_leader: bool
    is_serving: bool
    voters: int
    learners: int
    proposals_pending: int
    reads_pending: int
    keys: int
    store_bytes: int
    revision: int
    outcomes: int
    store_is_full: bool
    store_quota_bytes: int
    leases: int
    compacted_revision: int
    history_revisions: int
    history_bytes: int


_NODE_GAUGES: dict[str, str] = {
    "term": "Current Raft term; it grows with every election.",
    "commit_index": "Index of the last log entry known to be committed.",
    "applied_index": "Index of the last log entry applied to the store.",
    "first_index": "Index of the first entry still in memory; a snapshot covers what came before.",
    "last_index": "Index of the last entry of this node's log, committed or not.",
    "is_leader": "1 if this node is the leader, else 0.",
    "has_leader": "1 if this node knows a leader, else 0: it can serve neither writes nor reads.",
    "is_serving": "1 in health; 0 once this node was removed or its state is wrong.",
    "voters": "Voting members of the membership that this node uses.",
    "learners": "Members that get the log without a vote.",
    "proposals_pending": "Writes accepted from clients and not answered yet.",
    "reads_pending": "Linearizable reads accepted from clients and not answered yet.",
    "keys": "Keys in the store.",
    "store_bytes": "Size of the store as the quota counts it: keys, values, 256 bytes a key.",
    "revision": "Revision of the store: how many writes have changed it.",
    "outcomes": "Outcomes of executed commands that are kept to recognise repeated requests.",
    "store_is_full": "1 while writes are refused for the quota, else 0; it clears itself.",
    "store_quota_bytes": "Size at which writes are refused, as kvorum_store_bytes; 0: no bound.",
    "leases": "Leases that have not ended, those of single keys included.",
    "compacted_revision": "History before this revision is forgotten.",
    "history_revisions": "Former revisions that can still be read and watched.",
    "history_bytes": "What those keep of keys and values.",
}


class NodeCollector(Collector):
    """The gauges of a node, sampled by ``sample`` at each scrape."""

    def __init__(self, sample: Callable[[], NodeSample], registry: CollectorRegistry) -> None:
        self._sample = sample
        registry.register(self)

    def describe(self) -> Iterable[Metric]:
        return [GaugeMetricFamily(f"kvorum_{name}", text) for name, text in _NODE_GAUGES.items()]

    def collect(self) -> Iterable[Metric]:
        values = msgspec.structs.asdict(self._sample())
        return [
            GaugeMetricFamily(f"kvorum_{name}", text, value=float(values[name]))
            for name, text in _NODE_GAUGES.items()
        ]


class RaftMetrics:
    """Elections, proposals and read rounds: what the driver and its helpers report."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._leader_changes = Counter(
            "kvorum_leader_changes_total",
            "Times this node learned of a new leader, itself included.",
            registry=registry,
        )
        elections = Counter(
            "kvorum_elections_total",
            "Elections this node started: pre asks whether it could win, real asks for votes.",
            ["kind"],
            registry=registry,
        )
        self._campaigns = {
            EventKind.PRE_CAMPAIGN: elections.labels("pre"),
            EventKind.CAMPAIGN: elections.labels("real"),
        }
        self._committed = Counter(
            "kvorum_proposals_committed_total",
            "Writes of this node's clients that were committed and applied.",
            registry=registry,
        )
        failed = Counter(
            "kvorum_proposals_failed_total",
            "Writes of this node's clients that were not: refused with no_leader or overloaded, "
            "unanswered in time (unknown), or overwritten by another leader (superseded).",
            ["reason"],
            registry=registry,
        )
        reasons: tuple[FailureReason, ...] = ("no_leader", "overloaded", "unknown", "superseded")
        self._failed = {reason: failed.labels(reason) for reason in reasons}
        self._inbox_dropped = Counter(
            "kvorum_inbox_dropped_messages_total",
            "Raft messages from peers thrown away because the driver's inbox was full.",
            registry=registry,
        )
        self._read_batches = Counter(
            "kvorum_read_index_batches_total",
            "Quorum rounds made for linearizable reads; one round serves many reads.",
            registry=registry,
        )

    def event(self, event: Event) -> None:
        """Count a campaign; other events pass."""
        counter = self._campaigns.get(event.kind)
        if counter is not None:
            counter.inc()

    def leader_changed(self, _term: Term, leader: NodeId | None) -> None:
        """Another leader than the last one is known now; None: none is."""
        if leader is not None:
            self._leader_changes.inc()

    def proposals_committed(self, count: int) -> None:
        self._committed.inc(count)

    def proposals_failed(self, reason: FailureReason, count: int = 1) -> None:
        self._failed[reason].inc(count)

    def inbox_dropped(self, messages: int) -> None:
        self._inbox_dropped.inc(messages)

    def read_index_batch(self) -> None:
        self._read_batches.inc()


class WalMetrics:
    """What the durable log costs."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._fsync = Histogram(
            "kvorum_wal_fsync_duration_seconds",
            "Time to write one batch to the log and make it durable.",
            buckets=FSYNC_BUCKETS_S,
            registry=registry,
        )
        self._written = Counter(
            "kvorum_wal_written_bytes_total",
            "Bytes appended to the log.",
            registry=registry,
        )
        self._entries = Histogram(
            "kvorum_wal_batch_entries",
            "Log entries made durable together; each entry holds a batch of commands.",
            buckets=BATCH_BUCKETS,
            registry=registry,
        )

    def synced(self, seconds: float, size_bytes: int, entries: int) -> None:
        """One batch of ``entries`` in ``size_bytes`` was made durable."""
        self._fsync.observe(seconds)
        self._written.inc(size_bytes)
        self._entries.observe(entries)


class _Requests:
    """Requests of one route, method and status; durations are shared by all statuses."""

    __slots__ = ("count", "durations")

    def __init__(self, durations: Distribution) -> None:
        self.count = 0
        self.durations = durations


class RestMetrics(Collector):
    """Requests by route template, method and status."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests: dict[tuple[str, str, int], _Requests] = {}
        self._durations: dict[tuple[str, str], Distribution] = {}
        registry.register(self)

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count an answered request: ``route`` and ``method`` from fixed lists."""
        requests = self._requests.get((route, method, status))
        if requests is None:
            requests = self._first_request(route, method, status)
        requests.count += 1
        requests.durations.observe(seconds)

    def _first_request(self, route: str, method: str, status: int) -> _Requests:
        durations = self._durations.get((route, method))
        if durations is None:
            durations = self._durations[route, method] = Distribution(REQUEST_BUCKETS_S)
        requests = self._requests[route, method, status] = _Requests(durations)
        return requests

    def describe(self) -> Iterable[Metric]:
        return self._families()

    def _families(self) -> tuple[CounterMetricFamily, HistogramMetricFamily]:
        return (
            CounterMetricFamily(
                "kvorum_http_requests_total",
                "HTTP requests answered, by route template, method and status.",
                labels=["route", "method", "status"],
            ),
            HistogramMetricFamily(
                "kvorum_http_request_duration_seconds",
                "Time from a request's arrival until its answer was sent.",
                labels=["route", "method"],
            ),
        )

    def collect(self) -> Iterable[Metric]:
        count, duration = self._families()
        for (route, method, status), requests in self._requests.items():
            count.add_metric([route, method, str(status)], requests.count)
        for labels, durations in self._durations.items():
            duration.add_metric(labels, durations.buckets(), durations.sum)
        return count, duration


class _Link:
    """What went to and came from one member."""

    __slots__ = (
        "connections",
        "dials",
        "received_bytes",
        "received_messages",
        "sent_bytes",
        "sent_messages",
        "up",
    )

    def __init__(self) -> None:
        self.sent_messages = self.sent_bytes = 0
        self.received_messages = self.received_bytes = 0
        self.dials = self.connections = 0
        self.up = False


_LINK_COUNTERS: dict[str, str] = {
    "sent_messages": "Raft messages sent to the peer.",
    "sent_bytes": "Bytes of Raft messages sent to the peer.",
    "received_messages": "Raft messages received from the peer.",
    "received_bytes": "Bytes of Raft messages received from the peer.",
    "dials": "Attempts to connect to the peer.",
    "connections": "Connections to the peer that were established; growth means reconnects.",
}


class PeerMetrics(Collector):
    """Traffic between the members; fits the transport's observer.

    Every method is called on the event loop, for each frame: no locks.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._links: dict[str, _Link] = {}
        self._dropped: dict[tuple[str, str], int] = {}
        self._refused: dict[str, int] = {}
        registry.register(self)

    def _link(self, peer: str) -> _Link:
        link = self._links.get(peer)
        if link is None:
            link = self._links[peer] = _Link()
        return link

    def sent(self, peer: str, messages: int, size_bytes: int) -> None:
        link = self._link(peer)
        link.sent_messages += messages
        link.sent_bytes += size_bytes

    def received(self, peer: str, messages: int, size_bytes: int) -> None:
        link = self._link(peer)
        link.received_messages += messages
        link.received_bytes += size_bytes

    def dropped(self, peer: str, messages: int, reason: str) -> None:
        self._dropped[peer, reason] = self._dropped.get((peer, reason), 0) + messages

    def connected(self, peer: str, up: bool) -> None:
        link = self._link(peer)
        link.connections += up and not link.up
        link.up = up

    def dialled(self, peer: str) -> None:
        self._link(peer).dials += 1

    def forgotten(self, peer: str) -> None:
        """No series outlives its member: ids are never used again."""
        self._links.pop(peer, None)
        self._dropped = {key: count for key, count in self._dropped.items() if key[0] != peer}

    def refused(self, kind: str) -> None:
        self._refused[kind] = self._refused.get(kind, 0) + 1

    def describe(self) -> Iterable[Metric]:
        return [*self._link_counters(), *self._other_families()]

    def _link_counters(self) -> list[CounterMetricFamily]:
        return [
            CounterMetricFamily(f"kvorum_peer_{name}_total", text, labels=["peer"])
            for name, text in _LINK_COUNTERS.items()
        ]

    def _other_families(
        self,
    ) -> tuple[GaugeMetricFamily, CounterMetricFamily, CounterMetricFamily]:
        return (
            GaugeMetricFamily(
                "kvorum_peer_connected",
                "1 while this node's connection to the peer is up, else 0.",
                labels=["peer"],
            ),
            CounterMetricFamily(
                "kvorum_peer_dropped_messages_total",
                "Raft messages for the peer that were thrown away; Raft repeats what matters.",
                labels=["peer", "reason"],
            ),
            CounterMetricFamily(
                "kvorum_peer_refused_calls_total",
                "Calls of other nodes that were refused or broken off, by kind.",
                labels=["kind"],
            ),
        )

    def collect(self) -> Iterable[Metric]:
        counters = self._link_counters()
        connected, dropped, refused = self._other_families()
        for peer, link in self._links.items():
            connected.add_metric([peer], float(link.up))
            for name, counter in zip(_LINK_COUNTERS, counters, strict=True):
                counter.add_metric([peer], getattr(link, name))
        for labels, messages in self._dropped.items():
            dropped.add_metric(labels, messages)
        for kind, calls in self._refused.items():
            refused.add_metric([kind], calls)
        return [*counters, connected, dropped, refused]


StallCause = Literal["disk", "event_loop"]


class StateMetrics:
    """Snapshots, comparisons of state, and standing still."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._snapshot_seconds = Histogram(
            "kvorum_snapshot_duration_seconds",
            "Time to write one snapshot, beside normal work.",
            buckets=SNAPSHOT_BUCKETS_S,
            registry=registry,
        )
        self._snapshot_bytes = Gauge(
            "kvorum_snapshot_size_bytes",
            "Size of the newest snapshot that this node took.",
            registry=registry,
        )
        self._failures = Counter(
            "kvorum_snapshot_failures_total",
            "Snapshots that could not be written, read, sent or installed; see the log.",
            registry=registry,
        )
        self._sent_bytes = Counter(
            "kvorum_snapshot_sent_bytes_total",
            "Bytes of snapshots sent to followers that needed entries which are gone.",
            registry=registry,
        )
        self._installed = Counter(
            "kvorum_snapshots_installed_total",
            "Snapshots received from a leader and loaded.",
            registry=registry,
        )
        self._checks = Counter(
            "kvorum_state_checks_total",
            "Times this node's state was compared with a majority's.",
            registry=registry,
        )
        self._mismatches = Counter(
            "kvorum_state_mismatches_total",
            "Nodes found to hold another state than the others at the same entry; 0 in health.",
            registry=registry,
        )
        stalls = Counter(
            "kvorum_stalls_total",
            "Times this node stood still for longer than an election timeout, by cause.",
            ["cause"],
            registry=registry,
        )
        causes: tuple[StallCause, ...] = ("disk", "event_loop")
        self._stalls = {cause: stalls.labels(cause) for cause in causes}

    def snapshot_taken(self, seconds: float, size_bytes: int) -> None:
        self._snapshot_seconds.observe(seconds)
        self._snapshot_bytes.set(size_bytes)

    def snapshot_failed(self) -> None:
        self._failures.inc()

    def snapshot_sent(self, size_bytes: int) -> None:
        self._sent_bytes.inc(size_bytes)

    def snapshot_installed(self) -> None:
        self._installed.inc()

    def checked(self) -> None:
        self._checks.inc()

    def mismatch(self) -> None:
        self._mismatches.inc()

    def stalled(self, cause: StallCause) -> None:
        self._stalls[cause].inc()
