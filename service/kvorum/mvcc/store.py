"""Keys, values and revisions.

One revision numbers the whole store: it grows by one with every write that
changes something, so it orders all writes and names a state. A reader may keep a
record: it is never changed.

Records lie in shards, by a checksum of the key that is the same on every node. A shard is
what a snapshot copies at a time, so that taking one never stops anybody for long.
"""

from collections.abc import Iterator
from typing import Final
from zlib import crc32

from kvorum.mvcc.digest import PRIME, overwrite_digest, record_digest
from kvorum.mvcc.record import Record

SHARDS: Final = 1024
"""A power of two; the order of shards is part of the format of snapshots."""
_MASK: Final = SHARDS - 1

__all__ = ["SHARDS", "Record", "Store", "StoreView", "shard_of"]


def shard_of(key_crc: int) -> int:
    """Number of the shard of a key with this CRC-32."""
    return key_crc & _MASK


class Store:
    """The present record of every key.

    ``revision`` is 0 while nothing was ever written. ``size_bytes`` sums the
    lengths of keys and values, without the cost of keeping them.
    """

    __slots__ = ("_count", "_shards", "_sum", "_view", "revision", "size_bytes")

    def __init__(self) -> None:
        self._shards: list[dict[bytes, Record]] = [{} for _ in range(SHARDS)]
        self._view: StoreView | None = None
        self._count = 0
        self._sum = 0
        self.revision = 0
        self.size_bytes = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[tuple[bytes, Record]]:
        """All keys with their records, in no useful order; not while writing."""
        for shard in self._shards:
            yield from shard.items()

    @property
    def digest(self) -> int:
        """Of all records (:mod:`kvorum.mvcc.digest`)."""
        return self._sum % PRIME

    def get(self, key: bytes) -> Record | None:
        return self._shards[crc32(key) & _MASK].get(key)

    def put(self, key: bytes, value: bytes) -> int:
        """Create or overwrite; returns the revision that this made."""
        revision = self.revision = self.revision + 1
        crc = crc32(key)
        shard = self._shards[crc & _MASK]
        old = shard.get(key)
        if self._view is not None:
            self._view.keep(crc & _MASK, key, old)
        if old is None:
            record = Record(value, revision, revision, 1)
            self._sum += record_digest(crc, record)
            self.size_bytes += len(key) + len(value)
            self._count += 1
        else:
            record = Record(value, old.create_revision, revision, old.version + 1)
            self._sum += overwrite_digest(crc, old, record)
            self.size_bytes += len(value) - len(old.value)
        shard[key] = record
        return revision

    def delete(self, key: bytes) -> int | None:
        """Remove; returns the revision that this made, None if there was no such key."""
        crc = crc32(key)
        old = self._shards[crc & _MASK].pop(key, None)
        if old is None:
            return None
        if self._view is not None:
            self._view.keep(crc & _MASK, key, old)
        self._sum -= record_digest(crc, old)
        self.size_bytes -= len(key) + len(old.value)
        self._count -= 1
        self.revision += 1
        return self.revision

    def load(self, number: int, records: dict[bytes, Record]) -> None:
        """Take over records of one shard, none of which is here yet, as they are.

        Leaves the revision to the caller. Raises ``ValueError`` for keys that do not belong
        there; the store is of no use then.
        """
        digest = size_bytes = 0
        for key, record in records.items():
            crc = crc32(key)
            if crc & _MASK != number:
                raise ValueError(f"a key of shard {crc & _MASK} is in shard {number}")
            digest += record_digest(crc, record)
            size_bytes += len(key) + len(record.value)
        shard, count = self._shards[number], len(records)
        self._shards[number] = {**shard, **records} if shard else records
        if len(self._shards[number]) != len(shard) + count:
            raise ValueError(f"a key is twice in shard {number}")
        self._sum += digest
        self.size_bytes += size_bytes
        self._count += count

    def freeze(self) -> "StoreView":
        """The records as they are now, whatever is written from here on; one at a time."""
        assert self._view is None, "one view of a store at a time"
        self._view = StoreView(self._shards)
        return self._view

    def thaw(self, view: "StoreView") -> None:
        """Nobody needs the view any more; idempotent."""
        if self._view is view:
            self._view = None

    def drain(self) -> Iterator[None]:
        """Give the records back to memory, a shard at each step: all at once takes long."""
        assert self._view is None, "somebody still reads these records"
        for shard in self._shards:
            shard.clear()
            yield


class StoreView:
    """What a store held at one moment, to be read once, shard by shard.

    Of a record that is written before its shard was read the old state is kept beside.
    A write costs the same however large the store is: copying its whole shard instead
    would add up if one batch writes to all of them.
    """

    __slots__ = ("_former", "_next", "_shards")

    def __init__(self, shards: list[dict[bytes, Record]]) -> None:
        self._shards = shards
        self._former: dict[int, dict[bytes, Record | None]] = {}
        self._next = 0

    def keep(self, number: int, key: bytes, old: Record | None) -> None:
        """The key's record in shard ``number`` (None: it has none) is about to change."""
        if number >= self._next:
            self._former.setdefault(number, {}).setdefault(key, old)

    def shards(self) -> Iterator[tuple[int, dict[bytes, Record]]]:
        """Number and records of each shard, for the caller to keep.

        Ordered by key: the order in a dict would tell in which order writes came, and those
        that came since the view was made would have disturbed it.
        """
        for number in range(SHARDS):
            shard = self._shards[number]
            former = self._former.pop(number, None)
            self._next = number + 1
            if former is not None:
                changed = {**shard, **former}
                yield (
                    number,
                    {
                        key: record
                        for key in sorted(changed)
                        if (record := changed[key]) is not None
                    },
                )
            else:
                yield number, {key: shard[key] for key in sorted(shard)}
