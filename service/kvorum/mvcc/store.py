"""Keys, values and revisions.

One revision numbers the whole store: it grows by one with every write that
changes something, so it orders all writes and names a state. Records are
immutable and invisible to the cyclic garbage collector; a reader may keep one.
"""

from msgspec import Struct


class Record(Struct, frozen=True, gc=False):
    """A key's present value (JSON text) and the revisions that made it.

    ``version`` counts the writes since the key was created, from 1.
    """

    value: bytes
    create_revision: int
    mod_revision: int
    version: int


class Store:
    """The present record of every key.

    ``revision`` is 0 while nothing was ever written. ``size_bytes`` sums the
    lengths of keys and values, without the cost of keeping them.
    """

    __slots__ = ("_records", "revision", "size_bytes")

    def __init__(self) -> None:
        self._records: dict[bytes, Record] = {}
        self.revision = 0
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self._records)

    def get(self, key: bytes) -> Record | None:
        return self._records.get(key)

    def put(self, key: bytes, value: bytes) -> int:
        """Create or overwrite; returns the revision that this made."""
        revision = self.revision = self.revision + 1
        old = self._records.get(key)
        if old is None:
            self._records[key] = Record(value, revision, revision, 1)
            self.size_bytes += len(key) + len(value)
        else:
            self._records[key] = Record(value, old.create_revision, revision, old.version + 1)
            self.size_bytes += len(value) - len(old.value)
        return revision

    def delete(self, key: bytes) -> int | None:
        """Remove; returns the revision that this made, None if there was no such key."""
        old = self._records.pop(key, None)
        if old is None:
            return None
        self.size_bytes -= len(key) + len(old.value)
        self.revision += 1
        return self.revision
