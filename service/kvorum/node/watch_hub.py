"""All watches of a node, and how changes get to them.

An applied entry costs a comparison of revisions; if something changed and somebody watches,
also a reference to each event. Everything else happens in turns of the event loop, each with a
bounded amount of work, so that neither writes nor heartbeats wait for ten thousand watchers:
first changes go to the feeds, then some readers are woken, then some watches that began in the
past read a piece of the history. An idle watch costs neither a task nor a turn.

The wiring: ``WatchHub(machine, watchers_max=…, buffer_events_max=…, metrics=WatchMetrics(
registry))`` is made inside the event loop and is one of the applier's watchers; front ends get
``open``; ``close`` comes as soon as a node stops or serves nobody any more.
"""

import asyncio
from collections import deque

from kvorum.errors import Compacted, InvalidRequest, Overloaded, Rejected
from kvorum.mvcc.query import KeyRange
from kvorum.node.watch_fanout import Fanout
from kvorum.node.watch_feed import Link, Portion, Selector
from kvorum.node.watch_history import History, Past
from kvorum.node.watching import EndReason, Watch
from kvorum.telemetry.watch_metrics import WatchMetrics

WAKES_PER_TURN = 32
READS_PER_TURN = 8
"""Readers that go on in one turn of the event loop: some milliseconds, if all of them have much."""
EVENTS_PER_TURN = 1000
"""Of those readers together, unless one change has more."""

BUFFER_BYTES_MAX = 256 << 20


