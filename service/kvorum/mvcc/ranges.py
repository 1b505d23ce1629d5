"""Reading many keys, now or as they were."""

from collections.abc import Iterator
from heapq import merge
from itertools import chain
from zlib import crc32

from kvorum.mvcc.history import History
from kvorum.mvcc.ordered import OrderedKeys
from kvorum.mvcc.query import KeyRange
from kvorum.mvcc.record import Record


class Ranges:
    """Reads of a store's records and history, which must not change meanwhile."""

    __slots__ = ("_history", "_keys", "_mask", "_shards")

    def __init__(
        self, shards: list[dict[bytes, Record]], keys: OrderedKeys[bytes], history: History
    ) -> None:
        self._shards = shards
        self._mask = len(shards) - 1
        self._keys = keys
        self._history = history

    def get(self, key: bytes, revision: int) -> Record | None:
        """What ``key`` held at ``revision``."""
        shard = crc32(key) & self._mask
        return self._history.former(key, self._shards[shard].get(key), revision)

    def items(self, keys: KeyRange, *, reverse: bool) -> Iterator[tuple[bytes, Record]]:
        shards, mask = self._shards, self._mask
        for key in self._keys.between(keys.start, keys.end, reverse=reverse):
            yield key, shards[crc32(key) & mask][key]

    def former_items(
        self, keys: KeyRange, revision: int, *, reverse: bool
    ) -> Iterator[tuple[bytes, Record | None]]:
        """As they were at ``revision``; None for a key that did not exist then."""
        present = self._keys.between(keys.start, keys.end, reverse=reverse)
        gone = self._history.gone.between(keys.start, keys.end, reverse=reverse)
        first = next(gone, None)
        if first is not None:
            present = merge(present, chain((first,), gone), reverse=reverse)
        for key in present:
            yield key, self.get(key, revision)

    def count(self, keys: KeyRange) -> int:
        return self._keys.count(keys.start, keys.end)

    def former_count(self, keys: KeyRange, revision: int) -> int:
        """At ``revision``: what came since is taken off, what went is added."""
        count = self.count(keys)
        for event in self._history.later(revision):
            if event.previous is None:
                count -= event.key in keys
            elif event.record is None:
                count += event.key in keys
        return count
