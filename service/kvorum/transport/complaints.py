"""Warnings about a lasting problem: said at once, repeated seldom."""

import logging
from collections.abc import Callable, Hashable

QUIET_S = 30.0


class Complaints:
    """Logs a warning per key at most once in ``quiet_s``, sooner if its text changes.

    Keys come from a bounded set (members, kinds of refusal), never from the wire.
    """

    def __init__(
        self, logger: logging.Logger, clock: Callable[[], float], quiet_s: float = QUIET_S
    ) -> None:
        self._logger = logger
        self._clock = clock
        self._quiet_s = quiet_s
        self._said: dict[Hashable, tuple[str, float]] = {}

    def warn(self, key: Hashable, text: str, *, repeat_if_changed: bool = True) -> None:
        """``repeat_if_changed`` is for texts that a stranger cannot vary at will."""
        now = self._clock()
        last_text, last_s = self._said.get(key, ("", now - self._quiet_s))
        if now - last_s < self._quiet_s and not (repeat_if_changed and text != last_text):
            return
        self._said[key] = (text, now)
        self._logger.warning("%s", text)

    def settle(self, key: Hashable) -> None:
        """The problem is over: its next occurrence is news again."""
        self._said.pop(key, None)
