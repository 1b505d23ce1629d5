"""Counters, gauges and histograms of one topic, counted on the event loop without locks.

A topic is what Prometheus' client calls a collector. It knows its families before anything
is counted, with the labels and what these can be, so that ``docs/metrics.md`` is written from
the code; and it makes samples only when somebody scrapes.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Generic, Literal, TypeVar

from msgspec import Struct
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from kvorum.telemetry.distribution import Distribution

S = TypeVar("S")

Kind = Literal["counter", "gauge", "histogram"]


class Label(Struct, frozen=True):
    """``values`` tells people what it can be."""

    name: str
    values: str


class Family(Struct, frozen=True):
    """``name`` as in a query, but for a histogram's endings."""

    name: str
    kind: Kind
    text: str
    labels: tuple[Label, ...] = ()


PEER = Label("peer", "`SELF_ID` of another member, its id until that is known")

Series = Iterable[tuple[Sequence[str], float | Distribution]]
"""Values of the labels, and what they stand at."""


class Count:
    """A counter without labels."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0

    def inc(self, by: int = 1) -> None:
        self.value += by


class Counts:
    """A counter with labels; those told at the beginning are shown before they happen."""

    __slots__ = ("values",)

    def __init__(self, expected: Iterable[Sequence[str]]) -> None:
        self.values: dict[tuple[str, ...], int] = {tuple(labels): 0 for labels in expected}

    def inc(self, *labels: str, by: int = 1) -> None:
        self.values[labels] = self.values.get(labels, 0) + by


class Topic(Collector):
    """Families that belong together; registered once it has all of them."""

    title = ""

    def __init__(self) -> None:
        self._read: list[tuple[Family, Callable[[], Series]]] = []

    @property
    def families(self) -> tuple[Family, ...]:
        return tuple(family for family, _ in self._read)

    def add(self, family: Family, read: Callable[[], Series]) -> None:
        """``read`` is called at each scrape."""
        self._read.append((family, read))

    def counter(self, name: str, text: str) -> Count:
        count = Count()
        self.add(Family(name, "counter", text), lambda: [((), count.value)])
        return count

    def counters(
        self, name: str, text: str, *labels: Label, expected: Iterable[Sequence[str]] = ()
    ) -> Counts:
        counts = Counts(expected)
        self.add(Family(name, "counter", text, labels), lambda: list(counts.values.items()))
        return counts

    def histogram(self, name: str, text: str, bounds: Sequence[float]) -> Distribution:
        distribution = Distribution(bounds)
        self.add(Family(name, "histogram", text), lambda: [((), distribution)])
        return distribution

    def describe(self) -> Iterable[Metric]:
        return [_metric(family, ()) for family in self.families]

    def collect(self) -> Iterable[Metric]:
        return [_metric(family, read()) for family, read in self._read]


class SampledTopic(Topic, Generic[S]):
    """What somebody knows anyway: asked at a scrape, once for all its gauges.

    Without a source, and where a gauge is None, there is no series.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__()
        self._source: Callable[[], S | None] | None = None
        self._sample: S | None = None
        self._declare()
        registry.register(self)

    def _declare(self) -> None:
        """Add the families."""
        raise NotImplementedError

    def sample_from(self, source: Callable[[], S | None]) -> None:
        """``source`` tells where things stand now; None: nothing is known."""
        self._source = source

    def gauge(self, name: str, text: str, value_of: Callable[[S], float | None]) -> None:
        def read() -> Series:
            value = None if self._sample is None else value_of(self._sample)
            return [] if value is None else [((), float(value))]

        self.add(Family(name, "gauge", text), read)

    def gauges(self, name: str, text: str, label: Label, values_of: Callable[[S], Series]) -> None:
        """One series for each value of ``label``."""

        def read() -> Series:
            return [] if self._sample is None else values_of(self._sample)

        self.add(Family(name, "gauge", text, (label,)), read)

    def collect(self) -> Iterable[Metric]:
        self._sample = self._source() if self._source is not None else None
        try:
            return super().collect()
        finally:
            self._sample = None


def _metric(family: Family, series: Series) -> Metric:
    names = [label.name for label in family.labels]
    if family.kind == "histogram":
        histogram = HistogramMetricFamily(family.name, family.text, labels=names)
        for labels, distribution in series:
            assert isinstance(distribution, Distribution), family.name
            histogram.add_metric(labels, distribution.buckets(), distribution.sum)
        return histogram
    made = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    metric = made(family.name, family.text, labels=names)
    for labels, value in series:
        assert not isinstance(value, Distribution), family.name
        metric.add_metric(labels, value)
    return metric
