"""A history to watch, without a state machine around it."""

from bisect import bisect_right
from collections.abc import Sequence

from prometheus_client import CollectorRegistry

from kvorum.errors import Compacted
from kvorum.mvcc.record import Event, Record
from kvorum.node.watch_hub import WatchHub
from kvorum.telemetry.watch_metrics import WatchMetrics


class FakeHistory:
    """Keys, their changes, and what of these was compacted."""

    def __init__(self) -> None:
        self.revision = 0
        self.compacted_revision = 0
        self.all: list[Event] = []  # compacted ones too
        self.keys: dict[bytes, Record] = {}
        self.slices_read = 0

    def write(self, *changes: tuple[bytes, bytes | None]) -> int:
        """One revision: puts, or deletes where the value is None; at least one, or it is void."""
        self.revision += 1
        for key, value in changes:
            previous = self.keys.pop(key, None)
            record = None
            if value is not None:
                created = previous.create_revision if previous else self.revision
                version = previous.version + 1 if previous else 1
                record = self.keys[key] = Record(value, created, self.revision, version)
            self.all.append(Event(self.revision, key, record, previous))
        return self.revision

    def put(self, key: bytes, value: bytes = b"1") -> int:
        return self.write((key, value))

    def compact(self, revision: int) -> None:
        self.compacted_revision = max(self.compacted_revision, revision)

    def events(self, after_revision: int, limit: int, /) -> Sequence[Event]:
        if after_revision < self.compacted_revision:
            raise Compacted("forgotten", oldest_revision=self.compacted_revision)
        self.slices_read += 1
        begin = bisect_right(self.all, after_revision, key=lambda event: event.revision)
        end = min(begin + limit, len(self.all))
        while begin < end < len(self.all) and self.all[end].revision == self.all[end - 1].revision:
            end += 1
        return self.all[begin:end]


class HubKit:
    """A hub over a fake history, told of each write as an applier would tell it."""

    def __init__(
        self,
        *,
        watchers_max: int = 100,
        buffer_events_max: int = 1000,
        buffer_bytes_max: int = 1 << 30,
    ) -> None:
        self.history = FakeHistory()
        self.registry = CollectorRegistry()
        self.hub = WatchHub(
            self.history,
            watchers_max=watchers_max,
            buffer_events_max=buffer_events_max,
            buffer_bytes_max=buffer_bytes_max,
            metrics=WatchMetrics(self.registry),
        )

    def write(self, *changes: tuple[bytes, bytes | None]) -> int:
        revision = self.history.write(*changes)
        self.hub.applied(revision, 0)
        return revision

    def put(self, key: bytes, value: bytes = b"1") -> int:
        return self.write((key, value))

    def sample(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)
