"""What watches read that begin in the past.

When a node stops, all its watchers come to another one at once, each from its own revision.
If each of them looked at each event since, that would hold the node up for minutes. So events
are cut into slices, each sorted by key, and a watch looks up its keys in each slice.
"""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Protocol

from kvorum.mvcc.query import KeyRange
from kvorum.mvcc.record import Event
from kvorum.node.views import Change
from kvorum.node.watch_feed import TAKE_BYTES_MAX, TAKE_CHANGES_MAX, Selector, change_bytes

SLICE_EVENTS = 1024
SLICES_MAX = 128
"""That are kept for the watches which come next; the history's default is about as long."""


class History(Protocol):
    """What watches need of the state machine."""

    @property
    def revision(self) -> int: ...

    @property
    def compacted_revision(self) -> int:
        """Events at or below it are forgotten."""
        ...

    def events(self, after_revision: int, limit: int, /) -> Sequence[Event]:
        """In order, whole revisions, about ``limit`` events but one revision at least."""
        ...


class Slice:
    """All events of the revisions above ``after`` up to ``upto``, also by key."""

    __slots__ = ("_by_key", "_events", "_keys", "after", "upto")

    def __init__(self, after: int, upto: int, events: Sequence[Event]) -> None:
        self.after = after
        self.upto = upto
        self._events = events
        # Stable, so that events of one key stay in order.
        self._by_key = sorted(range(len(events)), key=lambda place: events[place].key)
        self._keys = [events[place].key for place in self._by_key]

    def read(self, selector: Selector, after: int) -> tuple[list[Change], int]:
        """Its changes above ``after``, in order, and up to which revision these are all."""
        changes, together = list[Change](), list[Event]()
        size_bytes = 0
        for event in self._of(selector.keys):
            if event.revision <= after or not selector.wants(event):
                continue
            if together and together[-1].revision != event.revision:
                changes.append(Change(together[0].revision, tuple(together)))
                size_bytes += change_bytes(changes[-1])
                if size_bytes >= TAKE_BYTES_MAX or len(changes) >= TAKE_CHANGES_MAX:
                    return changes, changes[-1].revision
                together = []
            together.append(event)
        if together:
            changes.append(Change(together[0].revision, tuple(together)))
        return changes, self.upto

    def _of(self, keys: KeyRange) -> list[Event]:
        begin = bisect_left(self._keys, keys.start)
        end = len(self._keys) if keys.end is None else bisect_left(self._keys, keys.end, lo=begin)
        return [self._events[place] for place in sorted(self._by_key[begin:end])]


class Past:
    """The slices that watches are reading just now."""

    def __init__(self, machine: History) -> None:
        self._machine = machine
        self._slices: list[Slice] = []  # apart from each other, in order of revision

    def read(self, selector: Selector, after: int) -> tuple[list[Change], int]:
        """Some changes after a revision, and up to which these are all. Raises ``Compacted``."""
        place = bisect_left(self._slices, after + 1, key=lambda piece: piece.upto)
        if place < len(self._slices) and self._slices[place].after <= after:
            return self._slices[place].read(selector, after)
        piece = self._cut(place, after)
        self._slices.insert(place, piece)
        if len(self._slices) > SLICES_MAX:
            del self._slices[0]
        return piece.read(selector, after)

    def forget(self) -> None:
        """Keep nothing: nobody reads any more."""
        self._slices.clear()

    def _cut(self, place: int, after: int) -> Slice:
        """A slice that ends where the next one begins, so that no event is in two of them."""
        events = self._machine.events(after, SLICE_EVENTS)
        upto = events[-1].revision if events else self._machine.revision
        if place < len(self._slices) and upto > self._slices[place].after:
            upto = self._slices[place].after
            events = [event for event in events if event.revision <= upto]
        return Slice(after, upto, events)
