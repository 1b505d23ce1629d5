"""A piece of history: some revisions that follow on one another."""

from array import array
from collections.abc import Iterator
from itertools import islice
from typing import Final, cast

from kvorum.mvcc.record import Event

FEW_EVENTS: Final = 16
"""Events of a revision that are looked through one by one."""

Entry = Event | list[Event]
"""What happened at a revision: its event, or its events if it has several."""


class Segment:
    """Revisions from ``start`` on without a gap; grows at its end until it is complete.

    What is there is never changed, so frozen views share it. ``times`` are the log times of
    batches; ``sizes`` and ``digests`` sums of all that came before each revision. ``deleted`` are
    the events that are deletions. ``links``: for a revision and a key that it created, the
    revision that had deleted the key before, if history knew.
    """

    __slots__ = (
        "_indexes",
        "deleted",
        "digests",
        "entries",
        "event_count",
        "links",
        "sizes",
        "start",
        "times",
    )

    def __init__(self, start: int) -> None:
        self.start = start
        self.entries: list[Entry] = []
        self.times: list[int] | array[int] = []
        self.sizes: list[int] | array[int] = []
        self.digests: list[int] = []
        self.deleted: list[Event] = []
        self.links: dict[tuple[int, bytes], int] = {}
        self.event_count = 0  # once it is complete
        self._indexes: dict[int, tuple[int, dict[bytes, Event]]] = {}

    def add_more(self, event: Event) -> int:
        """One more event of the last revision; returns its place there, from 1."""
        last = self.entries[-1]
        if isinstance(last, Event):
            self.entries[-1] = [last, event]
            return 1
        last.append(event)
        return len(last) - 1

    def complete(self) -> None:
        """Nothing will be added: make it small, and leave little to the garbage collector."""
        self.event_count = sum(1 if isinstance(one, Event) else len(one) for one in self.entries)
        self.entries = cast("list[Entry]", tuple(self.entries))  # nobody appends any more
        self.digests = cast("list[int]", tuple(self.digests))
        self.times = array("Q", self.times)
        self.sizes = array("Q", self.sizes)

    def find(self, key: bytes, revision: int) -> Event:
        """The first event of ``key`` at a revision which changed it."""
        entry = self.entries[revision - self.start]
        if isinstance(entry, Event):
            return entry
        for event in islice(entry, FEW_EVENTS):
            if event.key == key:
                return event
        length, index = self._indexes.get(revision, (0, {}))
        if length != len(entry):
            index = {event.key: event for event in reversed(entry)}
            self._indexes[revision] = len(entry), index
        return index[key]

    def events(self, after: int, end: int) -> Iterator[tuple[Event, int]]:
        """Those of revisions above ``after`` and below ``end``, with the times of their batches."""
        part = slice(max(0, after + 1 - self.start), max(0, end - self.start))
        for entry, time_ms in zip(self.entries[part], self.times[part], strict=True):
            if isinstance(entry, Event):
                yield entry, time_ms
            else:
                for event in entry:
                    yield event, time_ms
