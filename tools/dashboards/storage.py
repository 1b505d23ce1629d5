"""Storage: the log's disk, snapshots and backups, and what the store holds."""

from tools.dashboards.promql import increase, quantile, rate
from tools.dashboards.spec import (
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

_LOG = (
    Panel(
        "Sync of the log (p99)",
        "Time to write one batch and make it durable. Below 10 ms on SSDs. Above an election "
        "timeout (500 ms) a leader gives up: docs/runbooks/slow-disk.md.",
        [Query(quantile(0.99, "kvorum_wal_fsync_duration_seconds", "instance"), "{{instance}}")],
        unit="s",
        steps=above((0.128, YELLOW), (0.512, RED)),
    ),
    Panel(
        "Sync of the log (p50)",
        "The usual sync. What p99 has and this has not are stalls: other users of the disk, or "
        "its cache.",
        [Query(quantile(0.5, "kvorum_wal_fsync_duration_seconds", "instance"), "{{instance}}")],
        unit="s",
    ),
    Panel(
        "Syncs by duration",
        "All syncs of the chosen nodes: how many took how long. Two bands are two kinds of disks, "
        "or a cache that fills.",
        [Query(rate("kvorum_wal_fsync_duration_seconds_bucket", "le"), "{{le}}")],
        Kind.HEATMAP,
        "s",
    ),
    Panel(
        "Written to the log",
        "Bytes a second that each node appends; followers write what the leader writes.",
        [Query(rate("kvorum_wal_written_bytes_total", "instance"), "{{instance}}")],
        unit="Bps",
    ),
    Panel(
        "Syncs",
        "Syncs a second. While the disk works, writes gather for the next one: beyond its pace "
        "batches grow instead.",
        [Query(rate("kvorum_wal_fsync_duration_seconds_count", "instance"), "{{instance}}")],
        unit="ops",
    ),
    Panel(
        "Entries in a sync",
        "Log entries made durable together; an entry is itself a batch of commands.",
        [Query(quantile(q, "kvorum_wal_batch_entries"), f"p{round(q * 100)}") for q in (0.5, 0.99)],
    ),
    Panel(
        "Size of the log on disk",
        "Segments of 64 MiB (WAL_SEGMENT_BYTES); those that the older of two snapshots covers are "
        "removed. Growth without end: snapshots fail.",
        [Query("kvorum_wal_size_bytes{@node}", "{{instance}}")],
        unit="bytes",
    ),
    Panel(
        "Log in memory",
        "Entries behind the last snapshot and SNAPSHOT_KEEP_ENTRIES (10,000) before: saw teeth of "
        "up to SNAPSHOT_ENTRIES (100,000).",
        [Query("kvorum_last_index{@node} - kvorum_first_index{@node}", "{{instance}}")],
    ),
    Panel(
        "Free disk",
        "Free share of the file system of DATA_DIR. A node whose log cannot be written stops: "
        "docs/runbooks/disk-space.md.",
        [Query("kvorum_data_free_bytes{@node} / kvorum_data_size_bytes{@node}", "{{instance}}")],
        unit="percentunit",
        maximum=1,
        steps=above((0.05, ORANGE), (0.15, GREEN), base=RED),
    ),
)

_SNAPSHOTS = (
    Panel(
        "Age of the newest snapshot",
        "Each node takes its own when its log has grown enough, so a quiet node's is old; that is "
        "fine. No line: none yet.",
        [Query("time() - kvorum_snapshot_last_timestamp_seconds{@node}", "{{instance}}")],
        unit="s",
    ),
    Panel(
        "Entries since the newest snapshot",
        "What a start has to apply again. Beyond SNAPSHOT_ENTRIES (100,000) and growing: "
        "snapshots fail.",
        [Query("kvorum_last_index{@node} - kvorum_snapshot_last_index{@node}", "{{instance}}")],
    ),
    Panel(
        "Size of the newest snapshot",
        "About the store's keys and values, outcomes and history; 0 before there is one.",
        [Query("kvorum_snapshot_size_bytes{@node}", "{{instance}}")],
        unit="bytes",
    ),
    Panel(
        "Snapshots taken and installed",
        "taken: this node's own; installed: received from a leader because the node lagged too "
        "far. Those after short pauses: raise SNAPSHOT_KEEP_ENTRIES.",
        [
            Query(
                increase("kvorum_snapshot_duration_seconds_count", "instance"), "{{instance}} taken"
            ),
            Query(
                increase("kvorum_snapshots_installed_total", "instance"), "{{instance}} installed"
            ),
        ],
        Kind.BARS,
    ),
    Panel(
        "Time to write a snapshot (p99)",
        "Beside normal work, in small portions: long ones hurt nobody, but keep the log from "
        "shrinking. No line where none was taken.",
        [Query(quantile(0.99, "kvorum_snapshot_duration_seconds", "instance"), "{{instance}}")],
        unit="s",
    ),
    Panel(
        "Failed snapshots, bytes sent",
        "Failures: not written, read, sent or installed; the log says why. Sent: to followers "
        "that needed entries which are gone.",
        [
            Query(increase("kvorum_snapshot_failures_total", "instance"), "{{instance}} failed"),
            Query(
                rate("kvorum_snapshot_sent_bytes_total", "instance"), "{{instance}} bytes/s sent"
            ),
        ],
    ),
    Panel(
        "Age of the last backup",
        "Of the newest backup that was read back and found sound. Above 26 hours: "
        "docs/runbooks/backup-too-old.md. No line: `kvorum backup` has made none.",
        [Query("time() - max(kvorum_backup_last_success_timestamp_seconds{@})", "age")],
        unit="s",
        steps=above((93600, RED)),
        nothing="no backup yet",
    ),
    Panel(
        "Writes since the last backup",
        "Revisions that a restore of the last backup would not bring back.",
        [Query("max(kvorum_revision{@}) - max(kvorum_backup_last_revision{@})", "revisions")],
        nothing="no backup yet",
    ),
    Panel(
        "Size of the last backup",
        "A sudden drop without a drop of the keys deserves a look: `kvorum snapshot status`.",
        [Query("max(kvorum_backup_last_size_bytes{@})", "size")],
        unit="bytes",
        nothing="no backup yet",
    ),
)

_STORE = (
    Panel(
        "Store and quota",
        "Keys, values and 256 bytes a key, against QUOTA_BYTES. At the quota writes are refused: "
        "docs/runbooks/store-quota.md.",
        [
            Query("max(kvorum_store_bytes{@})", "store"),
            Query("max(kvorum_store_quota_bytes{@} > 0)", "quota"),
        ],
        unit="bytes",
    ),
    Panel(
        "Keys",
        "Keys of each node. The nodes agree but for what a lagging one has yet to apply.",
        [Query("kvorum_keys{@node}", "{{instance}}")],
    ),
    Panel(
        "Revisions",
        "Changes of the store a second: puts, deletes, transactions and ends of leases, one each.",
        [Query("max(deriv(kvorum_revision{@}[$__rate_interval]))", "revisions")],
        unit="ops",
    ),
    Panel(
        "History",
        "Past revisions that can still be read and watched: up to HISTORY_REVISIONS_MAX "
        "(100,000), HISTORY_AGE_S_MAX (an hour) and HISTORY_BYTES_MAX (64 MiB).",
        [
            Query("max(kvorum_history_revisions{@})", "revisions kept"),
            Query("max(kvorum_revision{@}) - max(kvorum_compacted_revision{@})", "revisions back"),
        ],
    ),
    Panel(
        "Memory of history",
        "Keys and values that the past keeps; bounded by HISTORY_BYTES_MAX.",
        [Query("max(kvorum_history_bytes{@})", "bytes")],
        unit="bytes",
    ),
    Panel(
        "Leases and outcomes",
        "Leases that live, and outcomes kept to recognise repeated requests (up to "
        "OUTCOMES_COUNT_MAX, 100,000). Leases that only grow: clients forget to end them.",
        [
            Query("max(kvorum_leases{@})", "leases"),
            Query("max(kvorum_outcomes{@})", "outcomes"),
        ],
    ),
)

STORAGE = Dashboard(
    "storage",
    "Storage",
    "The log's disk, snapshots and backups, and what the store holds.",
    (
        Row("Log", _LOG),
        Row("Snapshots and backups", _SNAPSHOTS),
        Row("Store", _STORE),
    ),
)
