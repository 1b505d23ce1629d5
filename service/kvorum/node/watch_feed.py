"""Feeds: the changes of one set of keys, shared by everybody who watches exactly that set.

A feed is a chain of links. Each watch holds the first link that its reader has not taken; the
last link is empty and waits for the next change. So a change is stored once for all watches,
costs nothing per watch, and its memory is free as soon as the slowest one has taken it.
"""

from typing import Generic, TypeVar

from msgspec import Struct

from kvorum.mvcc.query import KeyRange
from kvorum.mvcc.record import Event
from kvorum.node.views import Change

W = TypeVar("W")

CHANGE_OVERHEAD_BYTES = 256
"""What a waiting change costs besides its keys and values."""

TAKE_CHANGES_MAX = 64
TAKE_BYTES_MAX = 256 << 10
"""What a reader is given at once ends at either, after one change at least: it encodes that in
one go, while everybody else waits."""


Changes = tuple[Change, ...]


class Selector(Struct, frozen=True, gc=False):
    """What a watch is about."""

    keys: KeyRange
    puts: bool = True
    deletes: bool = True

    def wants(self, event: Event) -> bool:
        """Whether an event of one of its keys is of a kind that it is about."""
        return self.deletes if event.record is None else self.puts


class Link:
    """One place in a chain; the counts are of all that went through the feed before it."""

    __slots__ = ("bytes_before", "change", "events_before", "next")

    def __init__(self, events_before: int, bytes_before: int) -> None:
        self.change: Change | None = None
        self.next: Link | None = None
        self.events_before = events_before
        self.bytes_before = bytes_before


class Portion:
    """What a reader is given at once, from ``first`` on: the same for all who stand there.

    ``end`` is where the next portion begins; ``is_full``: there may be more at once.
    """

    __slots__ = ("changes", "end", "events", "first", "is_full")

    def __init__(self, first: Link) -> None:
        changes, link = list[Change](), first
        bytes_max = first.bytes_before + TAKE_BYTES_MAX
        while (change := link.change) is not None and link.next is not None:
            changes.append(change)
            link = link.next
            if len(changes) >= TAKE_CHANGES_MAX or link.bytes_before >= bytes_max:
                break
        self.first, self.end = first, link
        self.changes: Changes = tuple(changes)
        self.events = link.events_before - first.events_before
        self.is_full = len(changes) >= TAKE_CHANGES_MAX or link.bytes_before >= bytes_max


class Feed(Generic[W]):
    """``watches`` are all of this feed, ``parked`` those whose readers wait for a change."""

    __slots__ = ("check_above", "counted_bytes", "parked", "selector", "tail", "watches")

    def __init__(self, selector: Selector) -> None:
        self.selector = selector
        self.tail = Link(0, 0)
        self.watches: dict[W, None] = {}  # sets in order of arrival: the same at every run
        self.parked: dict[W, None] = {}
        self.check_above = 0  # for the hub: events after which some watch may lag
        self.counted_bytes = 0  # for the hub: up to here nobody waits for anything

    def append(self, change: Change, size_bytes: int) -> None:
        """The next change; revisions grow. ``size_bytes``: about what it occupies."""
        link = self.tail
        link.change = change
        self.tail = Link(link.events_before + len(change.events), link.bytes_before + size_bytes)
        link.next = self.tail


def event_bytes(event: Event) -> int:
    """Of its key and values."""
    size = len(event.key)
    if event.record is not None:
        size += len(event.record.value)
    if event.previous is not None:
        size += len(event.previous.value)
    return size
