"""What each command does to the state."""

from typing import assert_never

from kvorum.mvcc.command import Command, CompareAndSet, Delete, Introduce, Put
from kvorum.mvcc.json_value import json_equal
from kvorum.mvcc.members import Introduction, Members
from kvorum.mvcc.outcome import (
    EXPIRED_MESSAGE,
    MEMBER_TAKEN_MESSAGE,
    MISMATCH_MESSAGE,
    SUCCESS_MESSAGE,
    Outcome,
    Status,
    missing_key_message,
)
from kvorum.mvcc.store import Store

# Looked up once: fetching a member of an enum costs more than a dict access.
_SUCCESS = Status.SUCCESS


class Execution:
    """Commands that are new, executed on a store and its members."""

    __slots__ = ("_members", "_store")

    def __init__(self, store: Store, members: Members) -> None:
        self._store = store
        self._members = members

    def execute(self, command: Command, time_ms: int) -> Outcome:
        match command:
            case Put():  # no sub-patterns: they cost more than reading the attributes
                revision = self._store.put(command.key, command.value)
                return Outcome(command.request_id, _SUCCESS, SUCCESS_MESSAGE, revision, time_ms)
            case CompareAndSet():
                return self._compare_and_set(command, time_ms)
            case Delete():
                return self._delete(command, time_ms)
            case Introduce():
                return self._introduce(command, time_ms)
            case _:
                assert_never(command)

    def refuse_expired(self, command: Command, time_ms: int) -> Outcome:
        """The answer to a command that may have been executed before; changes nothing."""
        return self._outcome(command, Status.EXPIRED, EXPIRED_MESSAGE, time_ms)

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

    def _introduce(self, command: Introduce, time_ms: int) -> Outcome:
        introduction = Introduction(command.uid, command.name)
        if not self._members.introduce(command.member, introduction):
            return self._outcome(command, Status.CONFLICT, MEMBER_TAKEN_MESSAGE, time_ms)
        return self._outcome(command, _SUCCESS, SUCCESS_MESSAGE, time_ms)

    def _missing(self, command: CompareAndSet | Delete, time_ms: int) -> Outcome:
        message = missing_key_message(command.key)
        return self._outcome(command, Status.KEY_NOT_FOUND, message, time_ms)

    def _outcome(self, command: Command, status: Status, message: str, time_ms: int) -> Outcome:
        revision = self._store.revision
        return Outcome(command.request_id, status, message, revision, time_ms)
