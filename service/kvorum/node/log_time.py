"""The log's own time: what leaders have seen pass, whatever the date.

Batches carry it; outcomes age, and leases end, by it. The leader's clock makes it, and everybody
else follows: a node goes on from the last batch that it applied, whether its own clock was ahead
of that or behind. So neither a wrong date, nor clocks that run apart for months, nor a change of
leader can make everything look old at once: between two batches no more time passes in the log
than outside. It may be less, by what it takes to get a new leader.
"""

from collections.abc import Callable

from kvorum.node.ports import Clock


def _nobody() -> bool:
    return False


class LogTime:
    def __init__(self, clock: Clock, is_ours: Callable[[], bool] = _nobody) -> None:
        """``is_ours``: this node leads, and has applied all that earlier leaders appended."""
        self._clock = clock
        self._is_ours = is_ours
        self._is_running = False  # this node stamped while it was ours
        self._base_ms = 0.0
        self._base_s = clock.monotonic_s()

    def now_ms(self) -> int:
        """What it should be by now."""
        return int(self._base_ms + (self._clock.monotonic_s() - self._base_s) * 1000)

    def stamp_ms(self) -> int:
        """What this node may stamp on a batch.

        No time passes until a leader has applied what came before it, as it does not know till
        then how late it is. From there it goes on: what it stamped meanwhile is no older.
        """
        if not self._is_ours():
            self._is_running = False
            return int(self._base_ms)
        if not self._is_running:
            self._is_running = True
            self._base_s = self._clock.monotonic_s()
        return self.now_ms()

    def observe(self, time_ms: int) -> None:
        """A batch was applied, after which the log's time is this."""
        if self._is_running and self._is_ours() and time_ms <= self.now_ms():
            return
        self._is_running = False
        self._base_ms, self._base_s = float(time_ms), self._clock.monotonic_s()
