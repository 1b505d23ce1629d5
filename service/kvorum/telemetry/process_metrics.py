"""The process behind a node: its build, its memory and files, its garbage collector."""

import gc
from collections.abc import Callable, Iterable
from time import perf_counter
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    Info,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.metrics_core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from kvorum.telemetry.distribution import Distribution

PAUSE_BUCKETS_S = (
    *(50e-6, 100e-6, 250e-6, 500e-6, 0.001, 0.0025, 0.005),
    *(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0),
)


def register_process_metrics(registry: CollectorRegistry, *, version: str) -> None:
    """``process_*``, ``python_*`` and the release that runs."""
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    Info("kvorum_build", "The release of kvorum that runs.", registry=registry).info(
        {"version": version}
    )


class GcPauses(Collector):
    """How long the garbage collector stopped the process, by generation.

    Hooks into the interpreter while it is started; the hook costs about 1 µs a
    collection.
    """

    def __init__(
        self, registry: CollectorRegistry, *, clock_s: Callable[[], float] = perf_counter
    ) -> None:
        self._clock_s = clock_s
        self._pauses = [Distribution(PAUSE_BUCKETS_S) for _ in gc.get_threshold()]
        self._began_s: float | None = None
        registry.register(self)

    def start(self) -> None:
        gc.callbacks.append(self._on_collection)

    def stop(self) -> None:
        gc.callbacks.remove(self._on_collection)

    def _on_collection(self, phase: str, info: dict[str, Any]) -> None:
        if phase == "start":
            self._began_s = self._clock_s()
        elif self._began_s is not None:  # None: the hook was set during a collection
            self._pauses[info["generation"]].observe(self._clock_s() - self._began_s)

    def describe(self) -> Iterable[Metric]:
        return [self._family()]

    def _family(self) -> HistogramMetricFamily:
        return HistogramMetricFamily(
            "kvorum_gc_pause_seconds",
            "Time for which Python's garbage collector stopped the node.",
            labels=["generation"],
        )

    def collect(self) -> Iterable[Metric]:
        family = self._family()
        for generation, pauses in enumerate(self._pauses):
            family.add_metric([str(generation)], pauses.buckets(), pauses.sum)
        return [family]
