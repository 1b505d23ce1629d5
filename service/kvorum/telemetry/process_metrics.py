"""The process behind a node: its build, its memory and files, its garbage collector."""

import gc
from collections.abc import Callable
from time import perf_counter
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
)

from kvorum.telemetry.distribution import Distribution
from kvorum.telemetry.meters import Family, Label, Topic

PAUSE_BUCKETS_S = (
    *(50e-6, 100e-6, 250e-6, 500e-6, 0.001, 0.0025, 0.005),
    *(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0),
)


class ProcessMetrics(Topic):
    """The release that runs; and ``process_*``, ``python_*`` of Prometheus' client."""

    title = "The release"

    def __init__(self, registry: CollectorRegistry, *, version: str) -> None:
        super().__init__()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        self.add(
            Family(
                "kvorum_build_info",
                "gauge",
                "Always 1; the release of kvorum that runs. Two values at a time: an upgrade is "
                "under way, or stopped half way.",
                (Label("version", "the release"),),
            ),
            lambda: [((version,), 1)],
        )
        registry.register(self)


class GcPauses(Topic):
    """How long the garbage collector stopped the process, by generation.

    Hooks into the interpreter while it is started; the hook costs about 1 µs a
    collection.
    """

    title = "The garbage collector"

    def __init__(
        self, registry: CollectorRegistry, *, clock_s: Callable[[], float] = perf_counter
    ) -> None:
        super().__init__()
        self._clock_s = clock_s
        self._pauses = [Distribution(PAUSE_BUCKETS_S) for _ in gc.get_threshold()]
        self._began_s: float | None = None
        self.add(
            Family(
                "kvorum_gc_pause_seconds",
                "histogram",
                "Time for which Python's garbage collector stopped the node. Those of generation "
                "2 are long and should be seldom.",
                (Label("generation", "`0`, `1`, `2`"),),
            ),
            lambda: [((str(number),), pauses) for number, pauses in enumerate(self._pauses)],
        )
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
