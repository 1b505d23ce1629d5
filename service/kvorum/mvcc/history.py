"""The past of the store: what changed at which revision, and what was there before.

Events lie in segments in the order of their numbers, which count all events of the store's
life. A segment grows at its end and is never changed otherwise, so frozen views share it. Beside
them stand, for each key, the numbers of its events: where one finds what a key held at an earlier
revision.

To forget takes two steps. The first moves the beginning at once, and makes whole sums of what is
left: nobody sees anything before it any more. The second, :meth:`History.sweep`, gives the memory
back, some thousand events at a time, so that nobody is held up.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import islice
from operator import attrgetter
from typing import Final
from zlib import crc32

from kvorum.mvcc.digest import event_digest
from kvorum.mvcc.ordered import OrderedKeys
from kvorum.mvcc.record import Event

SEGMENT_EVENTS: Final = 1024
_SHIFT: Final = SEGMENT_EVENTS.bit_length() - 1
EVENT_BYTES: Final = 200
"""What an event takes in memory beside its key and the value it replaced, roughly."""
SWEEP_EVENTS: Final = 4096
"""Forgotten events whose memory is given back at a time; more if more come than that."""

_revision = attrgetter("revision")


class _Segment:
    """Events with numbers from ``start`` up to, but without, ``stop``."""

    __slots__ = ("digest", "digests", "events", "size_bytes", "sizes", "start", "stop", "times")

    def __init__(self, start: int) -> None:
        self.start = start
        self.stop = (start >> _SHIFT) + 1 << _SHIFT
        self.events: list[Event] = []
        self.times = array("Q")  # log time of their batches
        self.sizes = array("Q")
        self.digests = array("Q")
        self.digest = 0  # sums of all that it holds, once it is complete
        self.size_bytes = 0

    def complete(self) -> None:
        self.digest = sum(self.digests)
        self.size_bytes = sum(self.sizes)


class History:
    """Events after ``compacted_revision``; numbers from ``first`` up to, but without, ``end``.

    ``gone`` are the keys that do not exist any more but have events here.
    """

    __slots__ = (
        "_by_key",
        "_last",
        "_mask",
        "_segments",
        "_sum",
        "_swept",
        "_swept_end",
        "compacted_revision",
        "end",
        "first",
        "gone",
        "size_bytes",
    )

    def __init__(self, shards: int, *, first: int = 0, compacted_revision: int = 0) -> None:
        """Empty; its first event will have the number ``first``; ``shards`` is a power of two."""
        self._last = _Segment(first)
        self._segments = {first >> _SHIFT: self._last}
        # Numbers alone, because a list for each key would be seen by the garbage collector.
        self._by_key: list[dict[bytes, int | array[int]]] = [{} for _ in range(shards)]
        self._mask = shards - 1
        self._sum = 0
        self._swept = first  # events before it are no more in memory
        self._swept_end = first  # where the end was at the last sweep
        self.gone: OrderedKeys[bytes] = OrderedKeys()
        self.compacted_revision = compacted_revision
        self.first = self.end = first
        self.size_bytes = 0

    def __len__(self) -> int:
        return self.end - self.first

    @property
    def digest(self) -> int:
        """Sum of the digests of all events (:mod:`kvorum.mvcc.digest`)."""
        return self._sum

    @property
    def oldest_ms(self) -> int | None:
        """Log time of the oldest event, None if there is none."""
        if self.first == self.end:
            return None
        segment = self._segments[self.first >> _SHIFT]
        return segment.times[self.first - segment.start]

    def add(self, event: Event, shard: int, time_ms: int, change: int) -> None:
        """The next event, of a key in that shard.

        ``change`` is what the sum over all present records grew by with it.
        """
        number = self.end
        segment = self._last
        if number == segment.stop:
            segment = self._next_segment()
        self.end = number + 1
        key, previous = event.key, event.previous
        size_bytes = EVENT_BYTES + len(key)
        if previous is not None:
            size_bytes += len(previous.value)
        digest = event_digest(change, number, event.revision, time_ms)
        segment.events.append(event)
        segment.times.append(time_ms)
        segment.sizes.append(size_bytes)
        segment.digests.append(digest)
        self._sum += digest
        self.size_bytes += size_bytes
        by_key = self._by_key[shard]
        known = by_key.get(key)
        if known is None:
            by_key[key] = number
        else:
            if previous is None:
                self.gone.remove(key)
            if isinstance(known, int):
                by_key[key] = array("Q", (known, number))
            else:
                known.append(number)
        if event.record is None:
            self.gone.add(key)

    # --- reading -------------------------------------------------------------------------

    def event(self, number: int) -> Event:
        segment = self._segments[number >> _SHIFT]
        return segment.events[number - segment.start]

    def number_after(self, revision: int) -> int:
        """Number of the first event of a later revision; ``end`` if there is none."""
        if self.first == self.end:
            return self.end
        segment = self._last
        if not segment.events or segment.events[0].revision > revision:
            numbers = self._numbers()
            place = bisect_right(numbers, revision, key=self._first_revision_of)
            segment = self._segments[numbers[max(0, place - 1)]]
        position = bisect_right(segment.events, revision, key=_revision)
        return max(self.first, segment.start + position)

    def next_change(self, key: bytes, shard: int, number: int) -> Event | None:
        """The first event of ``key`` that has this number or a greater one."""
        known = self._by_key[shard].get(key)
        if known is None:
            return None
        if isinstance(known, int):
            return self.event(known) if known >= number else None
        place = bisect_left(known, number)
        return self.event(known[place]) if place < len(known) else None

    def last_change(self, key: bytes, shard: int) -> Event | None:
        """The newest event of ``key``."""
        known = self._by_key[shard].get(key)
        if known is None:
            return None
        number = known if isinstance(known, int) else known[-1]
        return self.event(number) if number >= self.first else None

    def slice(self, start: int, end: int) -> list[Event]:
        """Events by number."""
        events: list[Event] = []
        while start < end:
            segment = self._segments[start >> _SHIFT]
            events += segment.events[start - segment.start : end - segment.start]
            start = segment.stop
        return events

    def view(self) -> Iterator[tuple[Event, int]]:
        """All events that there are now, with the log times of their batches."""
        segments = [self._segments[number] for number in self._numbers()]
        return _read(segments, self.first, self.end)

    # --- forgetting ----------------------------------------------------------------------

    def limit(self, born_min_ms: int, bytes_max: int) -> int:
        """The newest revision that has to go for these bounds; the one that is gone already else.

        Events of batches before ``born_min_ms`` are too old, and the oldest are too much for
        ``bytes_max``.
        """
        number = max(self._older_than(born_min_ms), self._surplus_of(bytes_max))
        return self.event(number - 1).revision if number > self.first else self.compacted_revision

    def forget(self, revision: int) -> None:
        """Let history begin behind ``revision``."""
        if revision <= self.compacted_revision:
            return
        number = self.number_after(revision)
        self.compacted_revision = revision
        while self.first < number:
            segment = self._segments[self.first >> _SHIFT]
            stop = min(segment.stop, number)
            if self.first == segment.start and stop == segment.stop and segment.size_bytes:
                self._sum -= segment.digest
                self.size_bytes -= segment.size_bytes
            else:
                part = slice(self.first - segment.start, stop - segment.start)
                self._sum -= sum(segment.digests[part])
                self.size_bytes -= sum(segment.sizes[part])
            self.first = stop

    def sweep(self) -> None:
        """Give the memory of forgotten events back: a bounded number, but as fast as new ones come.

        How far this came changes no answer, so it is no part of the state.
        """
        start, first = self._swept, self.first
        if start == first:
            self._swept_end = self.end
            return
        stop = min(first, start + max(SWEEP_EVENTS, 2 * (self.end - self._swept_end)))
        while start < stop:
            segment = self._segments[start >> _SHIFT]
            part_stop = min(segment.stop, stop)
            for event in islice(segment.events, start - segment.start, part_stop - segment.start):
                self._unlist(event, first)
            if part_stop == segment.stop and segment is not self._last:
                del self._segments[start >> _SHIFT]
            start = part_stop
        self._swept, self._swept_end = stop, self.end

    def drain(self) -> Iterator[None]:
        """Give everything back to memory in small steps."""
        self._last = _Segment(self.end)
        while self._segments:
            self._segments.popitem()
            yield
        for by_key in self._by_key:
            by_key.clear()
            yield
        yield from self.gone.drain()

    # -------------------------------------------------------------------------------------

    def _next_segment(self) -> _Segment:
        full = self._last
        full.complete()
        if self._swept == full.stop:  # nothing of it is left
            del self._segments[full.start >> _SHIFT]
        segment = self._last = _Segment(full.stop)
        self._segments[full.stop >> _SHIFT] = segment
        return segment

    def _numbers(self) -> range:
        """Of the segments that hold events."""
        return range(self.first >> _SHIFT, (self.end - 1 >> _SHIFT) + 1)

    def _first_revision_of(self, number: int) -> int:
        return self._segments[number].events[0].revision

    def _first_time_of(self, number: int) -> int:
        return self._segments[number].times[0]

    def _older_than(self, born_min_ms: int) -> int:
        """Number of the first event that is not older."""
        oldest_ms = self.oldest_ms
        if oldest_ms is None or oldest_ms >= born_min_ms:
            return self.first
        numbers = self._numbers()
        place = bisect_left(numbers, born_min_ms, key=self._first_time_of)
        segment = self._segments[numbers[max(0, place - 1)]]
        return segment.start + bisect_left(segment.times, born_min_ms)

    def _surplus_of(self, bytes_max: int) -> int:
        """Number of the first event that may stay if all from it on are to fit."""
        surplus, number = self.size_bytes - bytes_max, self.first
        while surplus > 0 and number < self.end:
            segment = self._segments[number >> _SHIFT]
            if number == segment.start and 0 < segment.size_bytes <= surplus:
                surplus -= segment.size_bytes
                number = segment.stop
                continue
            for size_bytes in islice(segment.sizes, number - segment.start, None):
                surplus -= size_bytes
                number += 1
                if surplus <= 0:
                    break
        return number

    def _unlist(self, event: Event, first: int) -> None:
        """Drop a key's numbers before ``first``, one of which is this event's."""
        key = event.key
        by_key = self._by_key[crc32(key) & self._mask]
        known = by_key.get(key)
        if known is None:  # dropped with one of its other events
            return
        if isinstance(known, int):
            if known >= first:
                return
            last = known
        else:
            last = known[-1]
            if last >= first:
                stale = bisect_left(known, first)
                if 2 * stale >= len(known):  # seldom enough, however many there are
                    del known[:stale]
                return
        del by_key[key]
        if self.event(last).record is None:
            self.gone.remove(key)


def _read(segments: list[_Segment], first: int, end: int) -> Iterator[tuple[Event, int]]:
    """Events with numbers from ``first`` up to, but without, ``end``."""
    for segment in segments:
        part = slice(max(0, first - segment.start), end - segment.start)
        yield from zip(segment.events[part], segment.times[part], strict=True)
