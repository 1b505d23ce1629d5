"""The executed-commands table: each request id is applied once (thesis §6.3).

A client that retries under the same request id gets the first outcome for as
long as it is kept. How long that is comes from the log: every batch brings the
leader's time and two limits, and every replica drops the same outcomes after
the same entry. Time never goes back here.
"""

from collections import deque

from kvorum.mvcc.command import UNSTAMPED, Stamp
from kvorum.mvcc.outcome import Outcome


class Outcomes:
    """Outcomes by request id, oldest first.

    ``now_ms`` is the greatest time that any batch brought; outcomes recorded at or
    below ``forgotten_index`` may be gone.
    """

    __slots__ = ("_by_id", "_indexes", "_oldest_first", "forgotten_index", "now_ms")

    def __init__(self) -> None:
        self._by_id: dict[str, Outcome] = {}
        # Beside the dict, because finding the first item of a dict that is
        # emptied from its front takes longer with every item removed.
        self._oldest_first: deque[Outcome] = deque()
        self._indexes: deque[int] = deque()  # of their entries, in the same order
        self.now_ms = 0
        self.forgotten_index = 0

    def __len__(self) -> int:
        return len(self._oldest_first)

    def get(self, request_id: str) -> Outcome | None:
        return self._by_id.get(request_id)

    def add(self, outcome: Outcome, index: int) -> None:
        """Keep the first outcome of a request id, made at ``now_ms`` by entry ``index``."""
        assert outcome.request_id not in self._by_id, "a request id has one outcome"
        self._by_id[outcome.request_id] = outcome
        self._oldest_first.append(outcome)
        self._indexes.append(index)

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
        oldest_first = self._oldest_first
        born_min_ms = self.now_ms - stamp.outcomes_age_s_max * 1000
        while oldest_first and (
            len(oldest_first) > stamp.outcomes_count_max or oldest_first[0].time_ms < born_min_ms
        ):
            del self._by_id[oldest_first.popleft().request_id]
            self.forgotten_index = self._indexes.popleft()
