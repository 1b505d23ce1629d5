"""Which keys history has seen deleted and not created again, and when that was."""

from collections.abc import Iterator
from zlib import crc32

from kvorum.mvcc.ordered import OrderedKeys


class Deletions:
    """Revisions by key; ``keys`` in their order.

    They lie in shards, as records do: one dict of a million keys would hold up everybody whenever
    it grows.
    """

    __slots__ = ("_mask", "_shards", "keys")

    def __init__(self, shards: int) -> None:
        """Empty; ``shards`` is a power of two."""
        self._mask = shards - 1
        self._shards: list[dict[bytes, int]] = [{} for _ in range(shards)]
        self.keys: OrderedKeys[bytes] = OrderedKeys()

    def find(self, key: bytes) -> int:
        """The revision that deleted it, 0 for none."""
        return self._shards[crc32(key) & self._mask].get(key, 0)

    def add(self, key: bytes, revision: int) -> None:
        """One that was there until now."""
        self._shards[crc32(key) & self._mask][key] = revision
        self.keys.add(key)

    def take(self, key: bytes) -> int:
        """The revision that deleted it, 0 for none; it is not known any more."""
        if not self.keys:
            return 0
        number = crc32(key) & self._mask
        shard = self._shards[number]
        revision = shard.pop(key, 0)
        if revision:
            self.keys.remove(key)
            if not shard:
                self._shards[number] = {}  # a dict keeps the room that it once needed
        return revision

    def forget(self, key: bytes, revision: int) -> None:
        """That it was deleted then, unless it was deleted again since, or is there."""
        if self.find(key) == revision:
            self.take(key)

    def drain(self) -> Iterator[None]:
        """Give everything back to memory in small steps."""
        for shard in self._shards:
            shard.clear()
            yield
        yield from self.keys.drain()
