"""Elections, proposals and reads: what the driver and its helpers report."""

from typing import Literal

from prometheus_client import CollectorRegistry

from kvorum.raft.ready import Event, EventKind
from kvorum.raft.types import NodeId, Term
from kvorum.telemetry.meters import Label, Topic

BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
READ_BUCKETS_S = (
    *(100e-6, 250e-6, 500e-6, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032),
    *(0.064, 0.128, 0.256, 0.512, 1.0, 2.0, 4.0),
)

FailureReason = Literal["no_leader", "overloaded", "unknown", "superseded"]
ReadFailure = Literal["no_leader", "overloaded"]

_REASONS: tuple[FailureReason, ...] = ("no_leader", "overloaded", "unknown", "superseded")
_READ_FAILURES: tuple[ReadFailure, ...] = ("no_leader", "overloaded")
_ELECTIONS = (("pre", "timeout"), ("real", "timeout"), ("real", "transfer"))


class RaftMetrics(Topic):
    title = "Elections, writes and reads"

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__()
        self._leader_changes = self.counter(
            "kvorum_leader_changes_total",
            "Times this node learned of a new leader, itself included. Several an hour without "
            "restarts: slow disks, overload or a bad network.",
        )
        self._elections = self.counters(
            "kvorum_elections_total",
            "Elections this node started: pre asks whether it could win, real asks for votes; "
            "because no leader was heard (timeout) or the leader told it to (transfer).",
            Label("kind", "`pre`, `real`"),
            Label("cause", "`timeout`, `transfer` (with `real` only)"),
            expected=_ELECTIONS,
        )
        self._declare_writes()
        self._declare_reads()
        registry.register(self)

    def _declare_writes(self) -> None:
        self._committed = self.counter(
            "kvorum_proposals_committed_total",
            "Writes of this node's clients that were committed and applied.",
        )
        self._failed = self.counters(
            "kvorum_proposals_failed_total",
            "Writes of this node's clients that were not: refused with no_leader or overloaded, "
            "unanswered in time (unknown), or overwritten by another leader (superseded; these "
            "are proposed again by themselves).",
            Label("reason", "`no_leader`, `overloaded`, `unknown`, `superseded`"),
            expected=[(reason,) for reason in _REASONS],
        )
        self._batches = self.histogram(
            "kvorum_proposal_batch_commands",
            "Commands in each batch that this node proposed; a batch is one log entry. It grows "
            "with load, as more arrive during each sync of the disk; at 1024 a batch is full.",
            BATCH_BUCKETS,
        )
        self._inbox_dropped = self.counter(
            "kvorum_inbox_dropped_messages_total",
            "Raft messages from peers thrown away because the driver's inbox was full: this node "
            "is overloaded.",
        )

    def _declare_reads(self) -> None:
        self._read_batches = self.counter(
            "kvorum_read_index_batches_total",
            "Quorum rounds made for linearizable reads; one round serves many reads.",
        )
        self._read_rounds = self.histogram(
            "kvorum_read_index_duration_seconds",
            "Time from asking for a read index until leadership was proved, repeated attempts "
            "included. Normally one round trip to a majority; on a follower one to the leader, and "
            "with more than three voters one more.",
            READ_BUCKETS_S,
        )
        self._reads_failed = self.counters(
            "kvorum_reads_failed_total",
            "Linearizable reads of this node's clients that were refused: nobody proved to lead "
            "in time (no_leader), or too many wait on this node (overloaded).",
            Label("reason", "`no_leader`, `overloaded`"),
            expected=[(reason,) for reason in _READ_FAILURES],
        )

    def event(self, event: Event) -> None:
        """Count a campaign; other events pass."""
        if event.kind is EventKind.PRE_CAMPAIGN:
            self._elections.inc("pre", "timeout")
        elif event.kind is EventKind.CAMPAIGN:
            self._elections.inc("real", "transfer" if event.is_transfer else "timeout")

    def leader_changed(self, _term: Term, leader: NodeId | None) -> None:
        """Another leader than the last one is known now; None: none is."""
        if leader is not None:
            self._leader_changes.inc()

    def proposed(self, commands: int) -> None:
        """One batch of so many was handed to the core."""
        self._batches.observe(commands)

    def proposals_committed(self, count: int) -> None:
        self._committed.inc(count)

    def proposals_failed(self, reason: FailureReason, count: int = 1) -> None:
        self._failed.inc(reason, by=count)

    def inbox_dropped(self, messages: int) -> None:
        self._inbox_dropped.inc(messages)

    def read_index_batch(self, seconds: float) -> None:
        """Leadership was proved for one batch of reads."""
        self._read_batches.inc()
        self._read_rounds.observe(seconds)

    def reads_failed(self, reason: ReadFailure, count: int = 1) -> None:
        self._reads_failed.inc(reason, by=count)
