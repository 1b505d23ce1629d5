"""Puts without leases, many at a time: most of what a busy store is told.

What each of them does is what :mod:`kvorum.mvcc.execution` says; the parts of the state take a
whole run of them at once, which costs less than half.
"""

from collections.abc import Sequence
from typing import Final

from kvorum.mvcc.charge import KEY_BYTES
from kvorum.mvcc.command import Put
from kvorum.mvcc.outcome import Outcome
from kvorum.mvcc.outcomes import Outcomes
from kvorum.mvcc.quota import Quota
from kvorum.mvcc.store import Store
from kvorum.mvcc.writes import Writes

PUTS_MIN: Final = 8
"""Fewer are done sooner one by one."""


class PlainPuts:
    """On the parts of a state."""

    __slots__ = ("_outcomes", "_quota", "_store", "_writes")

    def __init__(self, store: Store, quota: Quota, outcomes: Outcomes, writes: Writes) -> None:
        self._store = store
        self._quota = quota
        self._outcomes = outcomes
        self._writes = writes

    def carry_out(self, puts: Sequence[Put], index: int) -> list[Outcome] | None:
        """What they come to in entry ``index``.

        None, and nothing is done, if one of them may be in a lease, be refused or have been
        executed already.
        """
        store, forgotten_index = self._store, self._outcomes.forgotten_index
        size_bytes = store.size_bytes
        for put in puts:
            if put.lease or put.ttl_ms or put.after_index < forgotten_index:
                return None
            size_bytes += KEY_BYTES + len(put.key) + len(put.value) + len(put.content_type)
        request_ids = [put.request_id for put in puts]
        if size_bytes > self._quota.limit_bytes or not self._outcomes.are_new(request_ids):
            return None
        first_revision = store.revision + 1
        for key, lease in store.put_all(puts):
            self._writes.release(lease, key)
        return self._outcomes.add_puts(request_ids, first_revision, index)
