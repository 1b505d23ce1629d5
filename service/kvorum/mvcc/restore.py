"""A state machine from the blocks of a snapshot, checked as a whole."""

from typing import assert_never

from kvorum.errors import SnapshotDamaged
from kvorum.mvcc.leases import Leases
from kvorum.mvcc.members import Members
from kvorum.mvcc.outcome import SUCCESS_MESSAGE, Outcome
from kvorum.mvcc.outcomes import Outcomes
from kvorum.mvcc.snapshot import (
    Block,
    EventBlock,
    Head,
    LeaseBlock,
    OutcomeBlock,
    OutcomeRow,
    RecordBlock,
    decode_block,
    decode_head,
)
from kvorum.mvcc.state_machine import StateMachine
from kvorum.mvcc.store import Store
from kvorum.mvcc.store_restore import StoreRestore


class Restore:
    """Takes the blocks of a :class:`~kvorum.mvcc.snapshot.FrozenState` in their order.

    Each raises :class:`~kvorum.errors.SnapshotDamaged` for anything else; of no use then.
    """

    __slots__ = ("_head", "_leases", "_newest_id", "_newest_index", "_outcomes", "_store")

    def __init__(self) -> None:
        self._head: Head | None = None
        self._outcomes = Outcomes()
        self._newest_index = 0  # of the outcomes until now
        self._leases = Leases()
        self._newest_id = ""  # of the leases until now
        self._store = StoreRestore(Store(), self._leases)

    def add(self, block: bytes) -> None:
        """Load one block, in a millisecond or two."""
        try:
            if self._head is None:
                self._begin(decode_head(block))
            else:
                self._load(decode_block(block))
        except ValueError as error:
            raise SnapshotDamaged(f"the state cannot be read: {error}") from error

    def finish(self) -> StateMachine:
        """The state machine, once every block was added."""
        head = self._head
        if head is None:
            raise SnapshotDamaged("the state is empty")
        try:
            store = self._store.finish()
        except ValueError as error:
            raise SnapshotDamaged(f"the state contradicts itself: {error}") from error
        found = len(store), store.size_bytes, len(self._outcomes), len(self._leases)
        told = head.key_count, head.size_bytes, head.outcome_count, head.lease_count
        if found != told:
            raise SnapshotDamaged(
                f"the state has {found} keys, bytes, outcomes and leases, but tells of {told}"
            )
        machine = StateMachine(
            applied_index=head.applied_index,
            store=store,
            outcomes=self._outcomes,
            members=Members(head.members),
            leases=self._leases,
            is_full=head.is_full,
        )
        if machine.state_hash != head.state_hash:
            raise SnapshotDamaged(
                f"the state's hash is {machine.state_hash:016x}, but was {head.state_hash:016x}"
            )
        return machine

    def _begin(self, head: Head) -> None:
        self._head = head
        if head.compacted_revision > head.revision:
            raise ValueError("more is forgotten than there was")
        store = Store(compacted_revision=head.compacted_revision)
        store.revision = head.revision
        store.time_ms = head.time_ms
        self._store = StoreRestore(store, self._leases)
        self._outcomes = Outcomes(now_ms=head.time_ms, forgotten_index=head.forgotten_index)

    def _load(self, block: Block) -> None:
        match block:
            case OutcomeBlock(rows):
                for row in rows:
                    self._add_outcome(row)
            case LeaseBlock(lease_rows):
                for lease in lease_rows:
                    if lease[0] <= self._newest_id:
                        raise ValueError("leases are not in order")
                    self._newest_id = lease[0]
                    self._leases.load(lease)
            case RecordBlock(keys, records):
                self._store.add_records(keys, records)
            case EventBlock(event_rows):
                self._store.add_events(event_rows)
            case _:
                assert_never(block)

    def _add_outcome(self, row: OutcomeRow) -> None:
        request_id, status, message, revision, time_ms, changed, index = row
        if self._outcomes.get(request_id) is not None:
            raise ValueError(f"request id {request_id!r} has two outcomes")
        if index < self._newest_index:
            raise ValueError("outcomes are not in the order of the log")
        self._newest_index = index
        if message == SUCCESS_MESSAGE:
            message = SUCCESS_MESSAGE  # one string for all of them
        outcome = Outcome(request_id, status, message, revision, time_ms, changed)
        self._outcomes.add(outcome, index)
