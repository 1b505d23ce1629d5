"""Event-loop lag, on a clock that the test turns."""

import asyncio
from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry

from kvorum.telemetry.loop_lag import LoopLag


class Steps:
    """A clock that moves with each reading; at the end it sets ``done`` and stands still."""

    def __init__(self, *times_s: float) -> None:
        self._times_s = list(times_s)
        self.done = asyncio.Event()

    def __call__(self) -> float:
        if len(self._times_s) > 1:
            return self._times_s.pop(0)
        self.done.set()
        return self._times_s[0]


async def measure(registry: CollectorRegistry, clock: Steps, interval_s: float) -> None:
    task = asyncio.create_task(LoopLag(registry, interval_s=interval_s, clock_s=clock).run())
    async with asyncio.timeout(10):
        await clock.done.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_lag_is_what_a_sleep_took_beyond_its_interval() -> None:
    registry = CollectorRegistry()
    interval_s = 1 / 1024
    # on time, 0.3 s late, and then early, as a coarse timer may be
    clock = Steps(0, interval_s, 1, 1.3 + interval_s, 2, 2, 3)
    await measure(registry, clock, interval_s)
    figure: Callable[..., float | None] = registry.get_sample_value
    lag = "kvorum_event_loop_lag_seconds"
    count, short = figure(f"{lag}_count"), figure(f"{lag}_bucket", {"le": "0.001"})
    assert count is not None
    assert count >= 3
    assert figure(f"{lag}_sum") == pytest.approx(0.3)
    assert short == figure(f"{lag}_bucket", {"le": "0.25"}) == count - 1
    assert figure(f"{lag}_bucket", {"le": "0.5"}) == count
