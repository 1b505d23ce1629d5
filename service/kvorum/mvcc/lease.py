"""One lease: keys that stay for as long as somebody keeps saying so."""

from bisect import bisect_left, insort
from itertools import islice
from typing import Final

from kvorum.mvcc.ordered import OrderedKeys

_FEW_KEYS: Final = 512
"""Up to so many a plain list is smaller and no slower."""
_OWN: Final = "ttl-"


def own_lease_id(revision: int, number: int = 0) -> str:
    """Of a key that got a time to live at this revision, as the ``number``-th one there."""
    return f"{_OWN}{revision:x}-{number:x}" if number else f"{_OWN}{revision:x}"


def is_own(lease_id: str) -> bool:
    """Whether the store makes such ids: the lease vanishes with its last key."""
    return lease_id.startswith(_OWN)


class Lease:
    """To be read only; it goes on changing.

    Dead as soon as the log's time is at ``deadline_ms``, that of the batch that granted or
    renewed it plus ``ttl_ms``.
    """

    __slots__ = ("_keys", "deadline_ms", "id", "ttl_ms")

    def __init__(self, lease_id: str, ttl_ms: int, deadline_ms: int) -> None:
        self.id = lease_id
        self.ttl_ms = ttl_ms
        self.deadline_ms = deadline_ms
        self._keys: list[bytes] | OrderedKeys[bytes] = []

    @property
    def key_count(self) -> int:
        return len(self._keys)

    def keys(self, limit: int) -> tuple[bytes, ...]:
        """The first ones in order, at most ``limit``."""
        return tuple(islice(self._keys, limit))

    def attach(self, key: bytes) -> None:
        """A key that it does not have yet."""
        keys = self._keys
        if isinstance(keys, OrderedKeys):
            keys.add(key)
        elif len(keys) < _FEW_KEYS:
            insort(keys, key)
        else:
            self._keys = OrderedKeys((*keys, key))

    def detach(self, key: bytes) -> None:
        """A key that it has."""
        keys = self._keys
        if isinstance(keys, OrderedKeys):
            keys.remove(key)
        else:
            place = bisect_left(keys, key)
            assert keys[place] == key, "a key is taken out of a lease that does not have it"
            del keys[place]
