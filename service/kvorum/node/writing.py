"""What front ends may write: commands with a request id, checked and handed to the proposals."""

import asyncio
import re
from asyncio import Future
from collections.abc import Sequence
from itertools import pairwise

from kvorum.errors import Compacted, Forbidden, InvalidRequest, TooLarge
from kvorum.mvcc.command import (
    REPEATABLE,
    Command,
    Compact,
    Compare,
    CompareAndSet,
    Delete,
    DeleteOp,
    LeaseGrant,
    LeaseKeepAlive,
    LeaseRevoke,
    Put,
    PutOp,
    Txn,
    WriteOp,
    encode_command,
)
from kvorum.mvcc.outcome import INTERNAL_KEY_MESSAGE, Outcome, Status
from kvorum.mvcc.query import KeyRange, RangePage
from kvorum.mvcc.record import Record
from kvorum.mvcc.state_machine import StateMachine
from kvorum.node.fence import Fence
from kvorum.node.options import NodeOptions
from kvorum.node.proposals import Proposals
from kvorum.node.views import Deleted, Get, TxnOp, TxnOpResult, TxnResult
from kvorum.node.waiter import Futures, Waiter
from kvorum.node.weights import weight_of

TXN_OPS_MAX = 512
"""Operations of one branch of a transaction, and comparisons."""
TXN_READ_BYTES_MAX = 8 << 20
"""Keys and values that a transaction's reads return, roughly."""
TXN_READ_REVISIONS_MAX = 4096
"""A transaction that so many revisions came after is not read for again: that gets expensive."""
TXN_ITEMS_PER_TURN = 512
"""After so many items or operations others have a turn."""
TTL_MS_MIN, TTL_MS_MAX = 1000, 366 * 86_400_000

