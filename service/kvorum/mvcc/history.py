"""The past of the store: what changed at which revision, and what was there before.

Events lie in segments in the order of their numbers, which count all events of the store's
life from 1. A segment grows at its end and is never changed otherwise, so frozen views share it.
Each event knows the number of the one before of the same key, and the newest number of each key
is found by the key: so one walks from change to change.

Beside each event stand the sums of what came before it, of bytes and of digests. What any window
has of them is a difference, so to forget takes little time however much it is. Memory is given
back later by :meth:`History.sweep`, some thousand events at a time, so that nobody is held up.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from operator import attrgetter
from typing import Final
from zlib import crc32

from kvorum.mvcc.digest import PRIME, event_factor
from kvorum.mvcc.ordered import OrderedKeys
from kvorum.mvcc.record import Event

SEGMENT_EVENTS: Final = 1024
_SHIFT: Final = SEGMENT_EVENTS.bit_length() - 1
EVENT_BYTES: Final = 300
"""What an event takes in memory beside its key and the value it replaced, roughly."""
SWEEP_EVENTS: Final = 4096
"""Forgotten events whose memory is given back at a time; more if more come than that."""
FIRST_EVENT: Final = 1
_NONE: Final = 0
_STRIDE: Final = 64
"""How many changes of one key are looked through from either side in turn."""

_revision = attrgetter("revision")


class _Segment:
    """Events with numbers from ``start`` up to, but without, ``stop``.

    ``earlier``: the number of the event before of the same key, 0 if there was none. ``times``:
    log times of their batches. ``sizes`` and ``digests``: sums of all events before each.
    """

    __slots__ = ("digests", "earlier", "events", "sizes", "start", "stop", "times")

    def __init__(self, start: int) -> None:
        self.start = start
        self.stop = (start >> _SHIFT) + 1 << _SHIFT
        self.events: list[Event] | tuple[Event, ...] = []
        self.earlier: list[int] | array[int] = []
        self.times: list[int] | array[int] = []
        self.sizes: list[int] | array[int] = []
        self.digests: list[int] | tuple[int, ...] = []

    def complete(self) -> None:
        """Nothing will be added: make it small, and nothing that the garbage collector sees."""
        self.events = tuple(self.events)
        self.earlier = array("Q", self.earlier)
        self.times = array("Q", self.times)
        self.sizes = array("Q", self.sizes)
        self.digests = tuple(self.digests)


class History:
    """Events after ``compacted_revision``; numbers from ``first`` up to, but without, ``end``.

    ``gone`` are the keys that do not exist any more but have events here.
    """

    __slots__ = (
        "_digest",
        "_first_digest",
        "_first_size",
        "_last",
        "_mask",
        "_newest",
        "_segments",
        "_size",
        "_swept",
        "_swept_end",
        "compacted_revision",
        "end",
        "first",
        "gone",
    )

    def __init__(
        self, shards: int, *, first: int = FIRST_EVENT, compacted_revision: int = 0
    ) -> None:
        """Empty; its first event will have the number ``first``; ``shards`` is a power of two."""
        self._mask = shards - 1
        self._newest: list[dict[bytes, int]] = [{} for _ in range(shards)]
        self._last = _Segment(first)
        self._segments = {first >> _SHIFT: self._last}
        self._size = self._first_size = 0  # sums before ``end`` and before ``first``
        self._digest = self._first_digest = 0
        self._swept = first  # events before it are no more in memory
        self._swept_end = first  # where the end was at the last sweep
        self.gone: OrderedKeys[bytes] = OrderedKeys()
        self.compacted_revision = compacted_revision
        self.first = self.end = first

    def __len__(self) -> int:
        return self.end - self.first

    @property
    def size_bytes(self) -> int:
        """Of all events: keys, the values they replaced, and EVENT_BYTES for each."""
        return self._size - self._first_size

    @property
    def digest(self) -> int:
        """Of all events (:mod:`kvorum.mvcc.digest`)."""
        return (self._digest - self._first_digest) % PRIME

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
        key, previous, newest = event.key, event.previous, self._newest[shard]
        earlier = newest.get(key, _NONE)
        newest[key] = number
        segment.events.append(event)  # type: ignore[union-attr]  # the last one is no tuple
        segment.earlier.append(earlier)
        segment.times.append(time_ms)
        segment.sizes.append(self._size)
        segment.digests.append(self._digest)  # type: ignore[union-attr]  # likewise
        self._digest += change * event_factor(number, event.revision, time_ms)
        if previous is not None:
            self._size += EVENT_BYTES + len(key) + len(previous.value)
            if event.record is None:
                self.gone.add(key)
        else:
            self._size += EVENT_BYTES + len(key)
            if earlier != _NONE:
                self.gone.remove(key)

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
            segment = self._last_segment(lambda one: one.events[0].revision <= revision)
        position = bisect_right(segment.events, revision, key=_revision)
        return max(self.first, segment.start + position)

    def next_change(self, key: bytes, shard: int, number: int) -> Event | None:
        """The first event of ``key`` that has this number or a greater one.

        Steps through the changes from the newest one back. A key that has changed very often is
        met soon from the other side.
        """
        place, ahead = self._newest[shard].get(key, _NONE), number
        if place < number:
            return None
        segments = self._segments
        while True:
            for _ in range(_STRIDE):
                segment = segments[place >> _SHIFT]
                earlier = segment.earlier[place - segment.start]
                if earlier < number:
                    return segment.events[place - segment.start]
                place = earlier
            for event in self.slice(ahead, ahead + 2 * _STRIDE):
                if event.key == key:
                    return event
            ahead += 2 * _STRIDE

    def last_change(self, key: bytes, shard: int) -> Event | None:
        """The newest event of ``key``."""
        number = self._newest[shard].get(key, _NONE)
        return self.event(number) if number >= self.first else None

    def slice(self, start: int, end: int) -> list[Event]:
        """Events from number ``start`` up to, but without, ``end``."""
        events: list[Event] = []
        end = min(end, self.end)
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
        self.compacted_revision = revision
        self.first = self.number_after(revision)
        if self.first == self.end:
            self._first_size, self._first_digest = self._size, self._digest
        else:
            segment = self._segments[self.first >> _SHIFT]
            position = self.first - segment.start
            self._first_size, self._first_digest = (
                segment.sizes[position],
                segment.digests[position],
            )

    def sweep(self) -> None:
        """Give the memory of forgotten events back: a bounded number, but as fast as new ones come.

        How far this came changes no answer, so it is no part of the state.
        """
        room = max(SWEEP_EVENTS, 2 * (self.end - self._swept_end))
        start, stop = self._swept, min(self.first, self._swept + room)
        while start < stop:
            segment = self._segments[start >> _SHIFT]
            for event in islice(segment.events, start - segment.start, stop - segment.start):
                self._unlist(event, start)
                start += 1
            if start == segment.stop and segment is not self._last:
                del self._segments[segment.start >> _SHIFT]
        self._swept, self._swept_end = stop, self.end

    def drain(self) -> Iterator[None]:
        """Give everything back to memory in small steps."""
        while self._segments:
            self._segments.popitem()
            yield
        self._last = _Segment(self.end)
        for newest in self._newest:
            newest.clear()
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
        """Of the segments that hold events; empty if there are none."""
        return range(self.first >> _SHIFT, (self.end - 1 >> _SHIFT) + 1)

    def _last_segment(self, is_before: Callable[[_Segment], bool]) -> _Segment:
        """The last one of which this holds, as it does of all before; else the first one."""
        numbers = self._numbers()
        place = bisect_left(numbers, True, key=lambda n: not is_before(self._segments[n]))
        return self._segments[numbers[max(0, place - 1)]]

    def _older_than(self, born_min_ms: int) -> int:
        """Number of the first event that is not older."""
        oldest_ms = self.oldest_ms
        if oldest_ms is None or oldest_ms >= born_min_ms:
            return self.first
        segment = self._last_segment(lambda one: one.times[0] < born_min_ms)
        return segment.start + bisect_left(segment.times, born_min_ms)

    def _surplus_of(self, bytes_max: int) -> int:
        """Number of the first event that may stay if all from it on are to fit."""
        least = self._size - bytes_max  # the sum before it
        if self._first_size >= least:
            return self.first
        segment = self._last_segment(lambda one: one.sizes[0] < least)
        return segment.start + bisect_left(segment.sizes, least)

    def _unlist(self, event: Event, number: int) -> None:
        """Of this event, which is about to go, nothing may be found any more."""
        key = event.key
        newest = self._newest[crc32(key) & self._mask]
        if newest.get(key) == number:
            del newest[key]
            if event.record is None:
                self.gone.remove(key)


def _read(segments: Sequence[_Segment], first: int, end: int) -> Iterator[tuple[Event, int]]:
    """Events with numbers from ``first`` up to, but without, ``end``."""
    for segment in segments:
        part = slice(max(0, first - segment.start), end - segment.start)
        yield from zip(segment.events[part], segment.times[part], strict=True)
