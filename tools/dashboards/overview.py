"""Overview: is the cluster well, what do its clients see, and which other dashboard to open."""

from tools.dashboards.promql import CLIENTS, quantile, rate, share
from tools.dashboards.spec import (
    BLUE,
    GREEN,
    ORANGE,
    RED,
    YELLOW,
    Dashboard,
    Kind,
    Panel,
    Query,
    Row,
    above,
)

ROLES = {
    "0": ("follower", BLUE),
    "1": ("leader", GREEN),
    "2": ("learner", YELLOW),
    "4": ("knows no leader", RED),
}
ROLE = "kvorum_is_leader{@} + 2 * kvorum_is_learner{@} + 4 * (kvorum_has_leader{@} == bool 0)"
"""One number a node: see ``ROLES``; a learner without a leader is 6 and shown as 4."""

_WRITES = 'method!="GET", route=~"/key/{key}|/txn|/batch"'
_READS = 'method="GET", route=~"/key/{key}|/keys"'

_HEALTH = (
    Panel(
        "Leader",
        "The node that the others follow. None for more than two seconds: nobody is served; open "
        "the Raft dashboard and docs/runbooks/no-leader.md.",
        [Query("group by (leader) (kvorum_leader{@})", "{{leader}}")],
        Kind.NAME,
        width=4,
        height=4,
        steps=above(),
        nothing="none",
    ),
    Panel(
        "Failures that writes survive",
        "Voters that answer, less the majority. One less than half of the cluster in health: 1 of "
        "three, 2 of five, 0 of one. At 0 the next failure stops all writes: bring the silent "
        "voters back.",
        [Query("max(kvorum_quorum_margin{@})")],
        Kind.FIGURE,
        width=4,
        height=4,
        steps=above((1, GREEN), base=RED),
        nothing="no leader",
    ),
    Panel(
        "Silent voters",
        "Voters that the leader has not heard from for an election timeout; 0 in health. Not 0 "
        "for more than a restart takes: docs/runbooks/member-down.md.",
        [
            Query(
                "max(kvorum_voters{@} and on (namespace, job, instance) kvorum_is_leader{@} == 1) "
                "- max(kvorum_active_voters{@})"
            )
        ],
        Kind.FIGURE,
        width=4,
        height=4,
        steps=above((1, RED)),
        nothing="no leader",
    ),
    Panel(
        "Alerts",
        "Alerts of this cluster that fire now; the table at the end names them.",
        [Query('count(ALERTS{@, alertname=~"Kvorum.+", alertstate="firing"}) or vector(0)')],
        Kind.FIGURE,
        width=4,
        height=4,
        steps=above((1, RED)),
    ),
    Panel(
        "Requests that fail",
        "Share of clients' requests that were answered with 500 or above; below 0.1 % in health. "
        "503: no leader; 504: outcome unknown; 507: quota. The API dashboard shows routes and "
        "statuses.",
        [
            Query(
                share(
                    rate("kvorum_http_requests_total", "", f'status=~"5..", {CLIENTS}', scope="")
                    + " or vector(0)",
                    rate("kvorum_http_requests_total", "", CLIENTS, scope=""),
                )
            )
        ],
        Kind.FIGURE,
        "percentunit",
        width=4,
        height=4,
        steps=above((0.01, YELLOW), (0.05, RED)),
        nothing="no requests",
        decimals=2,
    ),
    Panel(
        "Last backup",
        "Age of the newest verified backup. More than 26 hours: the nightly one failed, see "
        "docs/runbooks/backup-too-old.md. Never: none has been made by `kvorum backup`.",
        [Query("time() - max(kvorum_backup_last_success_timestamp_seconds{@})")],
        Kind.FIGURE,
        "s",
        width=4,
        height=4,
        steps=above((93600, RED)),
        nothing="never",
    ),
)