_LIGHT = frozenset((Put, Delete, LeaseGrant, LeaseKeepAlive))
"""Commands that cost the same whatever the store holds."""
_LEASE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Writing:
    """Futures that another task resolves; what the store says of a write is in its outcome.

    They fail with :class:`~kvorum.errors.Rejected` (certainly not applied) or
    :class:`~kvorum.errors.OutcomeUnknown`. ``InvalidRequest`` and some ``Rejected`` are raised
    at once.
    """

    def __init__(
        self, options: NodeOptions, machine: StateMachine, proposals: Proposals, fence: Fence
    ) -> None:
        self._options = options
        self._machine = machine
        self._proposals = proposals
        self._fence = fence
        self._futures = Futures()

    def put(
        self,
        request_id: str,
        key: bytes,
        value: bytes,
        *,
        lease: str = "",
        ttl_ms: int = 0,
        content_type: str = "",
    ) -> "Future[Outcome]":
        """Set ``key`` to ``value``, JSON text unless there is a ``content_type``.

        ``lease`` has to exist; ``ttl_ms``, instead, gives the key a lease of its own.
        """
        self._check(key, value)
        if lease or ttl_ms:
            _check_lease_of(lease, ttl_ms)
        after_index = self._machine.applied_index
        return self._submit(Put(request_id, key, value, after_index, lease, ttl_ms, content_type))

    def compare_and_set(
        self, request_id: str, key: bytes, expected: bytes, value: bytes
    ) -> "Future[Outcome]":
        """Set ``key`` to ``value`` if it holds ``expected``, compared as JSON."""
        self._check(key, value, expected)
        after_index = self._machine.applied_index
        return self._submit(CompareAndSet(request_id, key, expected, value, after_index))

    def delete(self, request_id: str, key: bytes) -> "Future[Outcome]":
        """Remove ``key``."""
        self._check(key)
        return self._submit(Delete(request_id, key, self._machine.applied_index))

    # --- the same for whoever waits otherwise than by a future, under new ids ------------

    def put_for(self, waiter: Waiter[Outcome], request_id: str, key: bytes, value: bytes) -> None:
        """:meth:`put` of JSON text; ``waiter`` gets the outcome."""
        self._check(key, value)
        self._queue(Put(request_id, key, value, self._machine.applied_index), waiter)

    def compare_and_set_for(
        self, waiter: Waiter[Outcome], request_id: str, key: bytes, expected: bytes, value: bytes
    ) -> None:
        """:meth:`compare_and_set`; ``waiter`` gets the outcome."""
        self._check(key, value, expected)
        after_index = self._machine.applied_index
        self._queue(CompareAndSet(request_id, key, expected, value, after_index), waiter)

    def delete_for(self, waiter: Waiter[Outcome], request_id: str, key: bytes) -> None:
        """:meth:`delete`; ``waiter`` gets the outcome."""
        self._check(key)
        self._queue(Delete(request_id, key, self._machine.applied_index), waiter)

    def _queue(self, command: Put | CompareAndSet | Delete, waiter: Waiter[Outcome]) -> None:
        """Its id is new: if it had an outcome all the same, applying would find it."""
        self._fence.check()
        self._proposals.queue(command.request_id, encode_command(command), waiter)

    # --- several keys --------------------------------------------------------------------

    def write(
        self,
        request_id: str,
        compares: Sequence[Compare],
        then: Sequence[WriteOp],
        orelse: Sequence[WriteOp] = (),
    ) -> "Future[Outcome]":
        """The writes of ``then`` if all comparisons hold, else those of ``orelse``; atomic."""
        for branch in (compares, then, orelse):
            if len(branch) > TXN_OPS_MAX:
                raise InvalidRequest(
                    f"{len(branch)} operations or comparisons are too many for one transaction; "
                    f"at most {TXN_OPS_MAX}"
                )
        for compare in compares:
            self._check(compare.key, *_bytes_of(compare.operand))
        for branch_of in (then, orelse):
            self._check_branch(branch_of)
        after_index = self._machine.applied_index
        command = Txn(request_id, tuple(compares), tuple(then), tuple(orelse), after_index)
        encoded = encode_command(command)
        bytes_max = self._options.pending_bytes_max
        if len(encoded) > bytes_max:
            raise TooLarge(
                f"the transaction has {len(encoded)} bytes, over the limit of PENDING_BYTES_MAX"
            )
        return self._submit(command, encoded)

    async def txn(
        self,
        request_id: str,
        compares: Sequence[Compare],
        then: Sequence[TxnOp],
        orelse: Sequence[TxnOp],
    ) -> TxnResult:
        """A transaction that reads as well: it sees the store as its comparisons saw it.

        Raises ``Compacted`` if it was applied, but what it read is forgotten by now, or too
        long ago to be looked for.
        """
        for branch in (then, orelse):
            if len(branch) > TXN_OPS_MAX:
                raise InvalidRequest(f"{len(branch)} operations; at most {TXN_OPS_MAX}")
        outcome = await self.write(request_id, compares, _writes_of(then), _writes_of(orelse))
        if outcome.status not in (Status.SUCCESS, Status.OTHERWISE):
            return TxnResult(outcome, ())
        taken = then if outcome.status is Status.SUCCESS else orelse
        try:
            return TxnResult(outcome, await self._results(outcome, taken))
        except Compacted as gone:
            raise Compacted(
                f"the transaction was applied at revision {outcome.revision}, but what it read "
                "is not kept for so long: read again what you need",
                oldest_revision=gone.oldest_revision,
            ) from gone

    def previous(self, outcome: Outcome, key: bytes) -> Record | None:
        """What ``key`` held before the write of this outcome. Raises ``Compacted``."""
        return self._machine.get_at(key, _before(outcome))

    # --- leases ------------------------------------------------------------------------

    def grant_lease(self, request_id: str, lease: str, ttl_ms: int) -> "Future[Outcome]":
        """CONFLICT if there is one of this id."""
        check_lease_id(lease)
        _check_ttl(ttl_ms)
        return self._submit(LeaseGrant(request_id, lease, ttl_ms, self._machine.applied_index))

    def keep_alive(self, request_id: str, lease: str) -> "Future[Outcome]":
        """The lease's time begins anew."""
        check_lease_id(lease)
        return self._submit(LeaseKeepAlive(request_id, lease, self._machine.applied_index))

    def revoke_lease(self, request_id: str, lease: str) -> "Future[Outcome]":
        """End it now; its keys are deleted."""
        check_lease_id(lease)
        return self._submit(LeaseRevoke(request_id, lease, self._machine.applied_index))

    def compact(self, request_id: str, revision: int) -> "Future[Outcome]":
        """Forget what the store held before ``revision``."""
        if revision < 1:
            raise InvalidRequest(f"revision {revision}: the first one is 1")
        return self._submit(Compact(request_id, revision, self._machine.applied_index))

    # --- parts -------------------------------------------------------------------------

    def _submit(self, command: Command, encoded: bytes = b"") -> "Future[Outcome]":
        """Its ``after_index`` is what is applied now: so far every outcome kept is seen here."""
        self._fence.check()
        # What may be done twice is never answered from what another command of that id did.
        is_repeatable = type(command) in REPEATABLE
        first = None if is_repeatable else self._machine.outcome(command.request_id)
        if first is None:
            encoded = encoded or encode_command(command)
            weight = 1 if type(command) in _LIGHT else weight_of(command, self._machine)
            return self._proposals.submit(command.request_id, encoded, weight)
        done = self._futures.new()
        done.set_result(first)
        return done

    def _check(self, key: bytes, *values: bytes) -> None:
        options = self._options
        if key == options.internal_key:
            raise Forbidden(INTERNAL_KEY_MESSAGE)
        if len(key) > options.key_bytes_max:
            raise TooLarge(f"the key has {len(key)} bytes, over the limit of KEY_BYTES_MAX")
        for value in values:
            if len(value) > options.value_bytes_max:
                raise TooLarge(
                    f"the value has {len(value)} bytes, over the limit of VALUE_BYTES_MAX"
                )

    def _check_branch(self, ops: Sequence[WriteOp]) -> None:
        for op in ops:
            if isinstance(op, PutOp):
                self._check(op.key, op.value)
                _check_lease_of(op.lease, op.ttl_ms)
            elif op.end is None:
                self._check(op.key)
        spans = sorted((op.key, _end_of(op)) for op in ops)
        for (_, end), (start, _) in pairwise(spans):
            if not end or start < end:
                raise InvalidRequest(
                    f"a transaction writes the key {start.decode('utf-8', 'backslashreplace')!r} "
                    "twice in one branch; write each key once"
                )

    async def _results(self, outcome: Outcome, ops: Sequence[TxnOp]) -> tuple[TxnOpResult, ...]:
        """Others have their turns in between: the revision stays, whatever comes after it."""
        before = _before(outcome)
        if not before:  # asked for revision 0, the machine would show what is there now
            return tuple(map(_of_nothing, ops))
        if self._machine.revision - before > TXN_READ_REVISIONS_MAX:
            raise Compacted(
                f"more than {TXN_READ_REVISIONS_MAX} revisions came after it",
                oldest_revision=self._machine.compacted_revision,
            )
        left_bytes, work = TXN_READ_BYTES_MAX, 0
        results: list[TxnOpResult] = []
        for op in ops:
            if work >= TXN_ITEMS_PER_TURN:
                work = 0
                await asyncio.sleep(0)
            result, taken_bytes = self._result(op, before, max(1, left_bytes))
            results.append(result)
            left_bytes -= taken_bytes
            work += _work_of(result, revisions_since=self._machine.revision - before)
        return tuple(results)

    def _result(self, op: TxnOp, before: int, bytes_max: int) -> tuple[TxnOpResult, int]:
        """What ``op`` met, and how many bytes were read for it."""
        match op:
            case Get(keys, limit):
                page = self._machine.range(keys, revision=before, limit=limit, bytes_max=bytes_max)
                return page, sum(len(key) + len(record.value) for key, record in page.items)
            case DeleteOp():
                count = self._machine.count(KeyRange(op.key, _end_of(op) or None), before)
                return Deleted(min(count, op.limit) if op.limit else count), 0
        return None, 0


