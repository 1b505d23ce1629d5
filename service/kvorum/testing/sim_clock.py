"""Clocks that disagree: each node sees time pass at a rate of its own, and sometimes leap."""

from asyncio import AbstractEventLoop


class LoopClock:
    """The time that the simulation itself goes by."""

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._loop = loop

    def monotonic_s(self) -> float:
        return self._loop.time()


class SkewedClock:
    """Never goes back, like the clock of any kernel; what it shows means nothing elsewhere."""

    def __init__(self, true: LoopClock, offset_s: float) -> None:
        self._true = true
        self._rate = 1.0
        self._since_s = true.monotonic_s()
        self._shown_s = offset_s

    def monotonic_s(self) -> float:
        return self._shown_s + (self._true.monotonic_s() - self._since_s) * self._rate

    def drift(self, rate: float) -> None:
        """From now on it shows ``rate`` seconds for each."""
        assert rate > 0, "a monotonic clock does not go back"
        self.leap(0.0)
        self._rate = rate

    def leap(self, seconds: float) -> None:
        """Go forward at once, as after a virtual machine was moved."""
        assert seconds >= 0, "a monotonic clock does not go back"
        self._shown_s = self.monotonic_s() + seconds
        self._since_s = self._true.monotonic_s()
