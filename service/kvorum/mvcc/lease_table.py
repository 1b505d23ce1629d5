"""Leases by id and by deadline, at O(log n) for each that comes, moves or goes."""

from collections.abc import Iterator
from typing import Final
from zlib import crc32

from kvorum.mvcc.digest import PRIME
from kvorum.mvcc.lease import Lease
from kvorum.mvcc.lease_view import LeaseRow, LeasesView
from kvorum.mvcc.ordered import OrderedKeys

_TTL: Final = 0x1F83D9AB  # a multiplier as in mvcc.digest
_SHARDS: Final = 64
"""A dict that grows to a million entries at once would hold up everybody."""


class LeaseTable:
    """It knows neither the time nor what a lease is for."""

    __slots__ = ("_by_id", "_deadlines", "_ids", "_sum", "_view")

    def __init__(self) -> None:
        self._by_id: tuple[dict[str, Lease], ...] = tuple({} for _ in range(_SHARDS))
        self._ids: OrderedKeys[str] = OrderedKeys()
        self._deadlines: OrderedKeys[tuple[int, str]] = OrderedKeys()
        self._view: LeasesView | None = None
        self._sum = 0

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[Lease]:
        """By id; nothing may change meanwhile."""
        return map(self._at, self._ids)

    @property
    def digest(self) -> int:
        """Of all leases, as in :mod:`kvorum.mvcc.digest`; their keys are in the records."""
        return self._sum % PRIME

    @property
    def first_deadline_ms(self) -> int | None:
        """The earliest; None: there is no lease."""
        return self._deadlines.first()[0] if self._deadlines else None

    def first(self) -> Lease:
        """The one with the earliest deadline, the smallest id of several. There is one."""
        return self._at(self._deadlines.first()[1])

    def find(self, lease_id: str) -> Lease | None:
        return self._shard(lease_id).get(lease_id)

    def after(self, lease_id: str) -> Iterator[Lease]:
        """Those with greater ids, by id; nothing may change meanwhile."""
        return map(self._at, self._ids.after(lease_id))

    def count_until(self, deadline_ms: int) -> int:
        """How many have this deadline or an earlier one."""
        return self._deadlines.rank((deadline_ms + 1, ""))

    def add(self, lease: Lease) -> None:
        """One whose id is not taken."""
        if self._view is not None:
            self._view.keep(lease.id, None)
        self._shard(lease.id)[lease.id] = lease
        self._ids.add(lease.id)
        self._deadlines.add((lease.deadline_ms, lease.id))
        self._sum += _digest(lease)

    def move(self, lease: Lease, deadline_ms: int) -> None:
        """To another deadline."""
        if deadline_ms == lease.deadline_ms:
            return
        if self._view is not None:
            self._view.keep(lease.id, _row(lease))
        self._deadlines.remove((lease.deadline_ms, lease.id))
        self._sum -= _digest(lease)
        lease.deadline_ms = deadline_ms
        self._deadlines.add((deadline_ms, lease.id))
        self._sum += _digest(lease)

    def remove(self, lease: Lease) -> None:
        """One that has no keys any more."""
        assert not lease.key_count, "a lease goes after its keys"
        if self._view is not None:
            self._view.lose(lease.id, _row(lease))
        del self._shard(lease.id)[lease.id]
        self._ids.remove(lease.id)
        self._deadlines.remove((lease.deadline_ms, lease.id))
        self._sum -= _digest(lease)

    def freeze(self) -> LeasesView:
        """The leases as they are now, whatever comes from here on; one at a time; O(1)."""
        assert self._view is None, "one view of the leases at a time"
        self._view = LeasesView(self._ids, self._row_of)
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

    def _shard(self, lease_id: str) -> dict[str, Lease]:
        return self._by_id[crc32(lease_id.encode()) % _SHARDS]

    def _at(self, lease_id: str) -> Lease:
        return self._shard(lease_id)[lease_id]

    def _row_of(self, lease_id: str) -> LeaseRow | None:
        lease = self.find(lease_id)
        return None if lease is None else _row(lease)


def _row(lease: Lease) -> LeaseRow:
    return (lease.id, lease.ttl_ms, lease.deadline_ms)


def _digest(lease: Lease) -> int:
    return (crc32(lease.id.encode()) + 1) * (lease.ttl_ms * _TTL + lease.deadline_ms)
