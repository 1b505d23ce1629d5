"""How large the store may grow, and the alarm when it would grow beyond.

The bound comes with every batch. Once a write had to be refused, the store counts as full, and
nothing may grow until there is some room again: otherwise, at the brink, some writers would
succeed by chance and others not.
"""

from typing import Final

from kvorum.mvcc.command import UNSTAMPED, Stamp

NO_BOUND: Final = 1 << 64
RELIEF_PERCENT: Final = 90
"""Of the quota: at this size, or below, the store is not full any more."""


class Quota:
    """``is_full`` is part of the state; the bound is that of the batch being applied.

    ``limit_bytes``: a write after which the store is not larger than this needs no question.
    """

    __slots__ = ("_quota_bytes", "is_full", "limit_bytes")

    def __init__(self, *, is_full: bool = False) -> None:
        self.is_full = is_full
        self._quota_bytes = 0
        self.limit_bytes = NO_BOUND

    def begin(self, stamp: Stamp) -> None:
        """A batch under this stamp; one without a stamp knows no bound."""
        self._quota_bytes = stamp.quota_bytes
        if self.is_full and not stamp.quota_bytes and stamp != UNSTAMPED:
            self.is_full = False
        self._set_limit()

    def refuses(self, size_bytes: int, growth_bytes: int) -> bool:
        """Whether a write may not be done; if it is for its size, the store is full from now on."""
        if growth_bytes <= 0 or not self._quota_bytes:
            return False
        self.settle(size_bytes)
        if not self.is_full and size_bytes + growth_bytes > self._quota_bytes:
            self.is_full = True
            self._set_limit()
        return self.is_full

    def settle(self, size_bytes: int) -> None:
        """The store has this size now: is there room again?"""
        if (
            self.is_full
            and self._quota_bytes
            and size_bytes * 100 <= self._quota_bytes * RELIEF_PERCENT
        ):
            self.is_full = False
            self._set_limit()

    def _set_limit(self) -> None:
        if not self._quota_bytes:
            self.limit_bytes = NO_BOUND
        else:
            self.limit_bytes = -1 if self.is_full else self._quota_bytes
