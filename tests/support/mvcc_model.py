"""The state machine's meaning in plain dicts and lists: nothing is optimised, all is recomputed."""

import json
from collections.abc import Callable, Iterable, Sequence
from operator import eq, gt, lt, ne
from typing import Any

from msgspec import Struct

from kvorum.mvcc.charge import KEY_BYTES, OWN_LEASE_BYTES
from kvorum.mvcc.command import (
    REPEATABLE,
    UNSTAMPED,
    Command,
    Compact,
    Compare,
    CompareAndSet,
    Delete,
    DeleteOp,
    Field,
    Introduce,
    LeaseGrant,
    LeaseKeepAlive,
    LeaseRevoke,
    Put,
    PutOp,
    Relation,
    Stamp,
    Txn,
    WriteOp,
)
from kvorum.mvcc.history import EVENT_BYTES
from kvorum.mvcc.outcome import Outcome, Status
from kvorum.mvcc.record import Event, Record

_RELATIONS: dict[Relation, Callable[[Any, Any], bool]] = {
    Relation.EQUAL: eq,
    Relation.NOT_EQUAL: ne,
    Relation.LESS: lt,
    Relation.GREATER: gt,
}
_EQUALITY = (Relation.EQUAL, Relation.NOT_EQUAL)


class Limits(Struct, frozen=True):
    """Of one command or batch; small ones are met sooner."""

    deleted: int = 10_000
    compared: int = 10_000
    reaped: int = 512


class ModelLease(Struct):
    ttl_ms: int
    deadline_ms: int


class Refused(Exception):
    """With the status of a command that changes nothing."""


