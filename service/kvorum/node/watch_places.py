"""What kind of look-up serves a set of keys, and that the dear ones stay few.

A key costs an event nothing but one look-up for all of them; prefixes one for each length that
there is; any other range may have to be compared with the event's key. So lengths and ranges
are counted, by watches, from the first to the last one of them.
"""

from typing import Literal, TypeVar

from kvorum.errors import Overloaded
from kvorum.mvcc.query import prefix_range, single_key
from kvorum.node.watch_feed import Selector

LENGTHS_MAX = 128
"""Of prefixes that are looked up by length; those of other lengths are ranges like any other."""
RANGES_MAX = 1000
"""Selectors of ranges that are watched at once, by however many watches."""

Kind = Literal["key", "prefix", "range"]


class Places:
    """Kept up by those who open and close watches."""

    def __init__(self) -> None:
        self._lengths: dict[int, int] = {}
        self._ranges: dict[Selector, int] = {}

    def take(self, selector: Selector) -> None:
        """One watch more. Raises ``Overloaded`` if that were a range too many."""
        kind = self.kind(selector)
        if kind == "prefix":
            length = len(selector.keys.start)
            self._lengths[length] = self._lengths.get(length, 0) + 1
        elif kind == "range":
            watches = self._ranges.get(selector, 0)
            if not watches and len(self._ranges) >= RANGES_MAX:
                raise Overloaded(
                    f"this node watches {RANGES_MAX} different ranges already; watch a key or a "
                    "prefix, of which there may be many, or a range at another node"
                )
            self._ranges[selector] = watches + 1

    def give_back(self, selector: Selector) -> None:
        """One watch less; its feed is gone already if it was the last one."""
        kind = self.kind(selector)
        if kind == "prefix":
            _less(self._lengths, len(selector.keys.start))
        elif kind == "range":
            _less(self._ranges, selector)

    def kind(self, selector: Selector) -> Kind:
        """The same as long as any watch of ``selector`` has its place."""
        keys = selector.keys
        if keys == single_key(keys.start):
            return "key"
        if keys != prefix_range(keys.start) or selector in self._ranges:
            return "range"
        is_by_length = len(keys.start) in self._lengths or len(self._lengths) < LENGTHS_MAX
        return "prefix" if is_by_length else "range"


K = TypeVar("K")


def _less(counts: dict[K, int], of: K) -> None:
    counts[of] -= 1
    if not counts[of]:
        del counts[of]
