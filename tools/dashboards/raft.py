"""Raft: who leads and why that changed, how the log gets to a majority, and who lags."""

from tools.dashboards.overview import ROLE, ROLES
from tools.dashboards.promql import increase, quantile, rate
from tools.dashboards.spec import RED, YELLOW, Dashboard, Kind, Panel, Query, Row, above


def _quantiles(histogram: str, by: str = "", who: str = "") -> list[Query]:
    return [
        Query(quantile(q, histogram, by), f"{who} p{round(q * 100)}".strip()) for q in (0.5, 0.99)
    ]


_LEADERSHIP = (
    Panel(
        "Roles",
        "What each node was. Exactly one leader; a gap is a node that was not scraped.",
        [Query(ROLE, "{{instance}}")],
        Kind.STATES,
        width=12,
        states={**ROLES, "6": ("knows no leader", RED)},
    ),
    Panel(
        "Term",
        "Grows with every election and is the same on all nodes. A node whose term stays behind "
        "is cut off; steps again and again: docs/runbooks/leader-changes.md.",
        [Query("kvorum_term{@node}", "{{instance}}")],
        width=6,
    ),
    Panel(
        "Leader changes",
        "Times a node learned of a new leader; each restart counts one on its node. Several an "
        "hour on all nodes: slow disks, overload or a bad network.",
        [Query(increase("kvorum_leader_changes_total", "instance"), "{{instance}}")],
        Kind.BARS,
        width=6,
    ),
    Panel(
        "Elections by cause",
        "pre asks whether a majority would vote, real asks for votes. transfer is meant "
        "(shutdown, upgrade); timeout is a leader that was not heard. Many pre without real: a "
        "node is cut off.",
        [Query(increase("kvorum_elections_total", "kind, cause"), "{{kind}}, {{cause}}")],
        Kind.BARS,
    ),
    Panel(
        "Voters",
        "Voters, those that answer the leader, and learners. active below voters: "
        "docs/runbooks/member-down.md.",
        [
            Query("max(kvorum_voters{@})", "voters"),
            Query("max(kvorum_active_voters{@})", "active"),
            Query("max(kvorum_learners{@})", "learners"),
        ],
    ),
    Panel(
        "Stalls",
        "Times a node stood still for longer than an election timeout, because of its disk or its "
        "event loop (CPU, swap, a paused machine). None in health.",
        [Query(increase("kvorum_stalls_total", "instance, cause"), "{{instance}} {{cause}}")],
        Kind.BARS,
    ),
)

_WRITES = (
    Panel(
        "Writes committed and failed",
        "Writes of clients a second, over all chosen nodes. Failures by reason: no_leader, "
        "overloaded, unknown (no answer in time), superseded (another leader's entry took the "
        "place).",
        [
            Query(rate("kvorum_proposals_committed_total"), "committed"),
            Query(rate("kvorum_proposals_failed_total", "reason"), "{{reason}}"),
        ],
        unit="ops",
    ),
    Panel(
        "Commands in a batch",
        "One log entry holds all commands that were waiting: batches grow with the load, and "
        "throughput with them. About 1 on a quiet cluster, at most 1,024.",
        _quantiles("kvorum_proposal_batch_commands"),
    ),
    Panel(
        "Pending",
        "Writes and linearizable reads accepted and not answered yet. At PENDING_WRITES_MAX "
        "(10,000) and PENDING_READS_MAX (20,000) further ones get 429.",
        [
            Query("kvorum_proposals_pending{@node}", "writes {{instance}}"),
            Query("kvorum_reads_pending{@node}", "reads {{instance}}"),
        ],
    ),
    Panel(
        "Entries committed",
        "Log entries a second by which each node's commit index grows; the nodes agree. Even a "
        "quiet cluster commits a little: leases and comparisons of state.",
        [Query("deriv(kvorum_commit_index{@node}[$__rate_interval])", "{{instance}}")],
        unit="ops",
    ),
    Panel(
        "Commit latency",
        "On the leader, from the append of an entry until a majority has stored it: the quicker "
        "of its own disk and the others' disks and round trips. Above 250 ms: "
        "docs/runbooks/slow-commit.md.",
        _quantiles("kvorum_commit_duration_seconds"),
        unit="s",
        steps=above((0.256, RED)),
    ),
    Panel(
        "Apply latency",
        "Applying one entry; nothing else runs on the node meanwhile. A millisecond or less but "
        "for large batches and transactions. Above 100 ms: docs/runbooks/slow-apply.md.",
        [
            Query(quantile(0.99, "kvorum_apply_duration_seconds", "instance"), "{{instance}} p99"),
        ],
        unit="s",
        steps=above((0.1, RED)),
    ),
)

