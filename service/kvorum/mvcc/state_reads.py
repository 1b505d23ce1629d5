"""What can be asked of a state: nothing here changes it."""

from collections.abc import Mapping, Sequence

from kvorum.mvcc.lease import Lease
from kvorum.mvcc.leases import Leases
from kvorum.mvcc.members import Introduction, Members
from kvorum.mvcc.outcome import Outcome
from kvorum.mvcc.outcomes import Outcomes
from kvorum.mvcc.query import KeyRange, RangePage
from kvorum.mvcc.quota import Quota
from kvorum.mvcc.record import Event, Record
from kvorum.mvcc.store import Store


class StateReads:
    """The reading half of the state machine, which sets what it stands on.

    A revision below ``compacted_revision`` raises :class:`~kvorum.errors.Compacted`, one above
    ``revision`` :class:`~kvorum.errors.FutureRevision`.
    """

    __slots__ = ("_leases", "_members", "_outcomes", "_quota", "_store")

    _leases: Leases
    _members: Members
    _outcomes: Outcomes
    _quota: Quota
    _store: Store

    @property
    def revision(self) -> int:
        return self._store.revision

    @property
    def compacted_revision(self) -> int:
        """The state at this revision is the oldest that can be read."""
        return self._store.compacted_revision

    @property
    def history_revisions(self) -> int:
        """How many revisions are kept beside the oldest one."""
        return self._store.history_revisions

    @property
    def history_bytes(self) -> int:
        return self._store.history_bytes

    @property
    def time_ms(self) -> int:
        """The log's own time, as of the last batch that brought some."""
        return self._outcomes.now_ms

    @property
    def key_count(self) -> int:
        return len(self._store)

    @property
    def size_bytes(self) -> int:
        """What all keys that are present count for the quota (:mod:`kvorum.mvcc.charge`)."""
        return self._store.size_bytes

    @property
    def is_full(self) -> bool:
        """A write had to be refused for the quota, and there is no room again yet."""
        return self._quota.is_full

    @property
    def lease_count(self) -> int:
        return self._leases.alive(self.time_ms)

    @property
    def outcome_count(self) -> int:
        return len(self._outcomes)

    @property
    def members(self) -> Mapping[str, Introduction]:
        """Who introduced themselves, by member id; read it, do not keep it."""
        return self._members.introductions

    def get(self, key: bytes) -> Record | None:
        return self._store.get(key)

    def get_at(self, key: bytes, revision: int) -> Record | None:
        return self._store.get_at(key, revision)

    def range(
        self,
        keys: KeyRange,
        *,
        revision: int = 0,
        limit: int,
        bytes_max: int,
        reverse: bool = False,
    ) -> RangePage:
        """The first ``limit`` keys at ``revision``, now for 0, in O(log n) and their number.

        A page ends early at ``bytes_max`` of keys and values, with one item at least.
        """
        return self._store.range(
            keys, revision=revision, limit=limit, bytes_max=bytes_max, reverse=reverse
        )

    def count(self, keys: KeyRange, revision: int = 0) -> int:
        """How many keys there are at ``revision``, now for 0; O(log n) now, O(history) before."""
        return self._store.count(keys, revision)

    def events(self, after_revision: int, limit: int) -> Sequence[Event]:
        """What changed after a revision, in order: whole revisions, at least one if there is one.

        About ``limit`` events at most.
        """
        return self._store.events(after_revision, limit)

    def lease(self, lease_id: str) -> Lease | None:
        """None if it never was, or is dead; read it, do not keep it."""
        return self._leases.get(lease_id, self.time_ms)

    def leases(self, after: str, limit: int) -> Sequence[Lease]:
        """Those alive with greater ids, by id; read them, do not keep them."""
        return self._leases.page(after, limit, self.time_ms)

    def outcome(self, request_id: str) -> Outcome | None:
        """None if the id was never executed here, or so long ago that it was dropped."""
        return self._outcomes.get(request_id)
