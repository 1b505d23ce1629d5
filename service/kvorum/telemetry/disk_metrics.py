"""What the durable log costs, and how much room is left."""

from collections.abc import Callable

from msgspec import Struct
from prometheus_client import CollectorRegistry

from kvorum.telemetry.meters import SampledTopic
from kvorum.telemetry.raft_metrics import BATCH_BUCKETS

FSYNC_BUCKETS_S = (
    *(50e-6, 100e-6, 150e-6, 200e-6, 300e-6, 500e-6, 750e-6),
    *(0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.0),
)


class DiskSample(Struct, frozen=True, kw_only=True):
    """What cannot be had is None."""

    wal_size_bytes: int
    data_free_bytes: int | None = None
    data_size_bytes: int | None = None
    snapshot_last_index: int | None = None
    snapshot_last_timestamp_s: float | None = None


class DiskMetrics(SampledTopic[DiskSample]):
    """``synced`` fits the log's observer."""

    title = "The disk"

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry)

    def _declare(self) -> None:
        self._fsync = self.histogram(
            "kvorum_wal_fsync_duration_seconds",
            "Time to write one batch to the log and make it durable. p99 above 10 ms: the disk "
            "decides the latency of writes; near the election timeout it costs leaders.",
            FSYNC_BUCKETS_S,
        )
        self._written = self.counter("kvorum_wal_written_bytes_total", "Bytes appended to the log.")
        self._entries = self.histogram(
            "kvorum_wal_batch_entries",
            "Log entries made durable together; each entry holds a batch of commands.",
            BATCH_BUCKETS,
        )
        self._declare_gauges()

    def _declare_gauges(self) -> None:
        gauge: Callable[..., None] = self.gauge
        gauge(
            "kvorum_wal_size_bytes",
            "What the log's segments take on the disk, reserved space included. It falls when a "
            "snapshot lets go of some; growth without end: snapshots fail.",
            lambda sample: sample.wal_size_bytes,
        )
        gauge(
            "kvorum_data_free_bytes",
            "Space left for this node in the file system of DATA_DIR. When it is gone the log "
            "cannot be written, and the node ends.",
            lambda sample: sample.data_free_bytes,
        )
        gauge(
            "kvorum_data_size_bytes",
            "Size of the file system of DATA_DIR.",
            lambda sample: sample.data_size_bytes,
        )
        gauge(
            "kvorum_snapshot_last_index",
            "Index of the last entry in the newest snapshot on this node's disk; no series before "
            "there is one. kvorum_applied_index less this is what a restart replays.",
            lambda sample: sample.snapshot_last_index,
        )
        gauge(
            "kvorum_snapshot_last_timestamp_seconds",
            "When that snapshot was written here, seconds since 1970; no series before there is "
            "one. A cluster that hardly writes takes snapshots seldom.",
            lambda sample: sample.snapshot_last_timestamp_s,
        )

    def synced(self, seconds: float, size_bytes: int, entries: int) -> None:
        """One batch of ``entries`` in ``size_bytes`` was made durable."""
        self._fsync.observe(seconds)
        self._written.inc(size_bytes)
        self._entries.observe(entries)
