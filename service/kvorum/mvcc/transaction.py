"""The writes of one branch of a transaction: all of them at one revision, or none."""

from collections.abc import Iterable
from typing import Final

from kvorum.mvcc.charge import charge_of, charge_of_put
from kvorum.mvcc.command import DELETE_KEYS_MAX, DeleteOp, PutOp, WriteOp
from kvorum.mvcc.lease import own_lease_id
from kvorum.mvcc.leases import Leases
from kvorum.mvcc.outcome import (
    FULL_MESSAGE,
    TOO_MANY_DELETED_MESSAGE,
    Status,
    missing_lease_message,
)
from kvorum.mvcc.query import KeyRange
from kvorum.mvcc.quota import Quota
from kvorum.mvcc.store import Store
from kvorum.mvcc.writes import Writes

_RANGE_BYTES_MAX: Final = 1 << 62  # a range to delete is bounded by its keys


class Refusal(Exception):
    """Why a command changes nothing."""

    def __init__(self, status: Status, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Branch:
    """What a branch will do to each key, looked up in the state before it.

    Raises :class:`Refusal`: LEASE_NOT_FOUND and TOO_MANY for the first operation that gives
    reason to, else FULL for all of them together.
    """

    __slots__ = ("_changes", "_deletions_left", "_store")

    def __init__(
        self, store: Store, leases: Leases, quota: Quota, ops: Iterable[WriteOp], now_ms: int
    ) -> None:
        self._store = store
        self._changes: dict[bytes, PutOp | None] = {}  # None: delete; in the order of operations
        self._deletions_left = DELETE_KEYS_MAX
        charged_bytes = 0  # by all puts, whatever they replace
        for op in ops:
            if isinstance(op, DeleteOp):
                self._delete(op)
            elif op.lease and leases.get(op.lease, now_ms) is None:
                raise Refusal(Status.LEASE_NOT_FOUND, missing_lease_message(op.lease))
            else:
                self._change(op.key, op)
                charged_bytes += charge_of_put(op)
        size_bytes = store.size_bytes
        if size_bytes + charged_bytes > quota.limit_bytes and quota.refuses(
            size_bytes, self._growth_bytes()
        ):
            raise Refusal(Status.FULL, FULL_MESSAGE)

    def carry_out(self, writes: Writes, leases: Leases, now_ms: int) -> int:
        """Returns how many keys changed; none: there is no new revision either."""
        if not self._changes:
            return 0
        revision = self._store.next_revision()
        own = 0
        for key, put in self._changes.items():
            if put is None:
                writes.delete(revision, key)
            elif put.lease or put.ttl_ms:
                lease = leases.get(put.lease, now_ms) if put.lease else None
                if put.ttl_ms and lease is None:
                    lease = leases.grant(own_lease_id(revision, own), put.ttl_ms, now_ms)
                    own += 1
                writes.put(revision, key, put.value, lease, put.content_type)
            else:
                writes.put(revision, key, put.value, None, put.content_type)
        writes.tidy()
        return len(self._changes)

    def _delete(self, op: DeleteOp) -> None:
        if op.end is None:
            keys = [op.key] if self._store.get(op.key) is not None else []
        else:
            limit = min(op.limit or DELETE_KEYS_MAX, DELETE_KEYS_MAX)
            page = self._store.range(
                KeyRange(op.key, op.end or None), limit=limit, bytes_max=_RANGE_BYTES_MAX
            )
            if page.more and limit != op.limit:
                raise Refusal(Status.TOO_MANY, TOO_MANY_DELETED_MESSAGE)
            keys = [key for key, _ in page.items]
        self._deletions_left -= len(keys)
        if self._deletions_left < 0:
            raise Refusal(Status.TOO_MANY, TOO_MANY_DELETED_MESSAGE)
        for key in keys:
            self._change(key, None)

    def _change(self, key: bytes, put: PutOp | None) -> None:
        if key in self._changes:  # the last operation on a key counts, in its place
            del self._changes[key]
        self._changes[key] = put

    def _growth_bytes(self) -> int:
        growth = 0
        for key, put in self._changes.items():
            old = self._store.get(key)
            growth -= charge_of(key, old)
            growth += 0 if put is None else charge_of_put(put)
        return growth
