"""All leases, on the log's own time.

A lease ends at its deadline in the log, never by a clock. At the deadline it is dead for
everybody; its keys go when the state machine reaps it (:mod:`kvorum.mvcc.expiry`), which takes
its time if many end at once. What keys it has follows from their records, so snapshots hold only
the leases themselves.
"""

from itertools import islice
from typing import Final

from kvorum.mvcc.lease import Lease, is_own
from kvorum.mvcc.lease_table import LeaseTable
from kvorum.mvcc.lease_view import LeaseRow

__all__ = ["Lease", "Leases"]

GRANTED_MAX: Final = 1_000_000
"""Leases that clients may have granted at a time; those of keys are bounded by the quota."""
TTL_MS_MAX: Final = 1 << 53
"""A longer time to live counts as this one, a shorter one than a millisecond as that."""


class Leases(LeaseTable):
    """Dead ones that wait to be reaped included; ``now_ms`` is the log's time."""

    __slots__ = ("_granted",)

    def __init__(self) -> None:
        super().__init__()
        self._granted = 0

    @property
    def is_at_limit(self) -> bool:
        """No more may be granted; keys still get those of their own."""
        return self._granted >= GRANTED_MAX

    def get(self, lease_id: str, now_ms: int) -> Lease | None:
        """None if there is no such lease that is alive."""
        lease = self.find(lease_id)
        return lease if lease is not None and now_ms < lease.deadline_ms else None

    def alive(self, now_ms: int) -> int:
        """How many are alive."""
        return len(self) - self.count_until(now_ms)

    def page(self, after: str, limit: int, now_ms: int) -> tuple[Lease, ...]:
        """Those alive with ids greater than ``after``, by id, at most ``limit``."""
        alive = (lease for lease in self.after(after) if now_ms < lease.deadline_ms)
        return tuple(islice(alive, limit))

    def grant(self, lease_id: str, ttl_ms: int, now_ms: int) -> Lease:
        """A new lease; the id must not be taken."""
        ttl_ms = min(max(ttl_ms, 1), TTL_MS_MAX)
        lease = Lease(lease_id, ttl_ms, now_ms + ttl_ms)
        self.add(lease)
        return lease

    def load(self, row: LeaseRow) -> None:
        """A lease from a snapshot, without its keys. Raises ``ValueError`` if it is there."""
        if self.find(row[0]) is not None:
            raise ValueError(f"lease {row[0]!r} is there twice")
        self.add(Lease(*row))

    def renew(self, lease: Lease, now_ms: int) -> None:
        """Its time begins anew."""
        self.move(lease, now_ms + lease.ttl_ms)

    def kill(self, lease: Lease, now_ms: int) -> None:
        """It is dead from now on, and to be reaped."""
        self.move(lease, now_ms)

    def add(self, lease: Lease) -> None:
        super().add(lease)
        self._granted += not is_own(lease.id)

    def remove(self, lease: Lease) -> None:
        """One that has no keys any more."""
        super().remove(lease)
        self._granted -= not is_own(lease.id)

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
