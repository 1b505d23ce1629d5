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
from kvorum.node.watch_feed import Changes, Selector, event_bytes

SLICE_EVENTS = 256
SLICE_BYTES = 256 << 10
"""A slice ends at either, after one revision at least; a reader gets at most one at once."""
SLICES_MAX = 512
"""That are kept for the watches which come next: those of the history's default length."""
LOOKS_MAX = 16
"""At slices without anything for a watch, before it is another one's turn."""
SHARED_MAX = 16
"""Sets of keys, of which the changes in a slice are made once for all who watch them."""


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

    __slots__ = ("_by_key", "_events", "_keys", "_shared", "after", "upto")

    def __init__(self, after: int, upto: int, events: Sequence[Event]) -> None:
        self.after = after
        self.upto = upto
        self._events = events
        # Stable, so that events of one key stay in order.
        self._by_key = sorted(range(len(events)), key=lambda place: events[place].key)
        self._keys = [events[place].key for place in self._by_key]
        self._shared: dict[Selector, Changes] = {}

    def changes(self, selector: Selector, after: int) -> Changes:
        """Those of its keys above ``after``, in order."""
        places = self._places(selector.keys)
        if not places:
            return ()
        shared = self._shared.get(selector)
        if shared is None:
            shared = self._changes(selector, places)
            if len(self._shared) < SHARED_MAX:
                self._shared[selector] = shared
        if after <= self.after:
            return shared
        return tuple(each for each in shared if each.revision > after)

    def _places(self, keys: KeyRange) -> list[int]:
        begin = bisect_left(self._keys, keys.start)
        end = len(self._keys) if keys.end is None else bisect_left(self._keys, keys.end, lo=begin)
        return self._by_key[begin:end]

    def _changes(self, selector: Selector, places: list[int]) -> Changes:
        changes, together = list[Change](), list[Event]()
        for place in sorted(places):
            event = self._events[place]
            if not selector.wants(event):
                continue
            if together and together[-1].revision != event.revision:
                changes.append(Change(together[0].revision, tuple(together)))
                together = []
            together.append(event)
        if together:
            changes.append(Change(together[0].revision, tuple(together)))
        return tuple(changes)


class Past:
    """The slices that watches are reading just now."""

    def __init__(self, machine: History) -> None:
        self._machine = machine
        self._slices: list[Slice] = []  # apart from each other, in order of revision

    def read(self, selector: Selector, after: int) -> tuple[Changes, int]:
        """The next changes after a revision, and up to which these are all. Raises ``Compacted``.

        There may be none although there are some behind: the second number is the progress.
        """
        for _ in range(LOOKS_MAX):
            piece = self._slice(after)
            changes = piece.changes(selector, after)
            after = piece.upto
            if changes or after >= self._machine.revision:
                return changes, after
        return (), after

    def forget(self) -> None:
        """Keep nothing: nobody reads any more."""
        self._slices.clear()

    def _slice(self, after: int) -> Slice:
        """The one that tells what came right after this revision, which is not the last."""
        slices = self._slices
        place = bisect_left(slices, after + 1, key=_upto)
        if place < len(slices) and slices[place].after <= after:
            return slices[place]
        piece = self._cut(place, after)
        slices.insert(place, piece)
        if len(slices) > SLICES_MAX:
            del slices[0]
        return piece

    def _cut(self, place: int, after: int) -> Slice:
        """A new one; it ends where the next one begins, so that no event is in two of them."""
        events = self._machine.events(after, SLICE_EVENTS)
        if not events:
            return Slice(after, self._machine.revision, ())
        upto = _end(events)
        if place < len(self._slices):
            upto = min(upto, self._slices[place].after)
        return Slice(after, upto, [event for event in events if event.revision <= upto])


def _upto(piece: Slice) -> int:
    return piece.upto


def _end(events: Sequence[Event]) -> int:
    """The last revision that still fits in a slice."""
    size_bytes, upto = 0, events[0].revision
    for event in events:
        if event.revision != upto and size_bytes > SLICE_BYTES:
            return upto
        upto = event.revision
        size_bytes += event_bytes(event)
    return upto
