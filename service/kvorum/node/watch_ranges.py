"""Feeds of ranges that are neither a key nor a prefix, by the stretches between their bounds.

No range begins or ends inside a stretch, so all its keys concern the same feeds. These are
found once, by asking each range, and remembered until a feed comes or goes.
"""

from bisect import bisect_right
from typing import Generic, TypeVar

from kvorum.node.watch_feed import Feed

W = TypeVar("W")

FOUND_WORK = 10
SORT_WORK = 4
LOOK_WORK = 3
"""In tenths of a microsecond: a stretch that is known; else for each range."""

KNOWN_MAX = 100_000
"""References to feeds that are remembered."""


class RangeFeeds(Generic[W]):
    """Few enough that all of them can be asked (see :mod:`kvorum.node.watch_places`)."""

    def __init__(self) -> None:
        self.work = 0
        """All that was done so far, in tenths of a microsecond."""
        self._feeds: dict[Feed[W], None] = {}
        self._bounds: list[bytes] | None = None
        self._known: dict[int, list[Feed[W]]] = {}  # by the number of bounds at or below
        self._known_size = 0

    def add(self, feed: Feed[W]) -> None:
        self._feeds[feed] = None
        self._forget()
        self._bounds = None

    def drop(self, feed: Feed[W]) -> None:
        del self._feeds[feed]
        self._forget()
        self._bounds = None

    def matching(self, key: bytes) -> list[Feed[W]]:
        """Those whose ranges have ``key``; not to be changed."""
        if not self._feeds:
            return []
        if self._bounds is None:
            self._bounds = self._sort()
        self.work += FOUND_WORK
        stretch = bisect_right(self._bounds, key)
        found = self._known.get(stretch)
        return self._look(stretch, key) if found is None else found

    def _look(self, stretch: int, key: bytes) -> list[Feed[W]]:
        self.work += LOOK_WORK * len(self._feeds)
        found = [feed for feed in self._feeds if key in feed.selector.keys]
        if self._known_size >= KNOWN_MAX:
            self._forget()
        self._known[stretch] = found
        self._known_size += len(found) + 1
        return found

    def _sort(self) -> list[bytes]:
        self.work += SORT_WORK * len(self._feeds)
        ranges = [feed.selector.keys for feed in self._feeds]
        ends = {keys.end for keys in ranges if keys.end is not None}
        return sorted(ends.union(keys.start for keys in ranges))

    def _forget(self) -> None:
        self._known.clear()
        self._known_size = 0
