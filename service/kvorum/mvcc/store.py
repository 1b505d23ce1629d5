"""Keys, values and revisions, those of the past too.

One revision numbers the whole store: it grows by one with every write that
changes something, so it orders all writes and names a state. A reader may keep a
record: it is never changed.

Records lie in shards, by a checksum of the key that is the same on every node: one dict of a
million keys would hold up everybody for long whenever it grows. Their keys lie in order beside.
What was before is in :mod:`kvorum.mvcc.history`.
"""

from collections.abc import Iterator, Sequence
from typing import Final
from zlib import crc32

from kvorum.errors import Compacted, FutureRevision
from kvorum.mvcc.digest import PRIME, combine, overwrite_digest, record_digest
from kvorum.mvcc.frozen_map import FrozenMap
from kvorum.mvcc.history import History
from kvorum.mvcc.ordered import OrderedKeys
from kvorum.mvcc.query import KeyRange, RangePage
from kvorum.mvcc.ranges import Ranges
from kvorum.mvcc.record import Event, Record

SHARDS: Final = 1024
"""A power of two."""
_MASK: Final = SHARDS - 1

__all__ = ["SHARDS", "Record", "Store", "StoreView"]


class Store:
    """The present record of every key, and of the past what is not forgotten.

    ``revision`` is 0 while nothing was ever written. ``size_bytes`` sums the lengths of the keys
    and values that are present. ``time_ms`` is the log's time that events remember; whoever
    applies a batch sets it before.
    """

    __slots__ = (
        "_history",
        "_keys",
        "_ranges",
        "_shards",
        "_sum",
        "_view",
        "revision",
        "size_bytes",
        "time_ms",
    )

    def __init__(self, *, compacted_revision: int = 0) -> None:
        self._shards: list[dict[bytes, Record]] = [{} for _ in range(SHARDS)]
        self._keys: OrderedKeys[bytes] = OrderedKeys()
        self._history = History(SHARDS, compacted_revision=compacted_revision)
        self._ranges = Ranges(self._shards, self._keys, self._history)
        self._view: StoreView | None = None
        self._sum = 0
        self.revision = compacted_revision
        self.size_bytes = 0
        self.time_ms = 0

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[tuple[bytes, Record]]:
        """All keys in order, with their records; not while writing."""
        for key in self._keys:
            yield key, self._shards[crc32(key) & _MASK][key]

    @property
    def digest(self) -> int:
        """Of all records and of history (:mod:`kvorum.mvcc.digest`)."""
        history = self._history
        return combine(self._sum % PRIME, history.digest, history.compacted_revision)

    # --- writing -------------------------------------------------------------------------

    def next_revision(self) -> int:
        """Begin a revision, at which at least one key has to be put or deleted."""
        self.revision += 1
        return self.revision

    def put(self, key: bytes, value: bytes, lease: str = "", content_type: str = "") -> int:
        """Create or overwrite; returns the revision that this made."""
        revision = self.revision = self.revision + 1
        self.put_at(revision, key, value, lease, content_type)
        return revision

    def put_at(
        self, revision: int, key: bytes, value: bytes, lease: str = "", content_type: str = ""
    ) -> Record | None:
        """Create or overwrite at the newest revision; returns what was there before."""
        crc = crc32(key)
        shard = self._shards[crc & _MASK]
        old = shard.get(key)
        if self._view is not None:
            self._view.records.keep(key, old)
        if old is None:
            record = Record(value, revision, revision, 1, lease, content_type)
            change = record_digest(crc, record)
            self.size_bytes += len(key) + len(value)
            self._keys.add(key)
        else:
            record = Record(
                value, old.create_revision, revision, old.version + 1, lease, content_type
            )
            change = overwrite_digest(crc, old, record)
            self.size_bytes += len(value) - len(old.value)
        self._sum += change
        shard[key] = record
        self._history.add(Event(revision, key, record, old), crc & _MASK, self.time_ms, change)
        return old

    def delete(self, key: bytes) -> int | None:
        """Remove; returns the revision that this made, None if there was no such key."""
        if self.delete_at(self.revision + 1, key) is None:
            return None
        self.revision += 1
        return self.revision

    def delete_at(self, revision: int, key: bytes) -> Record | None:
        """Remove at the newest revision; returns the record that was there, None for none."""
        crc = crc32(key)
        shard = self._shards[crc & _MASK]
        old = shard.get(key)
        if old is None:
            return None
        if self._view is not None:
            self._view.records.lose(key, old)
        change = -record_digest(crc, old)
        self._sum += change
        self.size_bytes -= len(key) + len(old.value)
        del shard[key]
        if not shard:
            self._shards[crc & _MASK] = {}  # a dict keeps the room that it once needed
        self._keys.remove(key)
        self._history.add(Event(revision, key, None, old), crc & _MASK, self.time_ms, change)
        return old

    # --- reading -------------------------------------------------------------------------

    def get(self, key: bytes) -> Record | None:
        return self._shards[crc32(key) & _MASK].get(key)

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
        there is one. Raises Compacted and FutureRevision.
        """
        items: Iterator[tuple[bytes, Record]]
        if revision in (0, self.revision):
            revision, items = self.revision, self._ranges.items(keys, reverse=reverse)
        else:
            self._check(revision)
            items = self._ranges.former_items(keys, revision, reverse=reverse)
        page: list[tuple[bytes, Record]] = []
        size_bytes = 0
        for item in items:
            if len(page) >= limit or (page and size_bytes >= bytes_max):
                return RangePage(revision, tuple(page), more=True)
            page.append(item)
            size_bytes += len(item[0]) + len(item[1].value)
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

    # --- the past ------------------------------------------------------------------------

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
    def oldest_event_ms(self) -> int | None:
        """Log time of the oldest event, None if there is none."""
        return self._history.oldest_ms

    def compact(self, revision: int) -> None:
        """Forget what was before ``revision``, which is not above the present one.

        Takes effect at once; the memory is given back bit by bit, here and in :meth:`evict`.
        """
        assert revision <= self.revision, "what is still to come cannot be forgotten"
        self._history.forget(revision)
        self._history.sweep()

    def evict(self, revisions_max: int, born_min_ms: int, bytes_max: int) -> None:
        """Forget revisions above the number, of batches before the time, and above the bytes."""
        history = self._history
        history.forget(max(self.revision - revisions_max, history.limit(born_min_ms, bytes_max)))
        history.sweep()

    def rebase(self, bump: int) -> None:
        """Go on ``bump`` revisions later, without a past."""
        self.revision += bump
        self._history.forget(self.revision)
        self._history.sweep()

    # --- snapshots -----------------------------------------------------------------------

    def load(self, keys: Sequence[bytes], records: Sequence[Record]) -> None:
        """Take over records of keys behind all that are here, as they are, in order.

        Leaves the revision to the caller. Raises ``ValueError`` for keys out of order; the store
        is of no use then.
        """
        self._keys.extend(keys)
        shards, digest, size_bytes = self._shards, 0, 0
        for key, record in zip(keys, records, strict=True):
            crc = crc32(key)
            shards[crc & _MASK][key] = record
            digest += record_digest(crc, record)
            size_bytes += len(key) + len(record.value)
        self._sum += digest
        self.size_bytes += size_bytes

    def load_event(self, event: Event, time_ms: int) -> None:
        """Take over the next event; the records are here already."""
        crc, change = crc32(event.key), 0
        if event.record is not None:
            change += record_digest(crc, event.record)
        if event.previous is not None:
            change -= record_digest(crc, event.previous)
        self._history.add(event, crc & _MASK, time_ms, change)

    def freeze(self) -> "StoreView":
        """All as it is now, whatever is written from here on; one at a time."""
        assert self._view is None, "one view of a store at a time"
        self._view = StoreView(FrozenMap(self._keys, self.get), self._history)
        return self._view

    def thaw(self, view: "StoreView") -> None:
        """Nobody needs the view any more; idempotent."""
        if self._view is view:
            self._view = None

    def drain(self) -> Iterator[None]:
        """Give everything back to memory, a shard at each step: all at once takes long."""
        assert self._view is None, "somebody still reads these records"
        for shard in self._shards:
            shard.clear()
            yield
        yield from self._keys.drain()
        yield from self._history.drain()

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


class StoreView:
    """What a store held at one moment: its records, to be read once, and its history."""

    __slots__ = ("compacted_revision", "events", "records")

    def __init__(self, records: FrozenMap[bytes, Record], history: History) -> None:
        self.records = records
        self.events = history.view()
        self.compacted_revision = history.compacted_revision
