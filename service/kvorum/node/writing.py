"""What front ends may write: commands with a request id, checked and handed to the proposals."""

from asyncio import Future
from collections.abc import Sequence

from kvorum.errors import InvalidRequest
from kvorum.mvcc.command import (
    REPEATABLE,
    Command,
    Compact,
    Compare,
    CompareAndSet,
    Delete,
    LeaseGrant,
    LeaseKeepAlive,
    LeaseRevoke,
    Put,
    Txn,
    WriteOp,
    encode_command,
)
from kvorum.mvcc.outcome import Outcome
from kvorum.mvcc.record import Record
from kvorum.mvcc.state_machine import StateMachine
from kvorum.node.command_checks import CommandChecks, check_lease_id, check_lease_of, check_ttl
from kvorum.node.fence import Fence
from kvorum.node.options import NodeOptions
from kvorum.node.proposals import Proposals
from kvorum.node.txn_reads import TxnReads, revision_before
from kvorum.node.views import TxnOp, TxnResult
from kvorum.node.waiter import Futures, Waiter
from kvorum.node.weights import weight_of

_LIGHT = frozenset((Put, Delete, LeaseGrant, LeaseKeepAlive))
"""Commands that cost the same whatever the store holds."""


class Writing:
    """Futures that another task resolves; what the store says of a write is in its outcome.

    They fail with :class:`~kvorum.errors.Rejected` (certainly not applied) or
    :class:`~kvorum.errors.OutcomeUnknown`. ``InvalidRequest`` and some ``Rejected`` are raised
    at once.
    """

    def __init__(
        self, options: NodeOptions, machine: StateMachine, proposals: Proposals, fence: Fence
    ) -> None:
        self._checks = CommandChecks(options)
        self._machine = machine
        self._proposals = proposals
        self._fence = fence
        self._txn_reads = TxnReads(machine)
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
        self._checks.check_key(key, value)
        if lease or ttl_ms:
            check_lease_of(lease, ttl_ms)
        after_index = self._machine.applied_index
        return self._submit(Put(request_id, key, value, after_index, lease, ttl_ms, content_type))

    def compare_and_set(
        self, request_id: str, key: bytes, expected: bytes, value: bytes
    ) -> "Future[Outcome]":
        """Set ``key`` to ``value`` if it holds ``expected``, compared as JSON."""
        self._checks.check_key(key, value, expected)
        after_index = self._machine.applied_index
        return self._submit(CompareAndSet(request_id, key, expected, value, after_index))

    def delete(self, request_id: str, key: bytes) -> "Future[Outcome]":
        """Remove ``key``."""
        self._checks.check_key(key)
        return self._submit(Delete(request_id, key, self._machine.applied_index))

    # --- the same for whoever waits otherwise than by a future, under new ids ------------

    def put_for(self, waiter: Waiter[Outcome], request_id: str, key: bytes, value: bytes) -> None:
        """:meth:`put` of JSON text; ``waiter`` gets the outcome."""
        self._checks.check_key(key, value)
        command = Put(request_id, key, value, self._machine.applied_index)
        self._queue(command, encode_command(command), waiter)

    def compare_and_set_for(
        self, waiter: Waiter[Outcome], request_id: str, key: bytes, expected: bytes, value: bytes
    ) -> None:
        """:meth:`compare_and_set`; ``waiter`` gets the outcome."""
        self._checks.check_key(key, value, expected)
        after_index = self._machine.applied_index
        command = CompareAndSet(request_id, key, expected, value, after_index)
        self._queue(command, encode_command(command), waiter, self._weight_of(command))

    def delete_for(self, waiter: Waiter[Outcome], request_id: str, key: bytes) -> None:
        """:meth:`delete`; ``waiter`` gets the outcome."""
        self._checks.check_key(key)
        command = Delete(request_id, key, self._machine.applied_index)
        self._queue(command, encode_command(command), waiter)

    def txn_for(
        self,
        waiter: Waiter[Outcome],
        request_id: str,
        compares: Sequence[Compare],
        then: Sequence[TxnOp],
        orelse: Sequence[TxnOp],
    ) -> None:
        """:meth:`txn`; ``waiter`` gets the outcome, for :meth:`txn_result`."""
        after_index = self._machine.applied_index
        command = self._checks.txn(request_id, compares, then, orelse, after_index)
        self._queue(command, self._encoded(command), waiter, self._weight_of(command))

    def txn_result(
        self, outcome: Outcome, then: Sequence[TxnOp], orelse: Sequence[TxnOp]
    ) -> TxnResult:
        """What operations met that are light (:func:`~kvorum.node.txn_reads.is_light`).

        Raises ``Compacted`` as :meth:`txn`.
        """
        return self._txn_reads.light(outcome, then, orelse)

    def _queue(
        self, command: Command, encoded: bytes, waiter: Waiter[Outcome], weight: int = 1
    ) -> None:
        """Its id is new: if it had an outcome all the same, applying would find it."""
        self._fence.check()
        self._proposals.queue(command.request_id, encoded, waiter, weight)

    # --- several keys --------------------------------------------------------------------

    def write(
        self,
        request_id: str,
        compares: Sequence[Compare],
        then: Sequence[WriteOp],
        orelse: Sequence[WriteOp] = (),
    ) -> "Future[Outcome]":
        """The writes of ``then`` if all comparisons hold, else those of ``orelse``; atomic."""
        after_index = self._machine.applied_index
        return self._submit(self._checks.txn(request_id, compares, then, orelse, after_index))

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
        after_index = self._machine.applied_index
        command = self._checks.txn(request_id, compares, then, orelse, after_index)
        return await self._txn_reads.any(await self._submit(command), then, orelse)

    def previous(self, outcome: Outcome, key: bytes) -> Record | None:
        """What ``key`` held before the write of this outcome. Raises ``Compacted``."""
        return self._machine.get_at(key, revision_before(outcome))

    # --- leases ------------------------------------------------------------------------

    def grant_lease(self, request_id: str, lease: str, ttl_ms: int) -> "Future[Outcome]":
        """CONFLICT if there is one of this id."""
        check_lease_id(lease)
        check_ttl(ttl_ms)
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

    def _submit(self, command: Command) -> "Future[Outcome]":
        """Its ``after_index`` is what is applied now: so far every outcome kept is seen here."""
        self._fence.check()
        encoded = self._encoded(command)
        # What may be done twice is never answered from what another command of that id did.
        is_repeatable = type(command) in REPEATABLE
        first = None if is_repeatable else self._machine.outcome(command.request_id)
        if first is None:
            return self._proposals.submit(command.request_id, encoded, self._weight_of(command))
        done = self._futures.new()
        done.set_result(first)
        return done

    def _encoded(self, command: Command) -> bytes:
        encoded = encode_command(command)
        if type(command) is Txn:  # whatever else there is, is small beside the limit
            self._checks.check_command_size(encoded)
        return encoded

    def _weight_of(self, command: Command) -> int:
        return 1 if type(command) in _LIGHT else weight_of(command, self._machine)
