"""Why this node must not serve, if there is a reason.

A node that was removed, or whose state differs from the majority's, stays up to be looked
at; it answers nothing from its store, leads nobody, and says why.
"""

import logging
from collections.abc import Callable

from kvorum.errors import Rejected

_log = logging.getLogger("kvorum.node")


class Fence:
    """Down at first; once up it stays up until the process ends. ``on_raised`` follow it."""

    __slots__ = ("_on_raised", "reason")

    def __init__(self) -> None:
        self.reason: str | None = None
        self._on_raised: list[Callable[[], None]] = []

    def when_raised(self, action: Callable[[], None]) -> None:
        self._on_raised.append(action)

    def raise_for(self, reason: str) -> None:
        """Stop serving; the first reason stays."""
        if self.reason is not None:
            return
        self.reason = reason
        _log.critical("this node stopped serving: %s", reason)
        for action in self._on_raised:
            action()

    def check(self) -> None:
        """Raises :class:`Rejected` if the node must not serve."""
        if self.reason is not None:
            raise Rejected(f"this node stopped serving: {self.reason}; ask another one")