_FOLLOWERS = (
    Panel(
        "Apply lag",
        "Committed entries that a node has not applied yet. Beyond 64 it says that it is not "
        "ready.",
        [Query("kvorum_commit_index{@node} - kvorum_applied_index{@node}", "{{instance}}")],
        steps=above((64, RED)),
    ),
    Panel(
        "Lag by follower",
        "Entries of the leader's log that a follower is not known to hold. Beyond 10,000 "
        "(SNAPSHOT_KEEP_ENTRIES) it may need a snapshot: docs/runbooks/lagging-follower.md.",
        [Query("max by (peer) (kvorum_peer_match_lag_entries{@})", "{{peer}}")],
        steps=above((10000, RED)),
    ),
    Panel(
        "Messages in flight",
        "Appends sent to each follower and not answered. A few in health; at the limit the leader "
        "waits for the follower.",
        [Query("max by (peer) (kvorum_peer_in_flight_messages{@})", "{{peer}}")],
    ),
    Panel(
        "Round trip by follower (p99)",
        "From an append or heartbeat of the leader until its answer, the sync of the follower's "
        "disk included. A majority decides how quick writes are, so one slow follower hurts "
        "nobody yet.",
        [
            Query(
                quantile(0.99, "kvorum_peer_round_trip_seconds", "peer", scope=""),
                "{{peer}}",
            )
        ],
        unit="s",
        steps=above((0.128, RED)),
    ),
    Panel(
        "Traffic between nodes",
        "Bytes of Raft messages a second that each node sends. The leader sends each write to "
        "every follower.",
        [Query(rate("kvorum_peer_sent_bytes_total", "instance"), "{{instance}}")],
        unit="Bps",
    ),
    Panel(
        "Links that are down",
        "Peers to which a node has no connection. One node with all of its links: it is cut off; "
        "all nodes with one: a node is down.",
        [Query("sum by (instance) (1 - kvorum_peer_connected{@node})", "{{instance}}")],
        steps=above((1, RED)),
    ),
    Panel(
        "Messages thrown away",
        "Messages for a peer that were dropped, by reason, and arrivals dropped at a full inbox. "
        "Raft repeats what matters; many in a row mean overload or a broken link.",
        [
            Query(
                rate("kvorum_peer_dropped_messages_total", "instance, reason"),
                "{{instance}} {{reason}}",
            ),
            Query(
                rate("kvorum_inbox_dropped_messages_total", "instance"), "{{instance}} inbox full"
            ),
        ],
        unit="ops",
    ),
    Panel(
        "Connections to peers",
        "Attempts to connect a second. None in health; a peer that is down is tried about every "
        "second.",
        [Query(rate("kvorum_peer_dials_total", "peer"), "{{peer}}")],
        unit="ops",
    ),
    Panel(
        "Refused calls of other nodes",
        "Calls that were refused or broken off, by kind: nodes of other clusters, removed "
        "members, lost disks. The node's log names the caller. None in health.",
        [Query(rate("kvorum_peer_refused_calls_total", "instance, kind"), "{{instance}} {{kind}}")],
        unit="ops",
        nothing="none",
    ),
)

_READS = (
    Panel(
        "Rounds for reads",
        "Rounds in which the leader proves that it still leads, for linearizable reads; one "
        "serves all reads that wait.",
        [Query(rate("kvorum_read_index_batches_total", "instance"), "{{instance}}")],
        unit="ops",
    ),
    Panel(
        "Time to prove leadership",
        "From asking for a read index until it is confirmed: a round trip to a majority, no disk. "
        "Followers ask their leader and take a round trip more.",
        _quantiles("kvorum_read_index_duration_seconds"),
        unit="s",
    ),
    Panel(
        "Reads that fail",
        "no_leader: none was known in time; overloaded: too many wait. None in health.",
        [Query(rate("kvorum_reads_failed_total", "reason"), "{{reason}}")],
        unit="ops",
    ),
)

_STATE = (
    Panel(
        "Comparisons of state",
        "Times each node's state was compared with a majority's; about every ten seconds "
        "(STATE_CHECK_INTERVAL_S). None for long: no leader, or switched off.",
        [Query(rate("kvorum_state_checks_total", "instance"), "{{instance}}")],
        unit="ops",
        width=12,
    ),
    Panel(
        "Nodes with another state",
        "0 in health. Anything else is a defect of memory, disk or kvorum: "
        "docs/runbooks/state-mismatch.md.",
        [Query("sum by (instance) (kvorum_state_mismatches_total{@})", "{{instance}}")],
        width=6,
        steps=above((1, RED)),
    ),
    Panel(
        "Nodes that do not serve",
        "Nodes that were removed or fenced themselves off, and refuse everything. 0 in health.",
        [Query("sum(kvorum_is_serving{@} == bool 0)", "not serving")],
        width=6,
        steps=above((1, YELLOW)),
    ),
)

RAFT = Dashboard(
    "raft",
    "Raft",
    "Who leads and why that changed, how entries get to a majority, and who lags.",
    (
        Row("Leadership", _LEADERSHIP),
        Row("Writes", _WRITES),
        Row("Followers", _FOLLOWERS),
        Row("Linearizable reads", _READS),
        Row("Sameness of the replicas", _STATE),
    ),
)