class Model:
    """Commands mean here what their docstrings say."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.records: dict[bytes, Record] = {}
        self.leases: dict[str, ModelLease] = {}
        self.outcomes: list[Outcome] = []
        self.members: dict[str, tuple[str, str]] = {}
        self.revision = 0
        self.now_ms = 0
        self.is_full = False
        self.quota = 0
        self.compacted = 0
        self.begun = 0  # the revision before the batch; what it makes is not forgotten by itself
        self.events: list[tuple[Event, int]] = []  # with their times
        self.states: dict[int, dict[bytes, Record]] = {0: {}}

    # --- batches -----------------------------------------------------------------------

    def apply(self, stamp: Stamp, commands: Sequence[Command]) -> list[Outcome]:
        self.now_ms = max(self.now_ms, stamp.time_ms)
        self.begun = self.revision
        self.quota = stamp.quota_bytes
        if stamp != UNSTAMPED and not self.quota:
            self.is_full = False
        results = [self.once(command) for command in commands]
        self.reap()
        self.relieve()
        if stamp != UNSTAMPED:
            self.forget(stamp)
        return results

    def once(self, command: Command) -> Outcome:
        for outcome in self.outcomes:
            is_kept = type(command) not in REPEATABLE
            if is_kept and outcome.request_id == command.request_id:
                return outcome
        before = self.revision
        try:
            status, changed = self.execute(command)
        except Refused as refused:
            status, changed = refused.args[0], 0
            assert self.revision == before
        outcome = Outcome(command.request_id, status, "", self.revision, self.now_ms, changed)
        if type(command) not in REPEATABLE:
            self.outcomes.append(outcome)
        return outcome

    def forget(self, stamp: Stamp) -> None:
        born_min_ms = self.now_ms - 1000 * stamp.outcomes_age_s_max
        young = [outcome for outcome in self.outcomes if outcome.time_ms >= born_min_ms]
        self.outcomes = young[max(0, len(young) - stamp.outcomes_count_max) :]
        self.compact(max(self.compacted, self.revision - stamp.history_revisions_max))
        born_min_ms = self.now_ms - 1000 * stamp.history_age_s_max
        while self.compacted < self.begun and (
            self.events[0][1] < born_min_ms or self.history_bytes() > stamp.history_bytes_max
        ):
            self.compact(self.events[0][0].revision)

    def history_bytes(self) -> int:
        return sum(
            EVENT_BYTES + len(event.key) + (len(event.previous.value) if event.previous else 0)
            for event, _ in self.events
        )

    def compact(self, revision: int) -> None:
        revision = self.compacted = max(self.compacted, min(revision, self.begun))
        self.events = [item for item in self.events if item[0].revision > revision]
        self.states = {at: state for at, state in self.states.items() if at >= revision}

    # --- commands ----------------------------------------------------------------------

    def execute(self, command: Command) -> tuple[Status, int]:
        match command:
            case Put(_, key, value, _, lease, ttl_ms, content_type):
                put = PutOp(key, value, lease, ttl_ms, content_type)
                return Status.SUCCESS, self.write([put])
            case CompareAndSet() | Delete():
                return self.update(command)
            case Txn():
                holds = self.all_hold(command.compares)
                status = Status.SUCCESS if holds else Status.OTHERWISE
                return status, self.write(command.then if holds else command.orelse)
            case Compact(_, revision):
                self.check_revision(revision)
                self.compact(revision)
                return Status.SUCCESS, 0
            case Introduce():
                return self.introduce(command), 0
            case _:
                return Status.SUCCESS, self.change_lease(command)

    def update(self, command: CompareAndSet | Delete) -> tuple[Status, int]:
        key, old = command.key, self.find(command.key)
        if isinstance(command, Delete):
            self.change({key: None})
        elif old.content_type or meaning(old.value) != meaning(command.expected):
            return Status.VALUE_MISMATCH, 0
        else:
            self.check_size({key: counted(key, command.value, old.lease, "")})
            self.change({key: (command.value, old.lease, "")})
        return Status.SUCCESS, 1

    def check_revision(self, revision: int) -> None:
        if revision < self.compacted:
            raise Refused(Status.COMPACTED)
        if revision > self.revision:
            raise Refused(Status.FUTURE_REVISION)

    def find(self, key: bytes) -> Record:
        if key not in self.records:
            raise Refused(Status.KEY_NOT_FOUND)
        return self.records[key]

    def introduce(self, command: Introduce) -> Status:
        uid, _name = self.members.get(command.member, (command.uid, ""))
        if uid != command.uid:
            return Status.CONFLICT
        self.members[command.member] = (command.uid, command.name)
        return Status.SUCCESS

    # --- writes ------------------------------------------------------------------------

    def write(self, ops: Sequence[WriteOp]) -> int:
        """All of them at one revision; how many keys that changed."""
        last: dict[bytes, PutOp | None] = {}
        deleted = 0
        for op in ops:
            if isinstance(op, PutOp):
                if op.lease:
                    self.alive(op.lease)
                last.pop(op.key, None)
                last[op.key] = op
                continue
            found = self.to_delete(op)
            deleted += len(found)
            if deleted > self.limits.deleted:
                raise Refused(Status.TOO_MANY)
            for key in found:
                last.pop(key, None)
                last[key] = None
        self.check_size({key: 0 if op is None else counted_put(op) for key, op in last.items()})
        changes: dict[bytes, tuple[bytes, str, str] | None] = {}
        own = 0
        for key, put in last.items():
            if put is None:
                changes[key] = None
                continue
            lease = put.lease
            if put.ttl_ms and not lease:
                lease = f"ttl-{self.revision + 1:x}" + (f"-{own:x}" if own else "")
                own += 1
                self.leases[lease] = ModelLease(put.ttl_ms, self.now_ms + put.ttl_ms)
            changes[key] = (put.value, lease, put.content_type)
        self.change(changes)
        return len(changes)

    def to_delete(self, op: DeleteOp) -> list[bytes]:
        if op.end is None:
            return [op.key] if op.key in self.records else []
        found = self.keys(op.key, op.end)
        return found[: op.limit] if op.limit else found

    def keys(self, start: bytes, end: bytes) -> list[bytes]:
        return sorted(key for key in self.records if start <= key and (not end or key < end))

    def check_size(self, counts: dict[bytes, int]) -> None:
        """With what the keys that are written would count then."""
        before_bytes = self.size_bytes()
        kept = {key: record for key, record in self.records.items() if key not in counts}
        size_bytes = size_of(kept) + sum(counts.values())
        if not self.quota or size_bytes <= before_bytes:
            return
        self.relieve()
        if self.is_full or size_bytes > self.quota:
            self.is_full = True
            raise Refused(Status.FULL)

    def size_bytes(self) -> int:
        return size_of(self.records)

    def relieve(self) -> None:
        if self.quota and self.size_bytes() * 10 <= self.quota * 9:
            self.is_full = False

    def change(self, changes: dict[bytes, tuple[bytes, str, str] | None]) -> None:
        """At one revision, in this order; a lease of a key's own goes with its last key."""
        if not changes:
            return
        self.revision += 1
        for key, change in changes.items():
            old = self.records.pop(key, None)
            record = None
            if change is not None:
                value, lease, content_type = change
                created, version = (old.create_revision, old.version) if old else (self.revision, 0)
                record = Record(value, created, self.revision, version + 1, lease, content_type)
                self.records[key] = record
            self.events.append((Event(self.revision, key, record, old), self.now_ms))
        self.states[self.revision] = dict(self.records)
        for lease in [lease for lease in self.leases if lease.startswith("ttl-")]:
            if not self.keys_of(lease):
                del self.leases[lease]

    # --- leases ------------------------------------------------------------------------

    def alive(self, lease: str) -> ModelLease:
        found = self.leases.get(lease)
        if found is None or self.now_ms >= found.deadline_ms:
            raise Refused(Status.LEASE_NOT_FOUND)
        return found

    def keys_of(self, lease: str) -> list[bytes]:
        return sorted(key for key, record in self.records.items() if record.lease == lease)

    def change_lease(self, command: LeaseGrant | LeaseKeepAlive | LeaseRevoke) -> int:
        lease = command.lease
        if isinstance(command, LeaseGrant):
            if lease in self.leases or lease.startswith("ttl-"):
                raise Refused(Status.CONFLICT)
            self.leases[lease] = ModelLease(command.ttl_ms, self.now_ms + command.ttl_ms)
            return 0
        found = self.alive(lease)
        if isinstance(command, LeaseKeepAlive):
            found.deadline_ms = self.now_ms + found.ttl_ms
            return 0
        found.deadline_ms = self.now_ms
        return self.end(lease, self.limits.deleted)

    def end(self, lease: str, keys_max: int) -> int:
        keys = self.keys_of(lease)
        ended = keys[:keys_max]
        self.change(dict.fromkeys(ended))
        if ended == keys:
            self.leases.pop(lease, None)
        return len(ended)

    def reap(self) -> None:
        left = self.limits.reaped
        while left > 0:
            dead = [
                (o.deadline_ms, i) for i, o in self.leases.items() if o.deadline_ms <= self.now_ms
            ]
            if not dead:
                return
            left -= max(1, self.end(min(dead)[1], left))

    # --- comparisons -------------------------------------------------------------------

    def all_hold(self, compares: Sequence[Compare]) -> bool:
        left = self.limits.compared
        for compare in compares:
            if compare.end is None:
                if not holds(compare, self.records.get(compare.key)):
                    return False
                continue
            for key in self.keys(compare.key, compare.end):
                if not left:
                    raise Refused(Status.TOO_MANY)
                left -= 1
                if not holds(compare, self.records[key]):
                    return False
        return True