def _work_of(result: TxnOpResult, revisions_since: int) -> int:
    """In items: a read of the past also looks at what came since."""
    if result is None:
        return 1
    items = len(result.items) if isinstance(result, RangePage) else 1
    return items + revisions_since


def _of_nothing(op: TxnOp) -> TxnOpResult:
    """What an operation meets in the first transaction of a store."""
    match op:
        case Get():
            return RangePage(0, (), more=False)
        case DeleteOp():
            return Deleted(0)
    return None


def check_lease_id(lease: str) -> None:
    """Raises ``InvalidRequest``."""
    if not _LEASE_ID.fullmatch(lease):
        raise InvalidRequest(
            f"{lease[:80]!r} is no id of a lease: 1 to 64 letters, digits, dots, underscores or "
            "dashes"
        )


def _check_ttl(ttl_ms: int) -> None:
    if not TTL_MS_MIN <= ttl_ms <= TTL_MS_MAX:
        raise InvalidRequest(
            f"a time to live of {ttl_ms / 1000:g} s: it must be {TTL_MS_MIN // 1000} s to "
            f"{TTL_MS_MAX // 1000} s"
        )


def _check_lease_of(lease: str, ttl_ms: int) -> None:
    if lease and ttl_ms:
        raise InvalidRequest("a key gets a lease or a time to live, not both")
    if lease:
        check_lease_id(lease)
    if ttl_ms:
        _check_ttl(ttl_ms)


def _bytes_of(operand: bytes | int) -> tuple[bytes, ...]:
    return (operand,) if isinstance(operand, bytes) else ()


def _end_of(op: WriteOp) -> bytes:
    """Of the keys it writes; empty: no upper bound."""
    if isinstance(op, DeleteOp) and op.end is not None:
        return op.end
    return op.key + b"\0"


def _writes_of(ops: Sequence[TxnOp]) -> tuple[WriteOp, ...]:
    return tuple(op for op in ops if not isinstance(op, Get))


def _before(outcome: Outcome) -> int:
    """The revision of the store that the command met."""
    return outcome.revision - 1 if outcome.changed else outcome.revision
