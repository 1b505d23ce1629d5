"""What a node counts about itself, for Prometheus.

Every topic takes the registry that it reports to; none is global, so one process can hold
several nodes. Names follow the Prometheus conventions: base units, ``_total`` for counters
only. Label values come from fixed lists or the cluster's members, so their number is bounded.

What a node knows anyway (its term, its indexes, its queues) is read when somebody scrapes, and
costs nothing in between. Whatever is counted is counted on the event loop, without locks.
"""

from prometheus_client import CollectorRegistry

from kvorum.telemetry.disk_metrics import DiskMetrics
from kvorum.telemetry.grpc_metrics import GrpcMetrics
from kvorum.telemetry.loop_lag import LoopLag
from kvorum.telemetry.meters import Topic
from kvorum.telemetry.node_metrics import NodeMetrics
from kvorum.telemetry.peer_metrics import PeerMetrics
from kvorum.telemetry.process_metrics import GcPauses, ProcessMetrics
from kvorum.telemetry.raft_metrics import RaftMetrics
from kvorum.telemetry.replication_metrics import ReplicationMetrics
from kvorum.telemetry.rest_metrics import RestMetrics
from kvorum.telemetry.span_metrics import SpanMetrics
from kvorum.telemetry.state_metrics import StateMetrics
from kvorum.telemetry.store_metrics import StoreMetrics
from kvorum.telemetry.watch_metrics import WatchMetrics


class MemberMetrics:
    """What a member counts by itself, whatever front ends, network and disk it has."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.node = NodeMetrics(registry)
        self.raft = RaftMetrics(registry)
        self.replication = ReplicationMetrics(registry)
        self.store = StoreMetrics(registry)
        self.watches = WatchMetrics(registry)
        self.state = StateMetrics(registry)

    @property
    def topics(self) -> tuple[Topic, ...]:
        return self.node, self.raft, self.replication, self.store, self.watches, self.state


class ServiceMetrics:
    """Every metric of one node, on ``registry``; nothing of it needs a node to run.

    What is sampled shows no series before it has a source.
    """

    def __init__(self, registry: CollectorRegistry, *, version: str) -> None:
        self.member = MemberMetrics(registry)
        self.disk = DiskMetrics(registry)
        self.peers = PeerMetrics(registry)
        self.rest = RestMetrics(registry)
        self.grpc = GrpcMetrics(registry)
        self.spans = SpanMetrics(registry)
        self.loop_lag = LoopLag(registry)
        self.gc_pauses = GcPauses(registry)
        self.process = ProcessMetrics(registry, version=version)

    @property
    def topics(self) -> tuple[Topic, ...]:
        """In the order in which people should read them."""
        others = self.disk, self.peers, self.rest, self.grpc, self.spans
        return *self.member.topics, *others, self.loop_lag, self.gc_pauses, self.process
