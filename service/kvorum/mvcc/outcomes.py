"""The executed-commands table: each request id is applied once (thesis §6.3).

A client that retries under the same request id gets the first outcome for as
long as it is kept. How long that is comes from the log: every batch brings the
leader's time and two limits, and every replica drops the same outcomes after
the same entry. Time never goes back here.
"""

from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from operator import attrgetter
from typing import Final

from kvorum.mvcc.command import UNSTAMPED, Stamp
from kvorum.mvcc.digest import PRIME, outcome_digest, success_digests
from kvorum.mvcc.outcome import SUCCESS_MESSAGE, Outcome, Status

SEGMENT_OUTCOMES: Final = 1024
"""When it has as many, the next ones begin another."""
_SUCCESS: Final = Status.SUCCESS  # fetching a member of an enum costs more than a name
_time_ms_of: Final = attrgetter("time_ms")


class _Segment:
    """Neighbours in time; grows at its end and is never changed otherwise, so views share it."""

    __slots__ = ("digests", "indexes", "outcomes")

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.indexes = array("Q")  # of their entries, in the same order
        self.digests = array("Q")


class Outcomes:
    """Outcomes by request id, oldest first.

    ``now_ms`` is the greatest time that any batch brought; outcomes recorded at or
    below ``forgotten_index`` may be gone.
    """

    __slots__ = ("_by_id", "_first", "_segments", "_sum", "forgotten_index", "now_ms")

    def __init__(self, *, now_ms: int = 0, forgotten_index: int = 0) -> None:
        self._by_id: dict[str, Outcome] = {}
        # Beside the dict, because finding the first item of a dict that is
        # emptied from its front takes longer with every item removed.
        self._segments: deque[_Segment] = deque((_Segment(),))
        self._first = 0  # position of the oldest in the first segment
        self._sum = 0
        self.now_ms = now_ms
        self.forgotten_index = forgotten_index

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[tuple[Outcome, int]]:
        """What is kept with the indexes of its entries, oldest first; not while adding."""
        return self.view()

    @property
    def digest(self) -> int:
        """Of all that is kept (:mod:`kvorum.mvcc.digest`)."""
        return self._sum % PRIME

    def get(self, request_id: str) -> Outcome | None:
        return self._by_id.get(request_id)

    def are_new(self, request_ids: Collection[str]) -> bool:
        """Whether none of them has an outcome, nor stands here twice."""
        return len(set(request_ids)) == len(request_ids) and self._by_id.keys().isdisjoint(
            request_ids
        )

    def add(self, outcome: Outcome, index: int) -> None:
        """Keep the first outcome of a request id, made at ``now_ms`` by entry ``index``."""
        assert outcome.request_id not in self._by_id, "a request id has one outcome"
        self._by_id[outcome.request_id] = outcome
        segment = self._segment()
        segment.outcomes.append(outcome)
        segment.indexes.append(index)
        digest = outcome_digest(outcome, index)
        segment.digests.append(digest)
        self._sum += digest

    def add_puts(
        self, request_ids: Sequence[str], first_revision: int, index: int
    ) -> list[Outcome]:
        """Keep that each of these, which are new, put one key, at revisions in a row."""
        now_ms = self.now_ms
        outcomes = [
            Outcome(request_id, _SUCCESS, SUCCESS_MESSAGE, revision, now_ms, 1)
            for revision, request_id in enumerate(request_ids, first_revision)
        ]
        digests = success_digests(request_ids, first_revision, index, now_ms)
        self._by_id.update(zip(request_ids, outcomes, strict=True))
        segment = self._segment()
        segment.outcomes += outcomes
        segment.indexes.extend([index] * len(outcomes))
        segment.digests.extend(digests)
        self._sum += sum(digests)
        return outcomes

    def advance_time(self, stamp: Stamp) -> int:
        """Take over a batch's time before its commands run; returns ``now_ms``."""
        self.now_ms = max(self.now_ms, stamp.time_ms)
        return self.now_ms

    def evict(self, stamp: Stamp) -> None:
        """Drop what is over the stamp's limits after its batch; O(dropped).

        Only after the batch, so that it deduplicates against itself and against
        all that was kept until now. A batch without a stamp drops nothing: no
        leader appends one, and zeros must not be read as "keep none".
        """
        if stamp == UNSTAMPED:
            return
        surplus = len(self._by_id) - stamp.outcomes_count_max
        born_min_ms = self.now_ms - stamp.outcomes_age_s_max * 1000
        while self._by_id and self._drop_from_first_segment(surplus, born_min_ms):
            surplus = len(self._by_id) - stamp.outcomes_count_max

    def _segment(self) -> _Segment:
        """With room for more."""
        segment = self._segments[-1]
        if len(segment.outcomes) >= SEGMENT_OUTCOMES:
            segment = _Segment()
            self._segments.append(segment)
        return segment

    def _drop_from_first_segment(self, surplus: int, born_min_ms: int) -> bool:
        """Drop the oldest while one is surplus or too old; whether the segment was used up."""
        segment, first, by_id = self._segments[0], self._first, self._by_id
        outcomes = segment.outcomes
        end = min(first + max(surplus, 0), len(outcomes))
        if end < len(outcomes) and outcomes[end].time_ms < born_min_ms:
            end = bisect_left(outcomes, born_min_ms, end, key=_time_ms_of)
        for outcome in outcomes[first:end]:
            del by_id[outcome.request_id]
        if end > first:
            self.forgotten_index = segment.indexes[end - 1]
            self._sum -= sum(segment.digests[first:end])
            self._first = end
        if end < len(outcomes):
            return False
        self._segments.popleft()
        self._first = 0
        if not self._segments:
            self._segments.append(_Segment())
        return True

    def view(self) -> Iterator[tuple[Outcome, int]]:
        """What is kept now, oldest first, whatever comes and goes from here on."""
        segments = tuple(self._segments)
        return _read(segments, self._first, len(segments[-1].outcomes))

    def drain(self) -> Iterator[None]:
        """Give the outcomes back to memory, a segment at each step: all at once takes long."""
        while self._segments:
            for outcome in self._segments.popleft().outcomes:
                self._by_id.pop(outcome.request_id, None)
            yield


def _read(segments: tuple[_Segment, ...], first: int, end: int) -> Iterator[tuple[Outcome, int]]:
    """From position ``first`` of the first segment to ``end`` of the last."""
    for segment in segments[:-1]:
        yield from zip(segment.outcomes[first:], segment.indexes[first:], strict=True)
        first = 0
    last = segments[-1]
    yield from zip(last.outcomes[first:end], last.indexes[first:end], strict=True)