class WatchHub:
    """Create it inside the event loop that runs it."""

    def __init__(
        self,
        machine: History,
        *,
        watchers_max: int,
        buffer_events_max: int,
        metrics: WatchMetrics,
        buffer_bytes_max: int = BUFFER_BYTES_MAX,
    ) -> None:
        """``buffer_events_max`` may wait for one watch, ``buffer_bytes_max`` for all together.

        ``machine`` is the state machine that the applier applies to.
        """
        self._machine = machine
        self._watchers_max = watchers_max
        self._metrics = metrics
        self._loop = asyncio.get_running_loop()
        self._watches: dict[Watch, None] = {}
        self._fanout = Fanout(
            machine, events_max=buffer_events_max, bytes_max=buffer_bytes_max, end=self._end
        )
        self._feeds = self._fanout.index
        self._past = Past(machine)
        self._behind: deque[Watch] = deque()  # wait for a piece of the history
        self._portion: Portion | None = None  # the last one that a reader took
        self._is_scheduled = False
        self._is_closed = False

    # --- for front ends --------------------------------------------------------------------

    @property
    def watchers(self) -> int:
        """How many watches are open."""
        return len(self._watches)

    def open(
        self,
        keys: KeyRange,
        *,
        from_revision: int | None = None,
        puts: bool = True,
        deletes: bool = True,
    ) -> Watch:
        """Changes at ``from_revision`` and later; None: those after the present.

        A revision that this node has not reached is waited for. Raises ``Compacted`` (with
        the oldest revision that can be watched from), ``Overloaded`` if there are too many
        watches or ranges, ``Rejected`` while the node stops, ``InvalidRequest``.
        """
        revision = self._machine.revision
        position = revision if from_revision is None else from_revision - 1
        self._check(position, is_empty=not (puts or deletes))
        selector = Selector(keys, puts, deletes)
        self._feeds.places.take(selector)
        watch = Watch(self, selector, self._loop, revision=revision, position=position)
        self._watches[watch] = None
        self._metrics.watchers = len(self._watches)
        if position >= revision:
            self._fanout.join(watch)
        return watch

    def close(self) -> None:
        """This node stops: every watch ends, and no other begins."""
        self._is_closed = True
        for watch in tuple(self._watches):
            self._end(watch, "stopping", watch.progress + 1)

    # --- for the applier -------------------------------------------------------------------

    def applied(self, _index: int, _size_bytes: int, /) -> None:
        """An entry was applied."""
        if self._feeds and self._machine.revision != self._fanout.seen:
            self._fanout.collect()
            self._schedule()

    def restored(self) -> None:
        """A snapshot took the state's place; its history may begin behind what was seen."""
        self.applied(0, 0)

    # --- for watches -----------------------------------------------------------------------

    @property
    def level(self) -> int:
        """Everything up to this revision is in the feeds."""
        return self._fanout.level

    def park(self, watch: Watch, /) -> None:
        """Its reader waits."""
        if watch.feed is not None:
            watch.feed.parked[watch] = None
        elif not watch.is_queued:
            watch.is_queued = True
            self._behind.append(watch)
            self._schedule()

    def queue(self, watch: Watch, /) -> None:
        """Its reader had much, and there may be more; others are woken first."""
        self._fanout.waking.append(watch)
        self._schedule()

    def portion(self, first: Link, /) -> Portion:
        """Readers of one feed come one after the other, so the next one often gets the same."""
        portion = self._portion
        if portion is None or portion.first is not first:
            portion = self._portion = Portion(first)
        return portion

    def taken(self, events: int, /) -> None:
        """A reader took so many."""
        self._metrics.events_sent += events

    def leave(self, watch: Watch, /) -> None:
        """Its reader wants no more."""
        if not watch.is_ended:
            self._end(watch, "closed", watch.progress + 1)

    # --- beginnings and ends ---------------------------------------------------------------

    def _check(self, position: int, *, is_empty: bool) -> None:
        if is_empty:
            raise InvalidRequest("a watch of neither puts nor deletes would tell nothing")
        if self._is_closed:
            raise Rejected("this node is stopping; watch at another one")
        if len(self._watches) >= self._watchers_max:
            raise Overloaded(
                f"this node serves {self._watchers_max} watches already; watch at another one"
            )
        oldest = self._machine.compacted_revision + 1
        if position + 1 < oldest:
            raise Compacted(
                f"changes before revision {oldest} are forgotten, so it cannot be watched from "
                f"{position + 1}: read the keys anew, and watch from there",
                oldest_revision=oldest,
            )

    def _end(self, watch: Watch, reason: EndReason, resume_revision: int) -> None:
        feed = watch.feed
        watch.end(reason, resume_revision)
        self._watches.pop(watch, None)
        self._metrics.watchers = len(self._watches)
        self._metrics.ended(reason)
        if feed is not None:
            self._fanout.left(feed)
        self._feeds.places.give_back(watch.selector)

    # --- turns -----------------------------------------------------------------------------

    def _schedule(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._is_scheduled = False
        self._portion = None  # something may follow it now
        self._fanout.deliver()
        self._wake()
        self._read_history()
        if self._fanout.is_busy or self._fanout.waking or self._behind:
            self._schedule()

    def _wake(self) -> None:
        waking, events = self._fanout.waking, 0
        for _ in range(min(len(waking), WAKES_PER_TURN)):
            if events >= EVENTS_PER_TURN:
                break
            watch = waking.popleft()
            events += watch.first_events
            watch.wake()

    def _read_history(self) -> None:
        events = 0
        for _ in range(min(len(self._behind), READS_PER_TURN)):
            if events >= EVENTS_PER_TURN:
                break
            watch = self._behind.popleft()
            watch.is_queued = False
            if watch.is_waiting:
                self._advance(watch)
                events += watch.first_events
        if not self._behind:
            self._past.forget()

    def _advance(self, watch: Watch) -> None:
        """A piece of the history for a watch whose reader waits for it."""
        try:
            if watch.position < self._machine.revision:
                watch.receive(*self._past.read(watch.selector, watch.position))
        except Compacted:
            self._end(watch, "compacted", self._machine.compacted_revision + 1)
            return
        if watch.position >= self._machine.revision:
            self._fanout.join(watch)
        if watch.has_ready:
            watch.wake()
        else:
            self.park(watch)
