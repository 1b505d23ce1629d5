"""Snapshots, comparisons of state, and standing still."""

from typing import Literal

from prometheus_client import CollectorRegistry

from kvorum.telemetry.meters import Family, Label, Series, Topic

SNAPSHOT_BUCKETS_S = (0.01, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)

StallCause = Literal["disk", "event_loop"]

_CAUSES: tuple[StallCause, ...] = ("disk", "event_loop")


class StateMetrics(Topic):
    title = "Snapshots, comparisons of state, stalls"

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__()
        self._snapshot_bytes = 0
        self._declare_snapshots()
        self._checks = self.counter(
            "kvorum_state_checks_total",
            "Times this node's state was compared with a majority's. It grows every "
            "STATE_CHECK_INTERVAL_S while there are writes.",
        )
        self._mismatches = self.counter(
            "kvorum_state_mismatches_total",
            "Nodes found to hold another state than the others at the same entry; 0 in health. "
            "Whoever differs from a majority stops serving: stop it, keep its data for those who "
            "look into it, and start it with an empty directory.",
        )
        self._stalls = self.counters(
            "kvorum_stalls_total",
            "Times this node stood still for longer than an election timeout, by cause; a leader "
            "steps down for it. disk: a write was not answered; event_loop: the process did not "
            "run.",
            Label("cause", "`disk`, `event_loop`"),
            expected=[(cause,) for cause in _CAUSES],
        )
        registry.register(self)

    def _declare_snapshots(self) -> None:
        self._snapshot_seconds = self.histogram(
            "kvorum_snapshot_duration_seconds",
            "Time to write one snapshot, beside normal work.",
            SNAPSHOT_BUCKETS_S,
        )
        self.add(
            Family(
                "kvorum_snapshot_size_bytes",
                "gauge",
                "Size of the newest snapshot that this node took since it started; 0: none yet.",
            ),
            self._size,
        )
        self._failures = self.counter(
            "kvorum_snapshot_failures_total",
            "Snapshots that could not be written, read, sent or installed; the node's log says "
            "why. The log on disk grows until one succeeds.",
        )
        self._sent_bytes = self.counter(
            "kvorum_snapshot_sent_bytes_total",
            "Bytes of snapshots sent to followers that needed entries which are gone.",
        )
        self._installed = self.counter(
            "kvorum_snapshots_installed_total",
            "Snapshots received from a leader and loaded: this node had lagged too far for the "
            "log. After short pauses already: raise SNAPSHOT_KEEP_ENTRIES.",
        )

    def _size(self) -> Series:
        return [((), self._snapshot_bytes)]

    def snapshot_taken(self, seconds: float, size_bytes: int) -> None:
        self._snapshot_seconds.observe(seconds)
        self._snapshot_bytes = size_bytes

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
        self._stalls.inc(cause)
