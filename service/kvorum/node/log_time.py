"""The log's own time: what leaders have seen pass, whatever the date.

Batches carry it, and outcomes age by it. A node continues from the greatest time
that it has applied, on a clock that never jumps, so that neither a wrong date nor a
change of leader can make everything look old at once.
"""

from kvorum.node.ports import Clock


class LogTime:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._base_ms = 0.0
        self._base_s = clock.monotonic_s()

    def now_ms(self) -> int:
        return int(self._base_ms + (self._clock.monotonic_s() - self._base_s) * 1000)

    def observe(self, time_ms: int) -> None:
        """A batch with this time was applied: ours is not earlier."""
        if time_ms > self.now_ms():
            self._base_ms, self._base_s = float(time_ms), self._clock.monotonic_s()
