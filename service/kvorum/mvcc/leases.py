"""Leases: keys that stay for as long as somebody keeps saying so.

A lease ends at its deadline on the log's own time, never by a clock. At the deadline it is dead
for everybody; its keys go when the state machine reaps it (:mod:`kvorum.mvcc.expiry`), which
takes its time if many end at once. What keys it has follows from their records, so snapshots
hold only the leases themselves.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator
from itertools import islice
from typing import Final
from zlib import crc32

from kvorum.mvcc.digest import PRIME
from kvorum.mvcc.lease_view import LeaseRow, LeasesView
from kvorum.mvcc.ordered import OrderedKeys

GRANTED_MAX: Final = 1_000_000
"""Leases that clients may have granted at a time; those of keys are bounded by the quota."""
TTL_MS_MAX: Final = 1 << 53
"""A longer time to live counts as this one, a shorter one than a millisecond as that."""

_FEW_KEYS: Final = 512
"""Up to so many a plain list is smaller and no slower."""
_TTL: Final = 0x1F83D9AB  # a multiplier as in mvcc.digest
_OWN: Final = "ttl-"
_SHARDS: Final = 64
"""A dict that grows to a million entries at once would hold up everybody."""


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


class Leases:
    """All leases by id and by deadline, dead ones that wait to be reaped included.

    ``now_ms`` is the log's time wherever it is asked for.
    """

    __slots__ = ("_by_id", "_deadlines", "_granted", "_ids", "_sum", "_view", "count")

    def __init__(self) -> None:
        self._by_id: tuple[dict[str, Lease], ...] = tuple({} for _ in range(_SHARDS))
        self._ids: OrderedKeys[str] = OrderedKeys()
        self._deadlines: OrderedKeys[tuple[int, str]] = OrderedKeys()
        self._view: LeasesView | None = None
        self._granted = 0
        self._sum = 0
        self.count = 0

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Lease]:
        """By id; nothing may change meanwhile."""
        return (self._at(lease_id) for lease_id in self._ids)

    @property
    def digest(self) -> int:
        """Of all leases, as in :mod:`kvorum.mvcc.digest`; their keys are in the records."""
        return self._sum % PRIME

    @property
    def is_at_limit(self) -> bool:
        """No more may be granted; keys still get those of their own."""
        return self._granted >= GRANTED_MAX

    @property
    def first_deadline_ms(self) -> int | None:
        """When the next one dies, or died; None: there is none."""
        return self._deadlines.first()[0] if self.count else None

    def get(self, lease_id: str, now_ms: int) -> Lease | None:
        """None if there is no such lease that is alive."""
        lease = self.find(lease_id)
        return lease if lease is not None and now_ms < lease.deadline_ms else None

    def find(self, lease_id: str) -> Lease | None:
        """Dead or alive."""
        return self._shard(lease_id).get(lease_id)

    def first(self) -> Lease:
        """The one that dies next, or died first; the smallest id of several. There is one."""
        return self._at(self._deadlines.first()[1])

    def alive(self, now_ms: int) -> int:
        """How many are alive."""
        return self.count - self._deadlines.rank((now_ms + 1, ""))

    def page(self, after: str, limit: int, now_ms: int) -> tuple[Lease, ...]:
        """Those alive with ids greater than ``after``, by id, at most ``limit``."""
        leases = map(self._at, self._ids.after(after))
        return tuple(islice((lease for lease in leases if now_ms < lease.deadline_ms), limit))

    def grant(self, lease_id: str, ttl_ms: int, now_ms: int) -> Lease:
        """A new lease; the id must not be taken."""
        ttl_ms = min(max(ttl_ms, 1), TTL_MS_MAX)
        return self._add(Lease(lease_id, ttl_ms, now_ms + ttl_ms))

    def renew(self, lease: Lease, now_ms: int) -> None:
        """Its time begins anew."""
        self._move(lease, now_ms + lease.ttl_ms)

    def kill(self, lease: Lease, now_ms: int) -> None:
        """It is dead from now on, and to be reaped."""
        self._move(lease, now_ms)

    def remove(self, lease: Lease) -> None:
        """It has no keys any more, and is forgotten."""
        assert not lease.key_count, "a lease goes after its keys"
        if self._view is not None:
            self._view.lose(lease.id, _row_of(lease))
        del self._shard(lease.id)[lease.id]
        self._ids.remove(lease.id)
        self._deadlines.remove((lease.deadline_ms, lease.id))
        self._sum -= _digest(lease)
        self._granted -= not is_own(lease.id)
        self.count -= 1

    def attach(self, lease_id: str, key: bytes) -> None:
        """The record of ``key`` names this lease now. Raises ``ValueError`` if there is none."""
        lease = self.find(lease_id)
        if lease is None:
            raise ValueError(f"a key is in lease {lease_id!r}, which does not exist")
        lease.attach(key)

    def detach(self, lease_id: str, key: bytes) -> Lease:
        """The record of ``key`` named this lease, which is returned, until now."""
        lease = self._at(lease_id)
        lease.detach(key)
        return lease

    # --- snapshots ---------------------------------------------------------------------

    def load(self, row: LeaseRow) -> None:
        """A lease from a snapshot, without its keys. Raises ``ValueError`` if it is there."""
        lease_id, ttl_ms, deadline_ms = row
        if self.find(lease_id) is not None:
            raise ValueError(f"lease {lease_id!r} is there twice")
        self._add(Lease(lease_id, ttl_ms, deadline_ms))

    def freeze(self) -> LeasesView:
        """The leases as they are now, whatever comes from here on; one at a time; O(1)."""
        assert self._view is None, "one view of the leases at a time"
        self._view = LeasesView(self._ids, self._row)
        return self._view

    def thaw(self, view: LeasesView) -> None:
        """Nobody needs the view any more; idempotent."""
        if self._view is view:
            self._view = None

    def drain(self) -> Iterator[None]:
        """Give the leases back to memory, in steps: all at once takes long."""
        assert self._view is None, "somebody still reads these leases"
        for shard in self._by_id:
            shard.clear()
            yield
        yield from self._ids.drain()
        yield from self._deadlines.drain()

    # --- parts -------------------------------------------------------------------------

    def _shard(self, lease_id: str) -> dict[str, Lease]:
        return self._by_id[crc32(lease_id.encode()) % _SHARDS]

    def _at(self, lease_id: str) -> Lease:
        return self._shard(lease_id)[lease_id]

    def _row(self, lease_id: str) -> LeaseRow | None:
        lease = self.find(lease_id)
        return None if lease is None else _row_of(lease)

    def _add(self, lease: Lease) -> Lease:
        if self._view is not None:
            self._view.keep(lease.id, None)
        self._shard(lease.id)[lease.id] = lease
        self._ids.add(lease.id)
        self._deadlines.add((lease.deadline_ms, lease.id))
        self._sum += _digest(lease)
        self._granted += not is_own(lease.id)
        self.count += 1
        return lease

    def _move(self, lease: Lease, deadline_ms: int) -> None:
        if deadline_ms == lease.deadline_ms:
            return
        if self._view is not None:
            self._view.keep(lease.id, _row_of(lease))
        self._deadlines.remove((lease.deadline_ms, lease.id))
        self._sum -= _digest(lease)
        lease.deadline_ms = deadline_ms
        self._deadlines.add((deadline_ms, lease.id))
        self._sum += _digest(lease)


def _row_of(lease: Lease) -> LeaseRow:
    return (lease.id, lease.ttl_ms, lease.deadline_ms)


def _digest(lease: Lease) -> int:
    return (crc32(lease.id.encode()) + 1) * (lease.ttl_ms * _TTL + lease.deadline_ms)
