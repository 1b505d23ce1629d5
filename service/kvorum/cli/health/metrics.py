"""What `GET /metrics` says, as far as these commands look at it."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from time import time

from msgspec import Struct
from prometheus_client.parser import text_string_to_metric_families

from kvorum.client.call import Answer, Call

FSYNC = "kvorum_wal_fsync_duration_seconds"
LOOP_LAG = "kvorum_event_loop_lag_seconds"


class Histogram(Struct, frozen=True):
    """Counts of observations up to each bound; cumulative, the last bound is infinite."""

    buckets: tuple[tuple[float, float], ...]

    def since(self, before: "Histogram") -> "Histogram":
        earlier = dict(before.buckets)
        return Histogram(tuple((bound, n - earlier.get(bound, 0.0)) for bound, n in self.buckets))

    def quantile(self, q: float) -> float | None:
        """The upper bound of the bucket in which it lies: not less than the truth; None if empty.

        Infinite if it lies beyond all bounds.
        """
        total = self.buckets[-1][1] if self.buckets else 0.0
        if not total:
            return None
        return next(bound for bound, count in self.buckets if count >= q * total)


class Metrics(Struct, frozen=True):
    """Values without labels, by name; ``now_s`` is the node's own clock, of the Unix epoch."""

    values: Mapping[str, float]
    histograms: Mapping[str, Histogram]
    version: str
    now_s: float

    @property
    def uptime_s(self) -> float | None:
        started_s = self.values.get("process_start_time_seconds")
        return None if started_s is None else max(0.0, self.now_s - started_s)


def metrics_call() -> Call[Metrics]:
    return Call("metrics", "GET", "/metrics", parse_metrics, prefers_leader=False)


def parse_metrics(answer: Answer) -> Metrics:
    """Raises ValueError for what is no text of metrics."""
    values: dict[str, float] = {}
    buckets: dict[str, list[tuple[float, float]]] = {}
    version = ""
    for name, labels, value in _samples(answer.body.decode()):
        if name == "kvorum_build_info":
            version = labels.get("version", "")
        elif name.endswith("_bucket") and set(labels) == {"le"}:
            bound = float(labels["le"])
            buckets.setdefault(name.removesuffix("_bucket"), []).append((bound, value))
        elif not labels:
            values[name] = value
    histograms = {name: Histogram(tuple(sorted(each))) for name, each in buckets.items()}
    return Metrics(values, histograms, version, _date(answer.headers.get("date", "")))


def _samples(text: str) -> Iterator[tuple[str, Mapping[str, str], float]]:
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            yield sample.name, sample.labels, sample.value


def _date(text: str) -> float:
    """The node's clock rather than ours: an uptime is a difference of its own times."""
    try:
        found: datetime = parsedate_to_datetime(text)
    except ValueError:
        return time()
    return found.timestamp()
