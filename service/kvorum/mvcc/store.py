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

from kvorum.mvcc.charge import charge, charge_of, charge_of_all
from kvorum.mvcc.command import Put
from kvorum.mvcc.digest import (
    PRIME,
    combine,
    overwrite_digest,
    record_digest,
    records_digest,
)
from kvorum.mvcc.frozen_map import FrozenMap
from kvorum.mvcc.history import History
from kvorum.mvcc.ordered import OrderedKeys
from kvorum.mvcc.ranges import Ranges
from kvorum.mvcc.record import Event, Record
from kvorum.mvcc.store_reads import MASK, SHARDS, StoreReads

__all__ = ["SHARDS", "Record", "Store", "StoreView"]


ALL: Final = 1 << 63
"""Revisions may be forgotten, as long as no batch has begun."""


class Store(StoreReads):
    """The present record of every key, and of the past what is not forgotten.

    ``size_bytes`` is what all keys count (:mod:`kvorum.mvcc.charge`). ``time_ms`` is the
    log's time that events remember, and no event above ``forgettable_revision`` is forgotten;
    whoever applies a batch sets both before (:meth:`begin`).
    """

    __slots__ = ("_sum", "_view", "forgettable_revision", "size_bytes", "time_ms")

    def __init__(self, *, compacted_revision: int = 0) -> None:
        self._shards = [{} for _ in range(SHARDS)]
        self._keys = OrderedKeys()
        self._history = History(SHARDS, compacted_revision=compacted_revision)
        self._ranges = Ranges(self._shards, self._keys, self._history)
        self._view: StoreView | None = None
        self._sum = 0
        self.revision = compacted_revision
        self.size_bytes = 0
        self.time_ms = 0
        self.forgettable_revision = ALL

    @property
    def digest(self) -> int:
        """Of all records and of history (:mod:`kvorum.mvcc.digest`)."""
        history = self._history
        return combine(self._sum % PRIME, history.digest, history.compacted_revision)

    # --- writing -------------------------------------------------------------------------

    def begin(self, time_ms: int) -> None:
        """A batch at this time.

        Nothing forgets what it makes itself: watchers look at events between two batches.
        """
        self.time_ms = time_ms
        self.forgettable_revision = self.revision

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
        event, change = self._set(revision, key, value, lease, content_type)
        self._history.add(event, self.time_ms, change)
        return event.previous

    def put_all(self, puts: Sequence[Put]) -> list[tuple[bytes, str]]:
        """Each at a revision of its own and without a lease, whatever it says of one.

        Returns keys that were taken out of leases, with the ids of these.
        """
        events, changes, released = [], [], []
        for revision, put in enumerate(puts, self.revision + 1):
            event, change = self._set(revision, put.key, put.value, "", put.content_type)
            events.append(event)
            changes.append(change)
            if event.previous is not None and event.previous.lease:
                released.append((put.key, event.previous.lease))
        self.revision += len(events)
        self._history.add_revisions(events, changes, self.time_ms)
        return released

    def delete(self, key: bytes) -> int | None:
        """Remove; returns the revision that this made, None if there was no such key."""
        if self.delete_at(self.revision + 1, key) is None:
            return None
        self.revision += 1
        return self.revision

    def delete_at(self, revision: int, key: bytes) -> Record | None:
        """Remove at the newest revision; returns the record that was there, None for none."""
        crc = crc32(key)
        shard = self._shards[crc & MASK]
        old = shard.get(key)
        if old is None:
            return None
        if self._view is not None:
            self._view.records.lose(key, old)
        change = -record_digest(crc, old)
        self._sum += change
        self.size_bytes -= charge_of(key, old)
        del shard[key]
        if not shard:
            self._shards[crc & MASK] = {}  # a dict keeps the room that it once needed
        self._keys.remove(key)
        self._history.add(Event(revision, key, None, old), self.time_ms, change)
        return old

    def _set(
        self, revision: int, key: bytes, value: bytes, lease: str, content_type: str
    ) -> tuple[Event, int]:
        """The new record takes the old one's place; returns what the sum grew by, too."""
        crc = crc32(key)
        shard = self._shards[crc & MASK]
        old = shard.get(key)
        if self._view is not None:
            self._view.records.keep(key, old)
        if old is None:
            record = Record(value, revision, revision, 1, lease, content_type)
            change = record_digest(crc, record)
            self.size_bytes += charge(key, value, lease, content_type)
            self._keys.add(key)
        else:
            record = Record(
                value, old.create_revision, revision, old.version + 1, lease, content_type
            )
            change = overwrite_digest(crc, old, record)
            self.size_bytes += len(value) - len(old.value)
            if lease != old.lease or content_type != old.content_type:  # else this is all
                former = charge(key, value, old.lease, old.content_type)
                self.size_bytes += charge(key, value, lease, content_type) - former
        self._sum += change
        shard[key] = record
        return Event(revision, key, record, old), change

    # --- the past ------------------------------------------------------------------------

    def compact(self, revision: int) -> None:
        """Forget what was before ``revision``, or before the batch began if that is less.

        Takes effect at once; the memory is given back bit by bit, here and in :meth:`evict`.
        """
        assert revision <= self.revision, "what is still to come cannot be forgotten"
        self._history.forget(min(revision, self.forgettable_revision))
        self._history.sweep()

    def evict(self, revisions_max: int, born_min_ms: int, bytes_max: int) -> None:
        """Forget revisions above the number, of batches before the time, and above the bytes.

        Those of the batch that is being applied stay until the next one.
        """
        history = self._history
        limit = max(self.revision - revisions_max, history.limit(born_min_ms, bytes_max))
        history.forget(min(limit, self.forgettable_revision))
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
        crcs = list(map(crc32, keys))
        shards = self._shards
        for crc, key, record in zip(crcs, keys, records, strict=True):
            shards[crc & MASK][key] = record
        self._sum += records_digest(crcs, records)
        self.size_bytes += charge_of_all(keys, records)

    def load_event(self, event: Event, time_ms: int) -> None:
        """Take over the next event; the records are here already."""
        crc, record, previous = crc32(event.key), event.record, event.previous
        if previous is None:
            change = 0 if record is None else record_digest(crc, record)
        elif record is None:
            change = -record_digest(crc, previous)
        else:
            change = overwrite_digest(crc, previous, record)
        self._history.add(event, time_ms, change)

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


class StoreView:
    """What a store held at one moment: its records, to be read once, and its history."""

    __slots__ = ("compacted_revision", "events", "records")

    def __init__(self, records: FrozenMap[bytes, Record], history: History) -> None:
        self.records = records
        self.events = history.view()
        self.compacted_revision = history.compacted_revision
