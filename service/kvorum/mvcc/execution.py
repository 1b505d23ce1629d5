"""What each command does to the state."""

from typing import assert_never

from kvorum.mvcc.charge import KEY_BYTES, charge, charge_of, charge_of_put
from kvorum.mvcc.command import (
    DELETE_KEYS_MAX,
    Command,
    Compact,
    CompareAndSet,
    Delete,
    Introduce,
    LeaseGrant,
    LeaseKeepAlive,
    LeaseRevoke,
    Put,
    Txn,
)
from kvorum.mvcc.compare import all_hold
from kvorum.mvcc.json_value import json_equal
from kvorum.mvcc.lease import Lease, is_own, own_lease_id
from kvorum.mvcc.leases import Leases
from kvorum.mvcc.members import Introduction, Members
from kvorum.mvcc.outcome import (
    EXPIRED_MESSAGE,
    FULL_MESSAGE,
    LEASE_RESERVED_MESSAGE,
    LEASE_TAKEN_MESSAGE,
    LEASES_FULL_MESSAGE,
    MEMBER_TAKEN_MESSAGE,
    MISMATCH_MESSAGE,
    OTHERWISE_MESSAGE,
    SUCCESS_MESSAGE,
    TOO_MANY_COMPARED_MESSAGE,
    Outcome,
    Status,
    compacted_message,
    future_message,
    missing_key_message,
    missing_lease_message,
)
from kvorum.mvcc.quota import Quota
from kvorum.mvcc.store import Store
from kvorum.mvcc.transaction import Branch, Refusal
from kvorum.mvcc.writes import Writes

# Looked up once: fetching a member of an enum costs more than a dict access.
_SUCCESS = Status.SUCCESS


