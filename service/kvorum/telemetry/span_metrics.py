"""What becomes of spans, for Prometheus; no series unless tracing is on."""

from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry

from kvorum.telemetry.meters import Family, Label, Series, Topic


class SpanMetrics(Topic):
    """Counted elsewhere, by the thread that sends them."""

    title = "Traces"

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__()
        self._source: Callable[[], Mapping[str, int]] = dict
        self.add(
            Family(
                "kvorum_spans_total",
                "counter",
                "Spans of sampled requests: sent to the collector (exported), not taken by it "
                "(failed), thrown away because it was too slow (dropped). Only while tracing is "
                "on (OTEL_EXPORTER_OTLP_ENDPOINT). If failed or dropped ones come up, traces "
                "have holes: look after the collector; requests do not suffer.",
                (Label("result", "`exported`, `failed`, `dropped`"),),
            ),
            self._series,
        )
        registry.register(self)

    def count_from(self, source: Callable[[], Mapping[str, int]]) -> None:
        """``source`` gives the number of spans by result."""
        self._source = source

    def _series(self) -> Series:
        return [((result,), count) for result, count in self._source().items()]
