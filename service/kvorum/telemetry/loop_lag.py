"""How late the event loop is: the delay that everything on it suffers.

Heartbeats and election timeouts run on the same loop, so its lag says how near
a node is to being taken for dead.
"""

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import NoReturn

from prometheus_client import CollectorRegistry

from kvorum.telemetry.meters import Topic

LAG_BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class LoopLag(Topic):
    """Sleeps again and again and records by how much each sleep was too long.

    ``interval_s`` is the time between two measurements. A stall that begins and
    ends between two of them goes unseen.
    """

    title = "The event loop"

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        interval_s: float = 0.5,
        # not the loop's clock: uvloop stops that one while callbacks run
        clock_s: Callable[[], float] = monotonic,
    ) -> None:
        super().__init__()
        self._interval_s = interval_s
        self._clock_s = clock_s
        self._lag = self.histogram(
            "kvorum_event_loop_lag_seconds",
            "How much later than asked the event loop woke a sleeper: everything on the node waits "
            "that long. p99 above 50 ms: too much work for one core, or the machine is busy.",
            LAG_BUCKETS_S,
        )
        registry.register(self)

    async def run(self) -> NoReturn:
        """Measure until cancelled."""
        while True:
            due_s = self._clock_s() + self._interval_s
            await asyncio.sleep(self._interval_s)
            self._lag.observe(max(0.0, self._clock_s() - due_s))
