"""A watch: the changes of some keys, in order, each exactly once, for one reader.

A watch is in one of two states. *Behind*, it reads the history, a slice at a time, when its
reader asks for more; nothing is kept for it meanwhile. *Level*, it waits in a feed that it
shares with everybody who watches the same keys (see :mod:`kvorum.node.watch_feed`). A reader
that does not come for what waits there is cut off: it can watch on from the history.
"""

from asyncio import AbstractEventLoop, Future, TimerHandle
from typing import Literal, Protocol

from kvorum.errors import WatchEnded
from kvorum.node.views import Change
from kvorum.node.watch_feed import Changes, Feed, Link, Portion, Selector

EndReason = Literal["compacted", "lagging", "stopping", "closed"]
"""``closed``: by its reader."""


class Hub(Protocol):
    """What a watch needs of its hub."""

    @property
    def level(self) -> int:
        """Everything up to this revision is in the feeds."""
        ...

    def park(self, watch: "Watch", /) -> None:
        """Wake it when something is there."""
        ...

    def queue(self, watch: "Watch", /) -> None:
        """Wake it when it is its turn: something is there."""
        ...

    def portion(self, first: Link, /) -> Portion:
        """What a reader gets at once who stands at ``first``."""
        ...

    def taken(self, events: int, /) -> None:
        """A reader took so many."""
        ...

    def leave(self, watch: "Watch", /) -> None:
        """It was closed."""
        ...


