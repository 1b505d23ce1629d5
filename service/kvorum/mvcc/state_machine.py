"""Committed log entries in, store and outcomes out.

The state is a function of the entries applied: nothing here reads a clock, a
setting or the environment, and nothing depends on the interpreter's limits.
"""

from typing import assert_never

from kvorum.mvcc.command import Command, CompareAndSet, Delete, Put, decode_batch
from kvorum.mvcc.json_value import json_equal
from kvorum.mvcc.outcome import (
    EXPIRED_MESSAGE,
    MISMATCH_MESSAGE,
    SUCCESS_MESSAGE,
    Outcome,
    Status,
    missing_key_message,
)
from kvorum.mvcc.outcomes import Outcomes
from kvorum.mvcc.store import Record, Store

# Looked up once: fetching a member of an enum costs more than a dict access.
_SUCCESS = Status.SUCCESS


class StateMachine:
    """The replicated state of one node: the store, and the outcomes of its commands.

    Entries are applied one by one in the order of the log, each exactly once.
    """

    __slots__ = ("_applied_index", "_outcomes", "_store")

    def __init__(self) -> None:
        self._store = Store()
        self._outcomes = Outcomes()
        self._applied_index = 0

    @property
    def applied_index(self) -> int:
        """Index of the last entry applied, 0 before the first."""
        return self._applied_index

    @property
    def revision(self) -> int:
        return self._store.revision

    @property
    def time_ms(self) -> int:
        """The log's own time, as of the last batch that brought some."""
        return self._outcomes.now_ms

    @property
    def key_count(self) -> int:
        return len(self._store)

    @property
    def size_bytes(self) -> int:
        """Lengths of all keys and values."""
        return self._store.size_bytes

    @property
    def outcome_count(self) -> int:
        return len(self._outcomes)

    def get(self, key: bytes) -> Record | None:
        return self._store.get(key)

    def outcome(self, request_id: str) -> Outcome | None:
        """None if the id was never executed here, or so long ago that it was dropped."""
        return self._outcomes.get(request_id)

    def apply_noop(self, index: int) -> None:
        """Count an entry that carries no commands."""
        self._check_next(index)
        self._applied_index = index

    def apply(self, index: int, data: bytes) -> list[Outcome]:
        """Execute the batch in entry ``index``; one outcome per command, in its order.

        A command whose request id has an outcome changes nothing and gets that
        outcome again, also within one batch and whatever else it says. A command that
        may have had one which is forgotten changes nothing either.

        Raises ``ValueError``, with the state unchanged, for data that this release
        cannot read. The entry is committed, so skipping it would make this replica
        differ from the others: the node must stop.
        """
        self._check_next(index)
        stamp, commands = decode_batch(data)
        recorded = self._outcomes
        time_ms = recorded.advance_time(stamp)
        results = []
        for command in commands:
            outcome = recorded.get(command.request_id)
            if outcome is None:
                if command.after_index < recorded.forgotten_index:
                    outcome = self._expired(command, time_ms)
                else:
                    outcome = self._execute(command, time_ms)
                    recorded.add(outcome, index)
            results.append(outcome)
        recorded.evict(stamp)
        self._applied_index = index
        return results

    def _check_next(self, index: int) -> None:
        expected = self._applied_index + 1
        assert index == expected, f"entry {index} applied where {expected} was next"

    def _execute(self, command: Command, time_ms: int) -> Outcome:
        match command:
            case Put():  # no sub-patterns: they cost more than reading the attributes
                revision = self._store.put(command.key, command.value)
                return Outcome(command.request_id, _SUCCESS, SUCCESS_MESSAGE, revision, time_ms)
            case CompareAndSet():
                return self._compare_and_set(command, time_ms)
            case Delete():
                return self._delete(command, time_ms)
            case _:
                assert_never(command)

    def _compare_and_set(self, command: CompareAndSet, time_ms: int) -> Outcome:
        store = self._store
        record = store.get(command.key)
        if record is None:
            return self._missing(command, time_ms)
        if not json_equal(record.value, command.expected):
            status = Status.VALUE_MISMATCH
            return self._outcome(command, status, MISMATCH_MESSAGE, time_ms)
        store.put(command.key, command.value)
        return self._outcome(command, _SUCCESS, SUCCESS_MESSAGE, time_ms)

    def _delete(self, command: Delete, time_ms: int) -> Outcome:
        if self._store.delete(command.key) is None:
            return self._missing(command, time_ms)
        return self._outcome(command, _SUCCESS, SUCCESS_MESSAGE, time_ms)

    def _missing(self, command: CompareAndSet | Delete, time_ms: int) -> Outcome:
        message = missing_key_message(command.key)
        return self._outcome(command, Status.KEY_NOT_FOUND, message, time_ms)

    def _expired(self, command: Command, time_ms: int) -> Outcome:
        return self._outcome(command, Status.EXPIRED, EXPIRED_MESSAGE, time_ms)

    def _outcome(self, command: Command, status: Status, message: str, time_ms: int) -> Outcome:
        revision = self._store.revision
        return Outcome(command.request_id, status, message, revision, time_ms)
