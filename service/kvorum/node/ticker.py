"""Real time into ticks."""

from kvorum.node.ports import Clock


class Ticker:
    """Counts the ticks that are due, at most ``catch_up_max`` after a pause.

    The cap keeps a stalled event loop from starting an election: messages that
    waited meanwhile must be heard before time is said to have passed.
    """

    def __init__(self, clock: Clock, tick_s: float, catch_up_max: int) -> None:
        self._clock = clock
        self._tick_s = tick_s
        self._catch_up_max = catch_up_max
        self._next_s = clock.monotonic_s() + tick_s
        self.late_s = 0.0  # by how much the last ticks came too late

    def take_due(self) -> int:
        """How many ticks passed since the last call."""
        late_s = self._clock.monotonic_s() - self._next_s
        if late_s < 0:
            return 0
        self.late_s = late_s
        due = int(late_s / self._tick_s) + 1
        self._next_s += due * self._tick_s
        return min(due, self._catch_up_max)