class Watch:
    """Made by :meth:`kvorum.node.watch_hub.WatchHub.open`; for one reader, who closes it."""

    __slots__ = (
        *("_alarm", "_alarm_s", "_deadline_s", "_end", "_hub", "_is_hasty", "_is_over", "_link"),
        *("_loop", "_ready", "_waiter", "feed", "is_queued", "position", "revision", "selector"),
    )

    def __init__(
        self,
        hub: Hub,
        selector: Selector,
        loop: AbstractEventLoop,
        *,
        revision: int,
        position: int,
    ) -> None:
        """``position``: changes up to this revision are not wanted, or were had before."""
        self.revision = revision
        """Of the store when the watch was opened."""
        self.selector = selector
        self.position = position
        self.feed: Feed[Watch] | None = None  # None: behind
        self.is_queued = False  # for the hub: waits to be served from the history
        self._hub = hub
        self._loop = loop
        self._link: Link | None = None  # the first of the feed that was not taken
        self._ready: Changes = ()  # from the history; before those of the feed
        self._is_hasty = False  # its reader had as much as it may at once
        self._is_over = False  # its reader has waited long enough
        self._waiter: Future[None] | None = None
        self._deadline_s = 0.0  # of the reader that waits
        self._alarm: TimerHandle | None = None  # at the deadline, or at an earlier reader's
        self._alarm_s = 0.0  # when it rings
        self._end: tuple[EndReason, int] | None = None

    # --- for the reader ------------------------------------------------------------------

    @property
    def progress(self) -> int:
        """Nothing at or below this revision is still to come: watch on from the next one."""
        if self._end is not None:
            return self.position
        if self._ready:
            return self._ready[0].revision - 1
        if self._link is None:
            return self.position
        first = self._skip()
        return max(self.position, self._hub.level if first is None else first.revision - 1)

    async def next(self, timeout_s: float) -> Changes:
        """What happened since the last call, in order; () if nothing did within ``timeout_s``.

        A change is never split. Readers who stand at the same place are often given the same
        tuple. Cancelling loses nothing. Raises :class:`~kvorum.errors.WatchEnded`, after which
        nothing comes any more.
        """
        changes = () if self._is_hasty else self._take()
        if not changes and self._end is None:
            changes = await self._wait(timeout_s)
        if not changes and self._end is not None:
            raise _ended(*self._end)
        return changes

    def close(self) -> None:
        """The reader wants no more. May be called twice."""
        self._hub.leave(self)

    # --- for the hub -----------------------------------------------------------------------

    @property
    def is_waiting(self) -> bool:
        return self._waiter is not None and not self._waiter.done()

    @property
    def is_ended(self) -> bool:
        return self._end is not None

    @property
    def has_ready(self) -> bool:
        """Something from the history waits for the reader."""
        return bool(self._ready)

    @property
    def first_events(self) -> int:
        """How many its reader gets at least, when it comes next; about."""
        if self._ready:
            return sum(len(change.events) for change in self._ready)
        link = self._link
        return 0 if link is None or link.change is None else len(link.change.events)

    @property
    def waiting(self) -> Link:
        """Where it is in its feed: at the first change that waits for the reader."""
        self._skip()
        assert self._link is not None, "it is in a feed"
        return self._link

    def wake(self) -> None:
        """Something is there, or time is up."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def receive(self, changes: Changes, position: int) -> None:
        """From the history: all that there is of it for this watch, up to ``position``."""
        assert not self._ready, "its reader waits, so it has taken everything"
        self._ready = changes
        self.position = position

    def join(self, feed: "Feed[Watch]") -> None:
        """It is level: what comes next, comes through the feed."""
        assert self.feed is None, "a watch is in one feed"
        self.feed = feed
        self.selector = feed.selector  # the same for all, so that it is stored once
        self._link = feed.tail
        feed.watches[self] = None

    def end(self, reason: EndReason, resume_revision: int) -> None:
        """Nothing more comes; what waits is dropped, so that it costs no memory."""
        self.position = self.progress
        self._end = reason, resume_revision
        self._link = None
        self._ready = ()
        if self.feed is not None:
            self.feed.watches.pop(self, None)
            self.feed.parked.pop(self, None)
            self.feed = None
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        self.wake()

    # --- parts -----------------------------------------------------------------------------

    async def _wait(self, timeout_s: float) -> Changes:
        assert self._waiter is None, "a watch has one reader"
        self._is_over = False
        self._set_alarm(timeout_s)
        changes: Changes = ()
        try:
            while not changes and self._end is None and not self._is_over:
                self._waiter = self._loop.create_future()
                (self._hub.queue if self._is_hasty else self._hub.park)(self)
                await self._waiter
                changes = self._take()
        finally:
            self._waiter = None
            if self.feed is not None:
                self.feed.parked.pop(self, None)
        return changes

    def _set_alarm(self, timeout_s: float) -> None:
        """One that is set already may ring too early, and is set anew then: that is seldom."""
        self._deadline_s = self._loop.time() + timeout_s
        if self._alarm is not None:
            if self._alarm_s <= self._deadline_s:
                return
            self._alarm.cancel()
        self._alarm = self._loop.call_later(timeout_s, self._ring)
        self._alarm_s = self._deadline_s

    def _ring(self) -> None:
        """Time is up, or was for an earlier reader; a timer may ring a little before its time."""
        self._alarm = None
        if self._waiter is None:
            return
        left_s = self._deadline_s - self._loop.time()
        if left_s > 0:
            self._alarm = self._loop.call_later(left_s, self._ring)
            self._alarm_s = self._deadline_s
        else:
            self._is_over = True
            self.wake()

    def _take(self) -> Changes:
        if self._ready:
            changes, self._ready = self._ready, ()
            self._hub.taken(sum(len(change.events) for change in changes))
            return changes
        link = self._link if self._skip() is not None else None
        if link is None:
            self._is_hasty = False
            return ()
        portion = self._hub.portion(link)
        changes = portion.changes
        self._link, self._is_hasty = portion.end, portion.is_full
        self.position = changes[-1].revision
        self._hub.taken(portion.events)
        return changes

    def _skip(self) -> Change | None:
        """The first change that waits in the feed; those that are not wanted go."""
        link = self._link
        while link is not None and link.change is not None:
            if link.change.revision > self.position:
                break
            link = link.next
        self._link = link
        return None if link is None else link.change


_ENDINGS: dict[EndReason, str] = {
    "compacted": "changes that this watch has not told yet are forgotten: read the keys anew, "
    "and watch on from the revision after the one that you read",
    "lagging": "too many changes waited for the reader: watch on from the revision told here, and "
    "read faster or watch less",
    "stopping": "this node stops serving watches: watch on from the revision told here at another "
    "node",
    "closed": "this watch was closed",
}


def _ended(reason: EndReason, resume_revision: int) -> WatchEnded:
    return WatchEnded(_ENDINGS[reason], reason=reason, resume_revision=resume_revision)
