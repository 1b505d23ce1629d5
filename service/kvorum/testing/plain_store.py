"""The store in its plainest form: what every key was, at every revision, for ever.

It knows the commands by their documentation, not by the real store's code, looks at everything
each time, and forgets nothing, so it is far too slow for anything but judging.
"""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from kvorum.mvcc.command import (
    Command,
    Compact,
    Compare,
    CompareAndSet,
    Delete,
    DeleteOp,
    Field,
    LeaseGrant,
    LeaseKeepAlive,
    LeaseRevoke,
    Put,
    PutOp,
    Relation,
    Txn,
    WriteOp,
)
from kvorum.mvcc.outcome import Status
from kvorum.mvcc.query import KeyRange


class Kept(Struct, frozen=True):
    """What a key is at a revision; values are compared as they were written."""

    value: bytes
    create_revision: int
    mod_revision: int
    version: int
    lease: str


class _Lease(Struct):
    ttl_ms: int
    deadline_ms: int


class PlainStore:
    """``events`` has, for each revision from 1 on, what it made of each key, in no order."""

    def __init__(self) -> None:
        self.now_ms = 0
        self.events: list[dict[bytes, Kept | None]] = []
        self.leases: dict[str, _Lease] = {}
        self.compacted = 0
        """By command; the real store may forget more, by age and size."""
        self._keys: dict[bytes, Kept] = {}

    @property
    def revision(self) -> int:
        return len(self.events)

    # --- looking -----------------------------------------------------------------------

    def at(self, revision: int) -> dict[bytes, Kept]:
        """All keys at that revision."""
        keys: dict[bytes, Kept] = {}
        for made in self.events[:revision]:
            for key, kept in made.items():
                keys.pop(key, None)
                if kept is not None:
                    keys[key] = kept
        return keys

    def key_at(self, key: bytes, revision: int) -> Kept | None:
        """One of them."""
        for made in reversed(self.events[:revision]):
            if key in made:
                return made[key]
        return None

    @property
    def keys(self) -> dict[bytes, Kept]:
        """As they are now; not to be changed."""
        return self._keys

    # --- commands ----------------------------------------------------------------------

    def execute(self, command: Command) -> Status:
        """Whatever it does, at ``now_ms``. Raises ``ValueError`` for what no client sends."""
        match command:
            case Put() | CompareAndSet() | Delete():
                return self._change_key(command)
            case Txn():
                holds = all(self._holds(compare) for compare in command.compares)
                status = self._write(command.then if holds else command.orelse)
                return Status.OTHERWISE if status is Status.SUCCESS and not holds else status
            case Compact():
                return self._compact(command.revision)
            case LeaseGrant() | LeaseKeepAlive() | LeaseRevoke():
                return self._change_lease(command)
            case _:
                raise ValueError(f"nobody was to send {command}")

    def end_leases(self) -> None:
        """The end of a batch: those whose time is over, the oldest deadline first."""
        dead = sorted((lease.deadline_ms, id_) for id_, lease in self.leases.items())
        for deadline_ms, id_ in dead:
            if deadline_ms <= self.now_ms:
                self._end(id_)

    # --- parts -------------------------------------------------------------------------

    def _change_key(self, command: Put | CompareAndSet | Delete) -> Status:
        if isinstance(command, Put):
            op = PutOp(command.key, command.value, command.lease, command.ttl_ms)
            return self._write((op,))
        kept = self._keys.get(command.key)
        if kept is None:
            return Status.KEY_NOT_FOUND
        if isinstance(command, Delete):
            return self._write((DeleteOp(command.key),))
        if kept.value != command.expected:
            return Status.VALUE_MISMATCH
        return self._write((PutOp(command.key, command.value, kept.lease),))

    def _is_alive(self, lease: str) -> bool:
        return lease in self.leases and self.leases[lease].deadline_ms > self.now_ms

    def _write(self, ops: Sequence[WriteOp]) -> Status:
        """All of them at one revision, if there is anything to do."""
        if any(isinstance(op, PutOp) and op.lease and not self._is_alive(op.lease) for op in ops):
            return Status.LEASE_NOT_FOUND
        revision, made, own = self.revision + 1, dict[bytes, Kept | None](), 0
        for op in ops:
            if isinstance(op, DeleteOp):
                made |= dict.fromkeys(self._deleted_by(op))
                continue
            lease = op.lease
            if op.ttl_ms:
                lease = f"ttl-{revision:x}-{own:x}" if own else f"ttl-{revision:x}"
                self.leases[lease] = _Lease(op.ttl_ms, self.now_ms + op.ttl_ms)
                own += 1
            old = self._keys.get(op.key)
            created, version = (old.create_revision, old.version) if old else (revision, 0)
            made[op.key] = Kept(op.value, created, revision, version + 1, lease)
        self._make(made)
        return Status.SUCCESS

    def _deleted_by(self, op: DeleteOp) -> list[bytes]:
        if op.end is None:
            return [op.key] if op.key in self._keys else []
        found = sorted(key for key in self._keys if key in KeyRange(op.key, op.end or None))
        return found[: op.limit] if op.limit else found

    def _make(self, made: dict[bytes, Kept | None]) -> None:
        if not made:
            return
        self.events.append(made)
        for key, kept in made.items():
            if kept is None:
                del self._keys[key]
            else:
                self._keys[key] = kept
        in_use = {kept.lease for kept in self._keys.values()}
        gone = [id_ for id_ in self.leases if id_.startswith("ttl-") and id_ not in in_use]
        for id_ in gone:
            del self.leases[id_]

    def _change_lease(self, command: LeaseGrant | LeaseKeepAlive | LeaseRevoke) -> Status:
        lease = command.lease
        if isinstance(command, LeaseGrant):
            if lease in self.leases:
                return Status.CONFLICT
            self.leases[lease] = _Lease(command.ttl_ms, self.now_ms + command.ttl_ms)
            return Status.SUCCESS
        if not self._is_alive(lease):
            return Status.LEASE_NOT_FOUND
        if isinstance(command, LeaseRevoke):
            self._end(lease)
        else:
            self.leases[lease].deadline_ms = self.now_ms + self.leases[lease].ttl_ms
        return Status.SUCCESS

    def _end(self, lease: str) -> None:
        self._make({key: None for key, kept in self._keys.items() if kept.lease == lease})
        self.leases.pop(lease, None)

    def _compact(self, revision: int) -> Status:
        if revision > self.revision:
            return Status.FUTURE_REVISION
        if revision < self.compacted:
            return Status.COMPACTED
        self.compacted = revision
        return Status.SUCCESS

    def _holds(self, compare: Compare) -> bool:
        if compare.end is None:
            return _is_so(compare, self._keys.get(compare.key))
        span = KeyRange(compare.key, compare.end or None)
        return all(_is_so(compare, kept) for key, kept in self._keys.items() if key in span)


def _is_so(compare: Compare, kept: Kept | None) -> bool:
    """Only what simulated clients ask for: values for being equal, numbers in every way."""
    if compare.field is Field.VALUE:
        is_equal = kept is not None and kept.value == compare.operand
        return is_equal is (compare.relation is Relation.EQUAL)
    number = {
        Field.VERSION: kept.version if kept else 0,
        Field.CREATE_REVISION: kept.create_revision if kept else 0,
        Field.MOD_REVISION: kept.mod_revision if kept else 0,
    }[compare.field]
    assert isinstance(compare.operand, int), "numbers are compared with numbers"
    return {
        Relation.EQUAL: number == compare.operand,
        Relation.NOT_EQUAL: number != compare.operand,
        Relation.LESS: number < compare.operand,
        Relation.GREATER: number > compare.operand,
    }[compare.relation]


def in_range(keys: Iterable[bytes], span: KeyRange) -> list[bytes]:
    """Those of a range, in order."""
    return sorted(key for key in keys if key in span)
