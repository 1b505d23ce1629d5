"""What front ends may read: linearizable through the read index, or as this node has it."""

from asyncio import Future
from collections.abc import Callable
from typing import Generic, TypeVar

from kvorum.errors import Forbidden, InvalidRequest, LeaseNotFound, TooLarge
from kvorum.mvcc.leases import Lease
from kvorum.mvcc.outcome import INTERNAL_KEY_MESSAGE, Outcome
from kvorum.mvcc.query import KeyRange
from kvorum.mvcc.state_machine import StateMachine
from kvorum.node.fence import Fence
from kvorum.node.leadership import LeadershipWatch
from kvorum.node.log_time import LogTime
from kvorum.node.options import NodeOptions
from kvorum.node.reads import Reads
from kvorum.node.recent_reads import RecentReads
from kvorum.node.views import KeyCount, KeyRead, LeaseView, ReadResult, Staleness
from kvorum.node.waiter import Futures, Waiter
from kvorum.node.weights import weight_of_page
from kvorum.raft.core import Core

RANGE_KEYS_MAX = 10_000
RANGE_BYTES_MAX = 4 << 20
"""A page of a range ends early at either, after one key at least."""

_Result = TypeVar("_Result")


class Reading:
    """Futures that another task resolves.

    They fail with :class:`~kvorum.errors.Rejected`, ``Compacted`` or ``FutureRevision``;
    ``InvalidRequest`` and some ``Rejected`` are raised at once.
    """

    def __init__(
        self,
        options: NodeOptions,
        core: Core,
        machine: StateMachine,
        reads: Reads,
        *,
        leadership: LeadershipWatch,
        fence: Fence,
        log_time: LogTime,
    ) -> None:
        self._options = options
        self._core = core
        self._machine = machine
        self._reads = reads
        self._leadership = leadership
        self._fence = fence
        self._log_time = log_time
        self._recent = RecentReads()
        self._futures = Futures()

    # --- keys --------------------------------------------------------------------------

    def get(self, request_id: str, key: bytes) -> "Future[ReadResult]":
        """Linearizable (§6.4): one quorum round trip, no disk write."""
        self._check(key)
        self._fence.check()
        future = self._futures.new()
        self._reads.submit(_KeyRead(self._get, request_id, key, future))
        return future

    def get_for(self, waiter: Waiter[ReadResult], request_id: str, key: bytes) -> None:
        """:meth:`get`; ``waiter`` gets the result."""
        self._check(key)
        self._fence.check()
        self._reads.submit(_KeyRead(self._get, request_id, key, waiter))

    def get_stale(self, request_id: str, key: bytes) -> ReadResult:
        """This node's own state, however old; ``staleness`` says how old it may be."""
        self._check(key)
        self._fence.check()
        return self._get(request_id, key, self.staleness())

    def _get(self, request_id: str, key: bytes, staleness: Staleness | None = None) -> ReadResult:
        result = ReadResult(request_id, self._machine.get(key), self._machine.revision, staleness)
        self._recent.add(result)
        return result

    def read_at(
        self, request_id: str, key: bytes, revision: int, *, stale: bool = False
    ) -> "Future[ReadResult]":
        """``key`` as it was at ``revision``, which the result's ``revision`` repeats."""
        self._check(key)

        def read(staleness: Staleness | None) -> ReadResult:
            record = self._machine.get_at(key, revision)
            return ReadResult(request_id, record, revision, staleness)

        return self._perform(read, stale=stale)

    def range(
        self,
        request_id: str,
        keys: KeyRange,
        *,
        revision: int = 0,
        limit: int,
        reverse: bool = False,
        stale: bool = False,
    ) -> "Future[KeyRead]":
        """Keys in order, as they were at ``revision``; 0: now."""
        future = self._futures.new()
        self.range_for(
            future, request_id, keys, revision=revision, limit=limit, reverse=reverse, stale=stale
        )
        return future

    def range_for(
        self,
        waiter: Waiter[KeyRead],
        request_id: str,
        keys: KeyRange,
        *,
        revision: int,
        limit: int,
        reverse: bool,
        stale: bool,
    ) -> None:
        """:meth:`range`; ``waiter`` gets the result."""
        if not 1 <= limit <= RANGE_KEYS_MAX:
            raise InvalidRequest(f"limit {limit} is not 1 to {RANGE_KEYS_MAX}")

        def read(staleness: Staleness | None) -> KeyRead:
            page = self._machine.range(
                keys, revision=revision, limit=limit, bytes_max=RANGE_BYTES_MAX, reverse=reverse
            )
            return KeyRead(request_id, page, staleness)

        self._perform_for(waiter, read, self._weight(limit, revision), stale=stale)

    def count(
        self, request_id: str, keys: KeyRange, *, revision: int = 0, stale: bool = False
    ) -> "Future[KeyCount]":
        """How many keys a range had at ``revision``; 0: now."""

        def read(staleness: Staleness | None) -> KeyCount:
            count = self._machine.count(keys, revision)
            return KeyCount(request_id, count, revision or self._machine.revision, staleness)

        return self._perform(read, self._weight(0, revision), stale=stale)

    def _weight(self, limit: int, revision: int) -> int:
        return weight_of_page(limit, self._machine.revision - revision if revision else 0)

    def _perform(
        self, read: Callable[[Staleness | None], _Result], weight: int = 1, *, stale: bool
    ) -> "Future[_Result]":
        future = self._futures.new()
        self._perform_for(future, read, weight, stale=stale)
        return future

    def _perform_for(
        self,
        waiter: Waiter[_Result],
        read: Callable[[Staleness | None], _Result],
        weight: int,
        *,
        stale: bool,
    ) -> None:
        self._fence.check()
        deferred = _Deferred(read, weight, waiter)
        if stale:
            deferred.serve(self.staleness())
        else:
            self._reads.submit(deferred)

    # --- leases ------------------------------------------------------------------------

    def lease(self, lease_id: str, *, keys_max: int = 0) -> LeaseView:
        """As this node has it, with up to ``keys_max`` of its keys. Raises ``LeaseNotFound``."""
        lease = self._machine.lease(lease_id)
        if lease is None:
            raise LeaseNotFound(f"there is no lease {lease_id!r}: it never was, or it has ended")
        return self._lease_view(lease, keys_max)

    def leases(self, after: str = "", *, limit: int) -> tuple[LeaseView, ...]:
        """Those with greater ids than ``after``, by id, as this node has them."""
        return tuple(self._lease_view(lease, 0) for lease in self._machine.leases(after, limit))

    def _lease_view(self, lease: Lease, keys_max: int) -> LeaseView:
        remaining_ms = max(0, lease.deadline_ms - self._log_time.now_ms())
        keys = lease.keys(keys_max) if keys_max else ()
        return LeaseView(lease.id, lease.ttl_ms, remaining_ms, lease.key_count, keys)

    # --- requests ----------------------------------------------------------------------

    def catch_up(self) -> "Future[None]":
        """Done once everything acknowledged before the call is applied here (§6.4)."""
        self._fence.check()
        future = self._futures.new()
        self._reads.submit(_Barrier(future))
        return future

    def find_command(self, request_id: str) -> Outcome | ReadResult | None:
        """What this node knows now of a request: an outcome, or a recent read made here."""
        outcome = self._machine.outcome(request_id)
        return outcome if outcome is not None else self._recent.find(request_id)

    def staleness(self) -> Staleness:
        """How far behind this node's own state may be."""
        log = self._core.state.log
        contact_s = self._leadership.last_contact_s()
        last_contact_ms = None if contact_s is None else round(contact_s * 1000)
        return Staleness(last_contact_ms, log.applied, log.commit)

    def _check(self, key: bytes) -> None:
        if key == self._options.internal_key:
            raise Forbidden(INTERNAL_KEY_MESSAGE)
        if len(key) > self._options.key_bytes_max:
            raise TooLarge(f"the key has {len(key)} bytes, over the limit of KEY_BYTES_MAX")


