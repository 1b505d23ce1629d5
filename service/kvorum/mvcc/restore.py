"""A state machine from the blocks of a snapshot, checked as a whole."""

from typing import assert_never

from kvorum.errors import SnapshotDamaged
from kvorum.mvcc.members import Members
from kvorum.mvcc.outcome import SUCCESS_MESSAGE, Outcome
from kvorum.mvcc.outcomes import Outcomes
from kvorum.mvcc.snapshot import (
    Head,
    OutcomeBlock,
    OutcomeRow,
    RecordBlock,
    decode_block,
    decode_head,
)
from kvorum.mvcc.state_machine import StateMachine
from kvorum.mvcc.store import Store


class Restore:
    """Takes the blocks of a :class:`~kvorum.mvcc.snapshot.FrozenState` in their order.

    Each raises :class:`~kvorum.errors.SnapshotDamaged` for anything else; of no use then.
    """

    __slots__ = ("_head", "_newest_index", "_outcomes", "_store")

    def __init__(self) -> None:
        self._head: Head | None = None
        self._outcomes = Outcomes()
        self._newest_index = 0  # of the outcomes until now
        self._store = Store()

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
        store = self._store
        found = (len(store), store.size_bytes, len(self._outcomes))
        told = (head.key_count, head.size_bytes, head.outcome_count)
        if found != told:
            raise SnapshotDamaged(
                f"the state has {found} keys, bytes and outcomes, but tells of {told}"
            )
        machine = StateMachine(
            applied_index=head.applied_index,
            store=store,
            outcomes=self._outcomes,
            members=Members(head.members),
        )
        if machine.state_hash != head.state_hash:
            raise SnapshotDamaged(
                f"the state's hash is {machine.state_hash:016x}, but was {head.state_hash:016x}"
            )
        return machine

    def _begin(self, head: Head) -> None:
        self._head = head
        self._store.revision = head.revision
        self._outcomes = Outcomes(now_ms=head.time_ms, forgotten_index=head.forgotten_index)

    def _load(self, block: OutcomeBlock | RecordBlock) -> None:
        match block:
            case OutcomeBlock(rows):
                for row in rows:
                    self._add_outcome(row)
            case RecordBlock(shards):
                for number, records in shards:
                    self._store.load(number, records)
            case _:
                assert_never(block)

    def _add_outcome(self, row: OutcomeRow) -> None:
        request_id, status, message, revision, time_ms, index = row
        if self._outcomes.get(request_id) is not None:
            raise ValueError(f"request id {request_id!r} has two outcomes")
        if index < self._newest_index:
            raise ValueError("outcomes are not in the order of the log")
        self._newest_index = index
        if message == SUCCESS_MESSAGE:
            message = SUCCESS_MESSAGE  # one string for all of them
        self._outcomes.add(Outcome(request_id, status, message, revision, time_ms), index)
