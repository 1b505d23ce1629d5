"""The build, the process and the pauses of its garbage collector."""

import gc
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry

from kvorum.telemetry.process_metrics import GcPauses, ProcessMetrics


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def test_build_and_process_are_reported(registry: CollectorRegistry) -> None:
    ProcessMetrics(registry, version="1.2.3")
    assert registry.get_sample_value("kvorum_build_info", {"version": "1.2.3"}) == 1
    resident = registry.get_sample_value("process_resident_memory_bytes")
    assert resident is not None
    assert resident > 1_000_000
    assert registry.get_sample_value("python_gc_collections_total", {"generation": "0"})


@pytest.fixture
def automatic_collections_off() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("automatic_collections_off")
def test_pauses_are_measured_while_started(registry: CollectorRegistry) -> None:
    def figure(kind: str, **labels: str) -> float | None:
        return registry.get_sample_value(
            f"kvorum_gc_pause_seconds_{kind}", {"generation": "2", **labels}
        )

    times = iter([1.0, 1.02, 2.0, 2.3])
    pauses = GcPauses(registry, clock_s=lambda: next(times))
    gc.collect()
    assert figure("count") == 0
    pauses.start()
    gc.collect()
    gc.collect()
    pauses.stop()
    gc.collect()
    assert figure("count") == 2
    assert figure("sum") == pytest.approx(0.32)
    assert figure("bucket", le="0.025") == 1