class _KeyRead:
    """A read of one key, waiting for its batch."""

    __slots__ = ("_key", "_read", "_request_id", "waiter", "weight")

    def __init__(
        self,
        read: Callable[[str, bytes], ReadResult],
        request_id: str,
        key: bytes,
        waiter: Waiter[ReadResult],
    ) -> None:
        self._read = read
        self._request_id = request_id
        self._key = key
        self.weight = 1
        self.waiter = waiter

    def serve(self) -> None:
        self.waiter.set_result(self._read(self._request_id, self._key))


class _Deferred(Generic[_Result]):
    """Any other read, which may fail for the revision that it asks for."""

    __slots__ = ("_read", "waiter", "weight")

    def __init__(
        self, read: Callable[[Staleness | None], _Result], weight: int, waiter: Waiter[_Result]
    ) -> None:
        self._read = read
        self.weight = weight
        self.waiter = waiter

    def serve(self, staleness: Staleness | None = None) -> None:
        try:
            self.waiter.set_result(self._read(staleness))
        except InvalidRequest as error:
            self.waiter.set_exception(error)


class _Barrier:
    """A wait for everything acknowledged so far."""

    __slots__ = ("waiter", "weight")

    def __init__(self, waiter: Waiter[None]) -> None:
        self.weight = 1
        self.waiter = waiter

    def serve(self) -> None:
        self.waiter.set_result(None)