def size_of(records: dict[bytes, Record]) -> int:
    return sum(counted(key, r.value, r.lease, r.content_type) for key, r in records.items())


def counted(key: bytes, value: bytes, lease: str, content_type: str) -> int:
    own = OWN_LEASE_BYTES if lease.startswith("ttl-") else 0
    return KEY_BYTES + len(key) + len(value) + len(content_type) + own


def counted_put(op: PutOp) -> int:
    lease = "ttl-" if op.ttl_ms and not op.lease else op.lease
    return counted(op.key, op.value, lease, op.content_type)


def holds(compare: Compare, record: Record | None) -> bool:
    related, operand = _RELATIONS[compare.relation], compare.operand
    if compare.field is Field.VALUE:
        if record is None or not isinstance(operand, bytes):
            return compare.relation is Relation.NOT_EQUAL
        if record.content_type:
            return related(record.value, operand)
        a, b = meaning(record.value), meaning(operand)
        has_order = kind(a) == kind(b)
        return related(a, b) if has_order or compare.relation in _EQUALITY else False
    fields: dict[Field, Any] = {
        Field.LEASE: record.lease.encode() if record else b"",
        Field.VERSION: record.version if record else 0,
        Field.CREATE_REVISION: record.create_revision if record else 0,
        Field.MOD_REVISION: record.mod_revision if record else 0,
    }
    actual = fields[compare.field]
    if type(actual) is not type(operand):
        return compare.relation is Relation.NOT_EQUAL
    return related(actual, operand)


def meaning(text: bytes) -> object:
    """Python's, but for true, which is not 1."""
    value: object = json.loads(text)
    return (value,) if isinstance(value, bool) else value


def kind(value: object) -> object:
    """What has an order with what; everything else has none."""
    if not isinstance(value, int | float | str):
        return object()
    return isinstance(value, str)


def without_messages(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """The model says nothing about words."""
    return [Outcome(o.request_id, o.status, "", o.revision, o.time_ms, o.changed) for o in outcomes]
