"""From applied entries into the feeds.

Taking references to new events and handing them out are apart: the first is done after each
entry, because the next one may compact the history; the second has time.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence

from kvorum.mvcc.record import Event
from kvorum.node.views import Change
from kvorum.node.watch_feed import CHANGE_OVERHEAD_BYTES, Feed, event_bytes
from kvorum.node.watch_history import History
from kvorum.node.watch_index import FeedIndex
from kvorum.node.watch_memory import heaviest, lagging, waiting_bytes
from kvorum.node.watching import EndReason, Watch

PENDING_EVENTS_MAX = 4096
"""That wait to go to the feeds; those beyond are left to the history meanwhile."""
COLLECT_EVENTS = 1024

WORK_MAX = 10_000
FEED_WORK = 20
GATHER_WORK = 5
PARKED_PER_WORK = 4
"""In tenths of a microsecond: one call of ``deliver`` takes about a millisecond."""

End = Callable[[Watch, EndReason, int], None]


class Part:
    """What one feed gets of a revision."""

    __slots__ = ("events", "size_bytes")

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.size_bytes = CHANGE_OVERHEAD_BYTES


class Together:
    """A revision of several events on its way: gathered first, then told to one feed at a time.

    A feed that comes meanwhile may get a piece of it, but only watches that begin later have
    joined that one: they skip it.
    """

    __slots__ = ("_all", "count", "parts", "revision", "untold")

    def __init__(self, revision: int) -> None:
        self.revision = revision
        self.count = 0
        self._all: tuple[Event, ...] = ()
        self.parts: dict[Feed[Watch], Part] = {}
        self.untold: Iterator[tuple[Feed[Watch], Part]] | None = None

    def add(self, feed: Feed[Watch], event: Event, size_bytes: int) -> None:
        part = self.parts.get(feed)
        if part is None:
            part = self.parts[feed] = Part()
        part.events.append(event)
        part.size_bytes += size_bytes

    def taken(self, part: Part) -> tuple[Event, ...]:
        """The events of a part; of those that have all of them the same tuple."""
        events, part.events = part.events, []
        if len(events) < self.count:
            return tuple(events)
        self._all = self._all or tuple(events)
        return self._all


class Fanout:
    """The feeds, and those events that are on their way to them."""

    def __init__(self, machine: History, *, events_max: int, bytes_max: int, end: End) -> None:
        """``events_max`` for one watch, ``bytes_max`` for all; ``end`` is called to cut one off."""
        self.index: FeedIndex[Watch] = FeedIndex()
        self.waking: deque[Watch] = deque()
        """Whose readers wait, and now have something."""
        self.seen = 0
        """Everything up to this revision was collected."""
        self._machine = machine
        self._events_max = events_max
        self._bytes_max = bytes_max
        self._end = end
        self._pending: deque[Event] = deque()
        self._together: Together | None = None
        self._waiting_bytes = 0  # for readers; what they took since the last look included

    @property
    def level(self) -> int:
        """Everything up to this revision is in the feeds."""
        if self._together is not None:
            return self._together.revision - 1
        return self._pending[0].revision - 1 if self._pending else self.seen

    @property
    def is_busy(self) -> bool:
        return bool(self._pending) or self._together is not None

    def join(self, watch: Watch) -> None:
        """``watch`` had everything that there is: from now on a feed tells it."""
        if not self.index:
            self._clear()
            self.seen = self._machine.revision
        watch.join(self.index.feed(watch.selector))

    def left(self, feed: Feed[Watch]) -> None:
        """A watch has left its feed."""
        if not feed.watches:
            self._waiting_bytes -= feed.tail.bytes_before - feed.counted_bytes
            self.index.drop(feed)

    def collect(self) -> None:
        """Take references to all events that are new: the history may forget them any time."""
        machine, pending = self._machine, self._pending
        if self.seen < machine.compacted_revision:
            self._lose(machine.compacted_revision)
        while self.seen < machine.revision and len(pending) < PENDING_EVENTS_MAX:
            events = machine.events(self.seen, COLLECT_EVENTS)
            pending.extend(events)
            self.seen = events[-1].revision if events else machine.revision

    def deliver(self) -> None:
        """Some of what was collected goes to the feeds."""
        work = 0
        while work < WORK_MAX and self.is_busy:
            work += self._step()
        if not self._pending and self.index and self._machine.revision != self.seen:
            self.collect()

    def _lose(self, compacted_revision: int) -> None:
        """What happened up to here was forgotten before it was seen."""
        for feed in tuple(self.index):
            for watch in tuple(feed.watches):
                if watch.position < compacted_revision:
                    self._end(watch, "compacted", compacted_revision + 1)
        self._clear()
        self.seen = compacted_revision

    def _clear(self) -> None:
        self._pending.clear()
        self._together = None

    # --- delivering ------------------------------------------------------------------------

    def _step(self) -> int:
        """A little of the next revision; about how much work it was."""
        pending, together = self._pending, self._together
        if together is None:
            event = pending.popleft()
            if not pending or pending[0].revision != event.revision:
                return self._deliver(event)
            together = self._together = Together(event.revision)
            return self._gather(together, event)
        if pending and pending[0].revision == together.revision:
            return self._gather(together, pending.popleft())
        return self._tell(together)

    def _deliver(self, event: Event) -> int:
        """A revision of one event."""
        before = self.index.work
        feeds = [feed for feed in self.index.matching(event.key) if feed.selector.wants(event)]
        work = self.index.work - before
        if feeds:
            size_bytes = CHANGE_OVERHEAD_BYTES + event_bytes(event)
            work += self._append(feeds, (event,), size_bytes)
        return work

    def _gather(self, together: Together, event: Event) -> int:
        """One event of several of a revision."""
        before = self.index.work
        feeds = self.index.matching(event.key)
        size_bytes = event_bytes(event)
        together.count += 1
        for feed in feeds:
            if feed.selector.wants(event):
                together.add(feed, event, size_bytes)
        return self.index.work - before + GATHER_WORK * len(feeds)

    def _tell(self, together: Together) -> int:
        """All of a revision for one feed."""
        if together.untold is None:
            together.untold = iter(together.parts.items())
        feed, part = next(together.untold, (None, None))
        if feed is None or part is None:
            self._together = None
        elif feed.watches:  # else it was dropped meanwhile
            return self._append([feed], together.taken(part), part.size_bytes)
        return 1

    def _append(self, feeds: Sequence[Feed[Watch]], events: tuple[Event, ...], size: int) -> int:
        """``size``: of the change, in bytes."""
        change = Change(events[0].revision, events)
        work = FEED_WORK * len(feeds) + len(events) // 10
        for feed in feeds:
            feed.append(change, size)
            self._waiting_bytes += size
            if feed.parked:
                work += len(feed.parked) // PARKED_PER_WORK
                self.waking.extend(feed.parked)
                feed.parked.clear()
            if feed.tail.events_before > feed.check_above:
                work += len(feed.watches)
                self._cut(lagging(feed, self._events_max))
        if self._waiting_bytes > self._bytes_max:
            self._make_room()
            work += WORK_MAX
        return work

    # --- memory ----------------------------------------------------------------------------

    def _cut(self, watches: list[Watch]) -> None:
        for watch in watches:
            self._end(watch, "lagging", watch.progress + 1)

    def _make_room(self) -> None:
        """Look who has taken what; if that is not enough, cut off those for whom most waits."""
        self._waiting_bytes = waiting_bytes(self.index)
        while self._waiting_bytes > self._bytes_max:
            self._cut(heaviest(self.index))
            self._waiting_bytes = waiting_bytes(self.index)
