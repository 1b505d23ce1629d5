"""The past of the store: what changed at which revision, and what was there before.

Every revision has at least one event; those of one revision stand in their order. What a key held
before is found by going from event to event: each has the record it replaced, and that one knows
the revision that made it.

Revisions lie in segments. Beside each stand the sums of what came before it, of bytes and of
digests: what any window has of them is a difference, so to forget takes little time however much
it is. The memory is given back later by :meth:`History.sweep`, a segment at a time and not too
many at once, so that nobody is held up.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from operator import itemgetter
from typing import Final

from kvorum.mvcc.deletions import Deletions
from kvorum.mvcc.digest import PRIME, event_factor, event_factors
from kvorum.mvcc.history_segment import Segment
from kvorum.mvcc.ordered import OrderedKeys
from kvorum.mvcc.record import Event, Record

EVENT_BYTES: Final = 288
"""What an event takes in memory beside its key and the value it replaced, roughly."""
SEGMENT_BYTES: Final = 1024 * EVENT_BYTES
"""A segment that has so many is complete; it is let go of as a whole."""
SWEEP_EVENTS: Final = 4096
"""Forgotten events whose memory is given back at a time; more if more come than that."""
_STRIDE: Final = 64
"""Changes of one key that are looked through from either side in turn."""

_event_of: Final = itemgetter(0)


class History:
    """Events of the revisions above ``compacted_revision`` up to ``newest``.

    ``gone`` are the keys that do not exist any more but were deleted here.
    """

    __slots__ = (
        "_added",
        "_deletions",
        "_digest",
        "_first_digest",
        "_first_size",
        "_full_size",
        "_segments",
        "_size",
        "_starts",
        "compacted_revision",
        "gone",
        "newest",
    )

    def __init__(self, shards: int, *, compacted_revision: int = 0) -> None:
        """Empty; ``shards`` is a power of two."""
        self._segments = [Segment(compacted_revision + 1)]
        self._starts = [compacted_revision + 1]  # of the segments
        self._size = self._first_size = 0  # sums of all, and of what is forgotten
        self._digest = self._first_digest = 0
        self._full_size = SEGMENT_BYTES  # what the sum is when the last segment is complete
        self._added = 0  # events since the last sweep
        self._deletions = Deletions(shards)
        self.gone: OrderedKeys[bytes] = self._deletions.keys
        self.compacted_revision = self.newest = compacted_revision

    @property
    def size_bytes(self) -> int:
        """Of all events: keys, the values they replaced, and EVENT_BYTES for each."""
        return self._size - self._first_size

    @property
    def digest(self) -> int:
        """Of all events (:mod:`kvorum.mvcc.digest`)."""
        return (self._digest - self._first_digest) % PRIME

    @property
    def has_arrears(self) -> bool:
        """Whether there are forgotten events for the next :meth:`sweep`."""
        return len(self._starts) > 1 and self._starts[1] <= self.compacted_revision + 1

    @property
    def oldest_ms(self) -> int | None:
        """Log time of the oldest event, None if there is none."""
        if self.compacted_revision == self.newest:
            return None
        segment = self._segment_of(self.compacted_revision + 1)
        return segment.times[self.compacted_revision + 1 - segment.start]

    def add(self, event: Event, time_ms: int, change: int) -> None:
        """One more event, of the newest revision or the next one.

        ``change`` is what the sum over all present records grew by with it.
        """
        revision, previous = event.revision, event.previous
        segment, place = self._segments[-1], 0
        if revision == self.newest:
            place = segment.add_more(event)
        else:
            assert revision == self.newest + 1, "a revision without a change"
            self.newest = revision
            if self._size >= self._full_size:
                segment = self._next_segment(revision)
            segment.entries.append(event)
            segment.times.append(time_ms)
            segment.sizes.append(self._size)
            segment.digests.append(self._digest)
        self._added += 1
        self._digest += change * event_factor(revision, place, time_ms)
        if previous is None:
            self._size += EVENT_BYTES + len(event.key)
            self._link(event.key, revision, segment)
        else:
            self._size += EVENT_BYTES + len(event.key) + len(previous.value)
            if event.record is None:
                segment.deleted.append(event)
                self._deletions.add(event.key, revision)

    def add_revisions(self, events: Sequence[Event], changes: Iterable[int], time_ms: int) -> None:
        """Puts at the next revisions, one at each; ``changes`` as for :meth:`add`."""
        first = self.newest + 1
        assert events[0].revision == first, "a revision without a change"
        segment = self._segments[-1]
        if self._size >= self._full_size:
            segment = self._next_segment(first)
        self.newest = events[-1].revision
        self._added += len(events)
        segment.entries += events
        segment.times.extend([time_ms] * len(events))
        add_size, add_digest = segment.sizes.append, segment.digests.append
        size, digest = self._size, self._digest
        factors = event_factors(first, len(events), time_ms)
        for event, change, factor in zip(events, changes, factors, strict=True):
            add_size(size)
            add_digest(digest)
            previous = event.previous
            size += EVENT_BYTES + len(event.key) + (len(previous.value) if previous else 0)
            digest += change * factor
        self._size, self._digest = size, digest
        if self._deletions.keys:
            for event in events:
                if event.previous is None:
                    self._link(event.key, event.revision, segment)

    # --- reading -------------------------------------------------------------------------

    def former(self, key: bytes, present: Record | None, revision: int) -> Record | None:
        """What ``key`` held at ``revision``, which is not forgotten; ``present`` is what it holds.

        Goes through the changes from the newest one back. A key that has changed very often is
        met soon from the other side.
        """
        record = present
        at = self._deletions.find(key) if record is None else record.mod_revision
        if at <= revision:
            return record
        ahead = self.later(revision)
        while True:
            for _ in range(_STRIDE):
                segment = self._segment_of(at)
                record = segment.find(key, at).previous
                at = segment.links.get((at, key), 0) if record is None else record.mod_revision
                if at <= revision:
                    return record
            for event in islice(ahead, 2 * _STRIDE):
                if event.key == key:
                    return event.previous

    def after(self, revision: int, limit: int) -> list[Event]:
        """Events of later revisions: whole revisions, until there are ``limit`` of them."""
        events: list[Event] = []
        for event in self.later(revision):
            if len(events) >= limit and event.revision != events[-1].revision:
                break
            events.append(event)
        return events

    def later(self, revision: int) -> Iterator[Event]:
        """All events of later revisions."""
        return map(_event_of, self._read(revision, self.newest))

    def view(self) -> Iterator[tuple[Event, int]]:
        """All events that there are now, with the log times of their batches."""
        return self._read(self.compacted_revision, self.newest)

    # --- forgetting ----------------------------------------------------------------------

    def limit(self, born_min_ms: int, bytes_max: int) -> int:
        """The newest revision that has to go for these bounds; the one that is gone already else.

        Events of batches before ``born_min_ms`` are too old, and the oldest are too much for
        ``bytes_max``.
        """
        oldest_ms = self.oldest_ms
        if oldest_ms is None:
            return self.compacted_revision
        limit, least = self.compacted_revision, self._size - bytes_max
        if oldest_ms < born_min_ms:
            segment = self._last_segment(lambda one: one.times[0] < born_min_ms)
            limit = segment.start + bisect_left(segment.times, born_min_ms) - 1
        if self._first_size < least:  # what stays begins where the sum before it is no less
            segment = self._last_segment(lambda one: one.sizes[0] < least)
            limit = max(limit, segment.start + bisect_left(segment.sizes, least) - 1)
        return limit

    def forget(self, revision: int) -> None:
        """Let history begin behind ``revision``."""
        if revision <= self.compacted_revision:
            return
        self.compacted_revision = revision
        if revision < self.newest:
            segment = self._segment_of(revision + 1)
            position = revision + 1 - segment.start
            self._first_size = segment.sizes[position]
            self._first_digest = segment.digests[position]
        else:
            self._first_size, self._first_digest = self._size, self._digest
            self.newest = revision
            self._next_segment(revision + 1)

    def sweep(self) -> None:
        """Give the memory of forgotten events back: a bounded number, but as fast as new ones come.

        How far this came changes no answer, so it is no part of the state.
        """
        room = max(SWEEP_EVENTS, 2 * self._added)
        self._added = 0
        while room > 0 and self.has_arrears:
            segment = self._segments.pop(0)
            del self._starts[0]
            room -= segment.event_count
            for event in segment.deleted:
                self._deletions.forget(event.key, event.revision)

    def drain(self) -> Iterator[None]:
        """Give everything back to memory in small steps."""
        while self._segments:
            self._segments.pop()
            yield
        yield from self._deletions.drain()

    # -------------------------------------------------------------------------------------

    def _next_segment(self, revision: int) -> Segment:
        """Begins with ``revision``; takes the place of one that is empty."""
        last = self._segments[-1]
        if last.entries:
            last.complete()
        else:
            self._segments.pop()
            self._starts.pop()
        segment = Segment(revision)
        self._segments.append(segment)
        self._starts.append(revision)
        self._full_size = self._size + SEGMENT_BYTES
        return segment

    def _link(self, key: bytes, revision: int, segment: Segment) -> None:
        """The key is there again: note when it went, unless that was at the same revision."""
        deleted_at = self._deletions.take(key)
        if 0 < deleted_at < revision:
            segment.links[revision, key] = deleted_at

    def _segment_of(self, revision: int) -> Segment:
        return self._segments[bisect_right(self._starts, revision) - 1]

    def _last_segment(self, is_before: Callable[[Segment], bool]) -> Segment:
        """Of those that history needs: the last one of which this holds, as of all before it."""
        first = bisect_right(self._starts, self.compacted_revision + 1) - 1
        place = bisect_left(
            self._segments,
            True,
            first,
            key=lambda one: not is_before(one),
        )
        return self._segments[max(first, place - 1)]

    def _read(self, after: int, until: int) -> Iterator[tuple[Event, int]]:
        """Events of revisions above ``after`` up to ``until``, with the times of their batches.

        They are those of now, whatever comes and goes before they are read.
        """
        first = max(0, bisect_right(self._starts, after + 1) - 1)
        segments = self._segments[first : bisect_right(self._starts, until)]
        return chain.from_iterable(one.events(after, until + 1) for one in _let_go_of(segments))


def _let_go_of(segments: list[Segment]) -> Iterator[Segment]:
    """Each in turn; what is forgotten by then is not kept until the last one, to go all at once."""
    segments.reverse()
    while segments:
        yield segments.pop()
