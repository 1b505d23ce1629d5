"""From applied entries into the feeds.

Taking references to new events and handing them out are apart: the first is done after each
entry, because the next one may compact the history; the second has time.
"""

from collections import deque
from collections.abc import Callable

from kvorum.mvcc.record import Event
from kvorum.node.views import Change
from kvorum.node.watch_feed import Feed, change_bytes
from kvorum.node.watch_history import History
from kvorum.node.watch_index import FeedIndex
from kvorum.node.watch_memory import heaviest, lagging, waiting_bytes
from kvorum.node.watching import EndReason, Watch

PENDING_EVENTS_MAX = 4096
"""That wait to go to the feeds; those beyond are left to the history meanwhile."""
COLLECT_EVENTS = 1024

WORK_MAX = 10_000
FEED_WORK = 20
"""In tenths of a microsecond: one call of ``deliver`` takes about a millisecond."""

End = Callable[[Watch, EndReason, int], None]


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
        self._waiting_bytes = 0  # for readers; what they took since the last look included

    @property
    def level(self) -> int:
        """Everything up to this revision is in the feeds."""
        return self._pending[0].revision - 1 if self._pending else self.seen

    @property
    def is_busy(self) -> bool:
        return bool(self._pending)

    def join(self, watch: Watch) -> None:
        """``watch`` had everything that there is: from now on a feed tells it."""
        if not self.index:
            self._pending.clear()
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
        while self._pending and work < WORK_MAX:
            work += self._deliver_revision()
        if not self._pending and self.index and self._machine.revision != self.seen:
            self.collect()

    def _lose(self, compacted_revision: int) -> None:
        """What happened up to here was forgotten before it was seen."""
        for feed in tuple(self.index):
            for watch in tuple(feed.watches):
                if watch.position < compacted_revision:
                    self._end(watch, "compacted", compacted_revision + 1)
        self._pending.clear()
        self.seen = compacted_revision

    # --- delivering ------------------------------------------------------------------------

    def _deliver_revision(self) -> int:
        """The next revision goes to its feeds, whole; about how much work it was."""
        pending = self._pending
        event = pending.popleft()
        if pending and pending[0].revision == event.revision:
            return self._deliver_many(event)
        feeds = self.index.matching(event.key)
        if feeds:
            self._append([feed for feed in feeds if feed.selector.wants(event)], (event,))
        return self.index.cost + FEED_WORK * len(feeds)

    def _deliver_many(self, event: Event) -> int:
        """A revision of several events, of which ``event`` is the first."""
        pending, revision = self._pending, event.revision
        touched: dict[Feed[Watch], list[Event]] = {}
        work = 0
        while True:
            for feed in self.index.matching(event.key):
                if feed.selector.wants(event):
                    touched.setdefault(feed, []).append(event)
                    work += FEED_WORK
            work += self.index.cost
            if not pending or pending[0].revision != revision:
                break
            event = pending.popleft()
        for feed, events in touched.items():
            self._append([feed], tuple(events))
        return work

    def _append(self, feeds: list[Feed[Watch]], events: tuple[Event, ...]) -> None:
        change = Change(events[0].revision, events)
        size_bytes = change_bytes(change)
        for feed in feeds:
            feed.append(change, size_bytes)
            self._waiting_bytes += size_bytes
            if feed.parked:
                self.waking.extend(feed.parked)
                feed.parked.clear()
            if feed.tail.events_before > feed.check_above:
                self._cut(lagging(feed, self._events_max))
        if self._waiting_bytes > self._bytes_max:
            self._make_room()

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
