"""What a node counts about watches, for Prometheus."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class WatchMetrics(Collector):
    """Watches of this node; counted on the event loop, without locks."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.watchers = 0
        self.events_sent = 0
        self._ended: dict[str, int] = {}
        registry.register(self)

    def ended(self, reason: str) -> None:
        """A watch is over; ``reason`` from a fixed list."""
        self._ended[reason] = self._ended.get(reason, 0) + 1

    def describe(self) -> Iterable[Metric]:
        return self._families()

    def _families(self) -> tuple[GaugeMetricFamily, CounterMetricFamily, CounterMetricFamily]:
        return (
            GaugeMetricFamily("kvorum_watchers", "Watches that are open on this node."),
            CounterMetricFamily(
                "kvorum_watch_events_sent_total", "Events that readers of watches have taken."
            ),
            CounterMetricFamily(
                "kvorum_watches_ended_total",
                "Watches that ended: closed by the reader, compacted (what it had to tell was "
                "forgotten), lagging (read too slowly), or stopping (this node).",
                labels=["reason"],
            ),
        )

    def collect(self) -> Iterable[Metric]:
        watchers, sent, ended = self._families()
        watchers.add_metric([], self.watchers)
        sent.add_metric([], self.events_sent)
        for reason, count in self._ended.items():
            ended.add_metric([reason], count)
        return watchers, sent, ended
