"""How long to wait before the next attempt."""

from random import Random


class Backoff:
    """Exponential from ``min_s`` to ``max_s``; the upper half of each step is random.

    The jitter keeps nodes that lost the same peer from dialling it in step.
    """

    def __init__(self, *, min_s: float, max_s: float, random: Random) -> None:
        self._min_s = min_s
        self._max_s = max_s
        self._random = random
        self._step_s = min_s

    def next_s(self) -> float:
        """The next delay, in seconds."""
        step_s = self._step_s
        self._step_s = min(step_s * 2, self._max_s)
        return step_s * self._random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """Start over: the last attempt was worth it."""
        self._step_s = self._min_s
