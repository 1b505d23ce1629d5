"""Whether the next round for reads waits a moment for more of them.

A round costs the same for one read as for sixty. Clients that ask again when they are answered
come back together, within a fraction of a round: the first of them would set out alone, and the
others wait for the round after it. So after reads were answered together, the next round waits
until most of as many are there, or enough to share its cost, but never longer than ``WAIT_S``.
Where not even half of them came, twice as many rounds as the last time do not wait at all. A
client that is alone never waits.
"""

from collections.abc import Callable
from typing import Final, Protocol

WAIT_S: Final = 0.001
"""About what a round takes, and the least that the event loop's timers can measure."""
STRAGGLERS: Final = 8
"""One in so many is not waited for."""
ENOUGH: Final = 256
"""So many share a round well: more would wait longer than they save."""
SKIPPED_MAX: Final = 128
"""Rounds that do not wait after those before waited in vain."""


class Timer(Protocol):
    def cancel(self) -> None: ...


Later = Callable[[float, Callable[[], None]], Timer]
"""Calls a function so many seconds later, unless the timer is cancelled."""


class Gathering:
    def __init__(self, later: Later, wake: Callable[[], None]) -> None:
        """``wake`` lets a round begin; called here when too few came in time."""
        self.wake = wake
        self._later = later
        self._needed = 0
        self._came = 0  # so far, while the next round waits
        self._timer: Timer | None = None
        self._skipped = 1  # at the last time that it was in vain
        self._to_skip = 0

    def answered(self, count: int, waiting: int) -> None:
        """``count`` reads were answered together, and ``waiting`` others had come meanwhile."""
        if self._to_skip:
            self._to_skip -= 1
            return
        needed = min(waiting + count - count // STRAGGLERS, ENOUGH)
        if needed < 2 or self._timer is not None:
            return
        self._needed, self._came = needed, waiting
        self._timer = self._later(WAIT_S, self._give_up)

    def came(self, waiting: int) -> bool:
        """Whether the last of ``waiting`` reads to come is the one to begin a round for."""
        return self.may_go(waiting) if self._needed else waiting == 1

    def may_go(self, waiting: int) -> bool:
        """Whether ``waiting`` reads are enough for a round now."""
        if waiting < self._needed:
            self._came = waiting
            return False
        if self._timer is not None:
            self._timer.cancel()
            self._timer, self._needed, self._skipped = None, 0, 1
        return True

    def _give_up(self) -> None:
        self._timer = None
        if self._came < self._needed // 2:
            self._to_skip = self._skipped = min(2 * self._skipped, SKIPPED_MAX)
        self._needed = 0
        self.wake()