_ROOM = (
    Panel(
        "Quota used",
        "The store's size as a share of QUOTA_BYTES. At 100 % writes are refused until a tenth is "
        "free again; deletes always pass.",
        [Query("max(kvorum_store_bytes{@} / (kvorum_store_quota_bytes{@} > 0))")],
        Kind.FIGURE,
        "percentunit",
        width=4,
        height=4,
        steps=above((0.75, YELLOW), (0.9, RED)),
        nothing="no quota",
        decimals=1,
    ),
    Panel(
        "Least free disk",
        "Free share of the file system of the node that has least. A node whose log cannot be "
        "written stops.",
        [Query("min(kvorum_data_free_bytes{@} / kvorum_data_size_bytes{@})")],
        Kind.FIGURE,
        "percentunit",
        width=4,
        height=4,
        steps=above((0.05, ORANGE), (0.15, GREEN), base=RED),
        decimals=0,
    ),
    Panel(
        "Keys",
        "Keys in the store, on the node that has applied most.",
        [Query("max(kvorum_keys{@})")],
        Kind.FIGURE,
        width=4,
        height=4,
    ),
    Panel(
        "Nodes scraped",
        "Nodes that Prometheus reaches, and members of the cluster (voters and learners). Fewer "
        "nodes than members: some are down, or Prometheus does not find them.",
        [
            Query("count(kvorum_build_info{@})", "nodes"),
            Query("max(kvorum_voters{@} + kvorum_learners{@})", "members"),
        ],
        Kind.FIGURE,
        width=4,
        height=4,
    ),
    Panel(
        "Youngest process",
        "Time since the latest start of a node. Small again and again: a node restarts; see its "
        "log and docs/runbooks/restarting.md.",
        [Query("time() - max(process_start_time_seconds{@})")],
        Kind.FIGURE,
        "s",
        width=4,
        height=4,
    ),
    Panel(
        "Release",
        "Releases that run. More than one only during an upgrade.",
        [Query("count by (version) (kvorum_build_info{@})", "{{version}}")],
        Kind.NAME,
        width=4,
        height=4,
    ),
)

_CLIENTS = (
    Panel(
        "Writes and reads",
        "Answered requests for keys a second, failures included. A gap at an election of about "
        "half a second is normal.",
        [
            Query(rate("kvorum_http_requests_total", "", _WRITES, scope=""), "writes"),
            Query(rate("kvorum_http_requests_total", "", _READS, scope=""), "reads"),
        ],
        unit="reqps",
    ),
    Panel(
        "Latency",
        "From a request's arrival until its answer was sent. A write takes a sync of two disks "
        "and a round trip, a linearizable read a round trip: a few milliseconds on SSDs. Above "
        "half a second: docs/runbooks/slow-requests.md.",
        [
            Query(
                quantile(q, "kvorum_http_request_duration_seconds", "", where, scope=""),
                f"{name} p{round(q * 100)}",
            )
            for name, where in (("writes", _WRITES), ("reads", _READS))
            for q in (0.5, 0.99)
        ],
        unit="s",
        steps=above((0.512, RED)),
    ),
    Panel(
        "Failures by status",
        "Answers of 429 and of 500 and above a second; none in health, a few 503 at an election.",
        [
            Query(
                rate(
                    "kvorum_http_requests_total",
                    "status",
                    f'status=~"429|5..", {CLIENTS}',
                    scope="",
                ),
                "{{status}}",
            )
        ],
        Kind.STACK,
        "reqps",
        nothing="none",
    ),
)

_NODES = (
    Panel(
        "Roles",
        "What each node was. Exactly one leader; a gap is a node that was not scraped. Many "
        "changes of colour: docs/runbooks/leader-changes.md.",
        [Query(ROLE, "{{instance}}")],
        Kind.STATES,
        width=12,
        states={**ROLES, "6": ("knows no leader", RED)},
    ),
    Panel(
        "CPU",
        "Cores that each node uses. A node works on one core: near 1 it is at its limit, and its "
        "event loop lags.",
        [Query("rate(process_cpu_seconds_total{@}[$__rate_interval])", "{{instance}}")],
        width=6,
        steps=above((0.9, RED)),
    ),
    Panel(
        "Memory",
        "Resident memory of each node: the store, its history, the log behind the last snapshot, "
        "and about 80 MB. Growth without growth of the store is a defect.",
        [Query("process_resident_memory_bytes{@}", "{{instance}}")],
        unit="bytes",
        width=6,
    ),
    Panel(
        "Alerts that fire or are about to",
        "Each alert has a runbook: docs/runbooks. Empty in health.",
        [Query('ALERTS{@, alertname=~"Kvorum.+"}')],
        Kind.TABLE,
        width=24,
        height=7,
        nothing="none",
    ),
)

OVERVIEW = Dashboard(
    "overview",
    "Overview",
    "Is the cluster well, and what do its clients see? From here to Raft, Storage and API.",
    (
        Row("Is it well?", (*_HEALTH, *_ROOM)),
        Row("What clients see", _CLIENTS),
        Row("What the nodes do", _NODES),
    ),
)
