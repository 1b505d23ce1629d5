"""What can be asked of a store: nothing here changes it."""

from collections.abc import Iterator, Sequence
from typing import Final
from zlib import crc32

from kvorum.errors import Compacted, FutureRevision
from kvorum.mvcc.history import History
from kvorum.mvcc.ordered import OrderedKeys
from kvorum.mvcc.query import KeyRange, RangePage
from kvorum.mvcc.ranges import Ranges
from kvorum.mvcc.record import Event, Record

SHARDS: Final = 1024
"""Of records; a power of two."""
MASK: Final = SHARDS - 1
PASSED_OVER_MAX: Final = 10_000
"""Keys that a page of the past passes over because they did not exist then: nobody else is served
meanwhile. The next page goes on behind them."""


class StoreReads:
    """The reading half of the store, which sets what it stands on.

    ``revision`` is 0 while nothing was ever written.
    """

    __slots__ = ("_history", "_keys", "_ranges", "_shards", "revision")

    _shards: list[dict[bytes, Record]]
    _keys: OrderedKeys[bytes]
    _history: History
    _ranges: Ranges
    revision: int

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[tuple[bytes, Record]]:
        """All keys in order, with their records; not while writing."""
        for key in self._keys:
            yield key, self._shards[crc32(key) & MASK][key]

    def get(self, key: bytes) -> Record | None:
        return self._shards[crc32(key) & MASK].get(key)

    def get_at(self, key: bytes, revision: int) -> Record | None:
        """What the key held at ``revision``. Raises Compacted and FutureRevision."""
        self._check(revision)
        return self._ranges.get(key, revision)

    def range(
        self,
        keys: KeyRange,
        *,
        revision: int = 0,
        limit: int,
        bytes_max: int,
        reverse: bool = False,
    ) -> RangePage:
        """The first ``limit`` keys of a range at ``revision``, the present one for 0.

        A page ends early when its keys and values come to ``bytes_max``; it has one at least, if
        there is one. A page of the past ends early, too, when it passed over ``PASSED_OVER_MAX``
        keys that did not exist then. Raises Compacted and FutureRevision.
        """
        items: Iterator[tuple[bytes, Record | None]]
        if revision in (0, self.revision):
            revision, items = self.revision, self._ranges.items(keys, reverse=reverse)
        else:
            self._check(revision)
            items = self._ranges.former_items(keys, revision, reverse=reverse)
        page: list[tuple[bytes, Record]] = []
        size_bytes = passed_over = 0
        last: bytes | None = None
        for key, record in items:
            if record is None:
                if passed_over >= PASSED_OVER_MAX:
                    return RangePage(revision, tuple(page), more=True, last=last)
                passed_over += 1
            elif len(page) >= limit or (page and size_bytes >= bytes_max):
                return RangePage(revision, tuple(page), more=True, last=last)
            else:
                page.append((key, record))
                size_bytes += len(key) + len(record.value)
            last = key
        return RangePage(revision, tuple(page), more=False)

    def count(self, keys: KeyRange, revision: int = 0) -> int:
        """How many keys a range has; takes time by the length of history for a former revision.

        Raises Compacted and FutureRevision.
        """
        if revision in (0, self.revision):
            return self._ranges.count(keys)
        self._check(revision)
        return self._ranges.former_count(keys, revision)

    def events(self, after_revision: int, limit: int) -> Sequence[Event]:
        """What changed after a revision, in order: whole revisions, about ``limit`` events.

        At least one revision, if there is one. Raises Compacted.
        """
        if after_revision >= self.revision:
            return ()
        self._check(after_revision)
        return self._history.after(after_revision, max(1, limit))

    @property
    def compacted_revision(self) -> int:
        """The state at this revision is the oldest that can be read."""
        return self._history.compacted_revision

    @property
    def history_revisions(self) -> int:
        """How many revisions have events."""
        return self.revision - self._history.compacted_revision

    @property
    def history_bytes(self) -> int:
        """What history takes in memory, roughly: replaced values, keys, and something for each."""
        return self._history.size_bytes

    @property
    def has_arrears(self) -> bool:
        """Whether the next batch gives memory of forgotten events back."""
        return self._history.has_arrears

    @property
    def oldest_event_ms(self) -> int | None:
        """Log time of the oldest event, None if there is none."""
        return self._history.oldest_ms

    def _check(self, revision: int) -> None:
        """Whether a state can be read."""
        oldest = self._history.compacted_revision
        if revision < oldest:
            raise Compacted(
                f"revision {revision} is forgotten; the oldest that can be read is {oldest}",
                oldest_revision=oldest,
            )
        if revision > self.revision:
            raise FutureRevision(
                f"revision {revision} is still to come; the present one is {self.revision}"
            )
