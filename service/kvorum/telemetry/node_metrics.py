"""Where a node stands, read when somebody scrapes: it costs nothing in between."""

from operator import attrgetter

from msgspec import Struct

from kvorum.telemetry.meters import Label, SampledTopic, Series


class NodeSample(Struct, frozen=True, kw_only=True):
    """``leader`` is a SELF_ID, "" without one; what only a leader knows is None elsewhere."""

    term: int
    commit_index: int
    applied_index: int
    first_index: int
    last_index: int
    leader: str
    is_leader: bool
    is_learner: bool
    has_leader: bool
    is_serving: bool
    voters: int
    learners: int
    active_voters: int | None
    quorum_margin: int | None
    proposals_pending: int
    reads_pending: int


_GAUGES: dict[str, str] = {
    "term": "Current Raft term, the same on all nodes in health; it grows with every election.",
    "commit_index": "Index of the last log entry known to be committed. It should grow alike on "
    "all nodes; one that stays behind lags or is cut off.",
    "applied_index": "Index of the last log entry applied to the store. Far behind "
    "kvorum_commit_index: this node is overloaded, see kvorum_apply_duration_seconds.",
    "first_index": "Index of the first entry still in memory; a snapshot covers what came before.",
    "last_index": "Index of the last entry of this node's log, committed or not.",
    "is_leader": "1 if this node is the leader, else 0. The sum over all nodes is 1 in health.",
    "is_learner": "1 if this node gets the log without a vote, else 0. A learner that stays one "
    "waits to be promoted.",
    "has_leader": "1 if this node knows a leader, else 0: it can serve neither writes nor "
    "linearizable reads. 0 for more than some seconds: look at how many nodes are up and "
    "connected.",
    "is_serving": "1 in health; 0 once this node was removed or its state is wrong. Its log says "
    "which.",
    "voters": "Voting members of the membership that this node uses.",
    "learners": "Members that get the log without a vote.",
    "active_voters": "Voters that answer the leader, itself included; on the leader only. Less "
    "than kvorum_voters: one is down, cut off or standing still.",
    "quorum_margin": "Voters that answer the leader, itself included, minus the majority; while "
    "the membership changes, the smaller of both majorities' margins. On the leader only. 0: the "
    "next failure stops writes. Below 0 it is stopping, or was elected this moment.",
    "proposals_pending": "Writes accepted from clients and not answered yet. Growth without end: "
    "no leader, no majority, or too much load.",
    "reads_pending": "Linearizable reads accepted from clients and not answered yet.",
}


class NodeMetrics(SampledTopic[NodeSample]):
    title = "Where the node stands"

    def _declare(self) -> None:
        for field, text in _GAUGES.items():
            self.gauge(f"kvorum_{field}", text, attrgetter(field))
        self.gauges(
            "kvorum_leader",
            "1 for the node that this one takes for the leader; no series while it knows none. "
            "Nodes that disagree for longer than an election do not hear each other.",
            Label("leader", "`SELF_ID` of the leader"),
            _leader,
        )


def _leader(sample: NodeSample) -> Series:
    return [((sample.leader,), 1)] if sample.leader else []
