"""A node's limits and patience, frozen at start."""

from msgspec import Struct

from kvorum.raft.types import NodeId

INCARNATION_BITS = 62
"""Leaves room to count upwards in 63 bits."""


class NodeOptions(Struct, frozen=True, kw_only=True):
    """Times in seconds or ticks, sizes in bytes; see the settings of the same names."""

    node_id: str  # SELF_ID, for people and answers
    cluster_id: str
    member: NodeId  # this node's identity inside the log
    uid: str  # of its data directory
    incarnation: int  # random for every start; tickets begin here: no answer fits a former start
    internal_key: bytes
    tick_s: float
    heartbeat_ticks: int
    election_ticks_min: int
    election_ticks_max: int
    request_timeout_s: float
    pending_writes_max: int
    pending_bytes_max: int
    pending_reads_max: int
    outcomes_count_max: int
    outcomes_age_s_max: int
    history_revisions_max: int
    history_age_s_max: int
    history_bytes_max: int
    quota_bytes: int  # keys and values; 0: no bound
    lease_checkpoint_s: float  # by how much an election can prolong a lease
    watchers_max: int
    watch_buffer_events_max: int  # waiting for one watcher
    key_bytes_max: int
    value_bytes_max: int
    snapshot_entries: int  # applied since the last snapshot: time for the next
    snapshot_bytes: int  # the same, of log data
    snapshot_keep_entries: int  # left in the log behind a snapshot, for followers that lag
    state_check_interval_s: float  # 0: replicas do not compare their states
    inbox_max: int = 8192  # messages from peers waiting for the driver

    @property
    def election_timeout_s_max(self) -> float:
        return self.election_ticks_max * self.tick_s

    @property
    def leaderless_grace_s(self) -> float:
        """How long requests wait for a leader to appear before they are refused."""
        return 2 * self.election_timeout_s_max