class Execution:
    """Commands that are new, executed on the parts of a state."""

    __slots__ = ("_leases", "_members", "_quota", "_store", "_writes")

    def __init__(
        self, store: Store, leases: Leases, quota: Quota, members: Members, writes: Writes
    ) -> None:
        self._store = store
        self._leases = leases
        self._quota = quota
        self._members = members
        self._writes = writes

    def execute(self, command: Command, time_ms: int) -> Outcome:
        match command:
            case Put():  # no sub-patterns: they cost more than reading the attributes
                store, key, value = self._store, command.key, command.value
                content_type = command.content_type
                if (
                    command.ttl_ms
                    or command.lease
                    or store.size_bytes + KEY_BYTES + len(key) + len(value) + len(content_type)
                    > self._quota.limit_bytes
                ):
                    return self._put(command, time_ms)
                revision = store.next_revision()
                old = store.put_at(revision, key, value, "", content_type)
                if old is not None and old.lease:
                    self._writes.release(old.lease, key)
                return Outcome(command.request_id, _SUCCESS, SUCCESS_MESSAGE, revision, time_ms, 1)
            case CompareAndSet() | Delete() | Txn():
                return self._change_keys(command, time_ms)
            case LeaseGrant() | LeaseKeepAlive() | LeaseRevoke():
                return self._change_lease(command, time_ms)
            case Introduce():
                return self._introduce(command, time_ms)
            case Compact():
                return self._compact(command, time_ms)
            case _:
                assert_never(command)

    def refuse_expired(self, command: Command, time_ms: int) -> Outcome:
        """The answer to a command that may have been executed before; changes nothing."""
        return self._outcome(command, Status.EXPIRED, EXPIRED_MESSAGE, time_ms)

    # --- keys --------------------------------------------------------------------------

    def _put(self, command: Put, time_ms: int) -> Outcome:
        """With or without a lease, whatever the key holds."""
        lease: Lease | None = None
        if command.lease:
            lease = self._leases.get(command.lease, time_ms)
            if lease is None:
                return self._missing_lease(command, time_ms)
        if self._is_full_for(command.key, charge_of_put(command)):
            return self._outcome(command, Status.FULL, FULL_MESSAGE, time_ms)
        revision = self._store.next_revision()
        if command.ttl_ms and lease is None:
            lease = self._leases.grant(own_lease_id(revision), command.ttl_ms, time_ms)
        self._writes.put(revision, command.key, command.value, lease, command.content_type)
        self._writes.tidy()
        return self._outcome(command, _SUCCESS, SUCCESS_MESSAGE, time_ms, 1)

    def _change_keys(self, command: CompareAndSet | Delete | Txn, time_ms: int) -> Outcome:
        if isinstance(command, CompareAndSet):
            return self._compare_and_set(command, time_ms)
        if isinstance(command, Delete):
            return self._delete(command, time_ms)
        return self._transact(command, time_ms)

    def _compare_and_set(self, command: CompareAndSet, time_ms: int) -> Outcome:
        record = self._store.get(command.key)
        if record is None:
            return self._missing(command, time_ms)
        if record.content_type or not json_equal(record.value, command.expected):
            status = Status.VALUE_MISMATCH
            return self._outcome(command, status, MISMATCH_MESSAGE, time_ms)
        if self._is_full_for(command.key, charge(command.key, command.value, record.lease, "")):
            return self._outcome(command, Status.FULL, FULL_MESSAGE, time_ms)
        self._store.put(command.key, command.value, record.lease)
        return self._outcome(command, _SUCCESS, SUCCESS_MESSAGE, time_ms, 1)

    def _delete(self, command: Delete, time_ms: int) -> Outcome:
        old = self._store.delete_at(self._store.revision + 1, command.key)
        if old is None:
            return self._missing(command, time_ms)
        self._store.next_revision()
        if old.lease:
            self._writes.release(old.lease, command.key)
        return self._outcome(command, _SUCCESS, SUCCESS_MESSAGE, time_ms, 1)

    def _transact(self, command: Txn, time_ms: int) -> Outcome:
        holds = all_hold(self._store, command.compares)
        if holds is None:
            return self._outcome(command, Status.TOO_MANY, TOO_MANY_COMPARED_MESSAGE, time_ms)
        ops = command.then if holds else command.orelse
        try:
            branch = Branch(self._store, self._leases, self._quota, ops, time_ms)
        except Refusal as refusal:
            return self._outcome(command, refusal.status, refusal.message, time_ms)
        changed = branch.carry_out(self._writes, self._leases, time_ms)
        if holds:
            return self._outcome(command, _SUCCESS, SUCCESS_MESSAGE, time_ms, changed)
        return self._outcome(command, Status.OTHERWISE, OTHERWISE_MESSAGE, time_ms, changed)

    def _compact(self, command: Compact, time_ms: int) -> Outcome:
        store, revision = self._store, command.revision
        if revision < store.compacted_revision:
            message = compacted_message(revision, store.compacted_revision)
            return self._outcome(command, Status.COMPACTED, message, time_ms)
        if revision > store.revision:
            message = future_message(revision, store.revision)
            return self._outcome(command, Status.FUTURE_REVISION, message, time_ms)
        store.compact(revision)
        return self._outcome(command, _SUCCESS, SUCCESS_MESSAGE, time_ms)

    # --- leases and members --------------------------------------------------------------

    def _change_lease(
        self, command: LeaseGrant | LeaseKeepAlive | LeaseRevoke, time_ms: int
    ) -> Outcome:
        if isinstance(command, LeaseGrant):
            return self._grant(command, time_ms)
        lease = self._leases.get(command.lease, time_ms)
        if lease is None:
            return self._missing_lease(command, time_ms)
        if isinstance(command, LeaseKeepAlive):
            self._leases.renew(lease, time_ms)
            return self._outcome(command, _SUCCESS, SUCCESS_MESSAGE, time_ms)
        changed = self._writes.end(lease, DELETE_KEYS_MAX)
        if lease.key_count:
            self._leases.kill(lease, time_ms)
        return self._outcome(command, _SUCCESS, SUCCESS_MESSAGE, time_ms, changed)

    def _grant(self, command: LeaseGrant, time_ms: int) -> Outcome:
        leases = self._leases
        if is_own(command.lease):
            return self._outcome(command, Status.CONFLICT, LEASE_RESERVED_MESSAGE, time_ms)
        if leases.find(command.lease) is not None:  # also if it is dead, but still has its keys
            return self._outcome(command, Status.CONFLICT, LEASE_TAKEN_MESSAGE, time_ms)
        if leases.is_at_limit:
            return self._outcome(command, Status.FULL, LEASES_FULL_MESSAGE, time_ms)
        leases.grant(command.lease, command.ttl_ms, time_ms)
        return self._outcome(command, _SUCCESS, SUCCESS_MESSAGE, time_ms)

    def _introduce(self, command: Introduce, time_ms: int) -> Outcome:
        introduction = Introduction(command.uid, command.name)
        if not self._members.introduce(command.member, introduction):
            return self._outcome(command, Status.CONFLICT, MEMBER_TAKEN_MESSAGE, time_ms)
        return self._outcome(command, _SUCCESS, SUCCESS_MESSAGE, time_ms)

    # --- parts ---------------------------------------------------------------------------

    def _is_full_for(self, key: bytes, charged_bytes: int) -> bool:
        """Whether the key may not count that much."""
        size_bytes = self._store.size_bytes
        if size_bytes + charged_bytes <= self._quota.limit_bytes:
            return False
        growth_bytes = charged_bytes - charge_of(key, self._store.get(key))
        return self._quota.refuses(size_bytes, growth_bytes)

    def _missing(self, command: CompareAndSet | Delete, time_ms: int) -> Outcome:
        message = missing_key_message(command.key)
        return self._outcome(command, Status.KEY_NOT_FOUND, message, time_ms)

    def _missing_lease(self, command: Put | LeaseKeepAlive | LeaseRevoke, time_ms: int) -> Outcome:
        message = missing_lease_message(command.lease)
        return self._outcome(command, Status.LEASE_NOT_FOUND, message, time_ms)

    def _outcome(
        self, command: Command, status: Status, message: str, time_ms: int, changed: int = 0
    ) -> Outcome:
        revision = self._store.revision
        return Outcome(command.request_id, status, message, revision, time_ms, changed)
