"""The store in its plainest form: what every key was, at every revision, for ever.

It knows the commands by their documentation, not by the real store's code, looks at everything
each time, and forgets nothing, so it is far too slow for anything but judging.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

from msgspec import Struct

from kvorum.mvcc.command import (
    UNSTAMPED,
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
    Stamp,
    Txn,
    WriteOp,
)
from kvorum.mvcc.expiry import REAP_KEYS_MAX
from kvorum.mvcc.history import EVENT_BYTES
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
        """What the real store would have forgotten by now."""
        self.is_full = False
        self._stamp = UNSTAMPED
        self._begun_at = 0  # a batch forgets nothing that it made itself
        self._keys: dict[bytes, Kept] = {}
        self._made_ms: list[int] = []  # when each revision was made
        self._made_bytes: list[int] = []  # and what it takes as history
        self._looked_at: tuple[int, dict[bytes, Kept]] = (0, {})

    @property
    def revision(self) -> int:
        return len(self.events)

    # --- looking -----------------------------------------------------------------------

    def at(self, revision: int) -> dict[bytes, Kept]:
        """All keys at that revision; not to be changed. Quick if asked for in order."""
        if revision < self._looked_at[0]:
            self._looked_at = (0, {})
        seen, keys = self._looked_at
        for made in self.events[seen:revision]:
            for key, kept in made.items():
                keys.pop(key, None)
                if kept is not None:
                    keys[key] = kept
        self._looked_at = (revision, keys)
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

    @property
    def size_bytes(self) -> int:
        """What counts for the quota."""
        return _size_bytes(self._keys)

    # --- batches -----------------------------------------------------------------------

    def begin(self, stamp: Stamp) -> None:
        """A batch under this stamp."""
        self._stamp = stamp
        self._begun_at = self.revision
        self.now_ms = max(self.now_ms, stamp.time_ms)
        if stamp != UNSTAMPED and not stamp.quota_bytes:
            self.is_full = False

    def end(self) -> None:
        """Leases end, room is looked for, and what is too old is forgotten, in this order."""
        self._end_leases()
        self._look_for_room()
        if self._stamp != UNSTAMPED:
            self._forget()

    def _end_leases(self) -> None:
        """Those whose time is over, the oldest deadline first; some of the rest come later."""
        left = REAP_KEYS_MAX
        while left > 0:
            dead = [(lease.deadline_ms, id_) for id_, lease in self.leases.items()]
            if not dead or min(dead)[0] > self.now_ms:
                return
            left -= max(1, self._end(min(dead)[1], left))

    def _look_for_room(self) -> None:
        quota_bytes = self._stamp.quota_bytes
        if quota_bytes and 10 * self.size_bytes <= 9 * quota_bytes:
            self.is_full = False

    def _forget(self) -> None:
        """One revision after the other, as long as one of the bounds is broken."""
        stamp = self._stamp
        too_old_ms = self.now_ms - stamp.history_age_s_max * 1000
        while self.compacted < self._begun_at and (
            self.revision - self.compacted > stamp.history_revisions_max
            or self._made_ms[self.compacted] < too_old_ms
            or sum(self._made_bytes[self.compacted :]) > stamp.history_bytes_max
        ):
            self.compacted += 1

    # --- commands ----------------------------------------------------------------------

    def execute(self, command: Command) -> Status:
        """Whatever it does, at ``now_ms``. Raises ``ValueError`` for what no client sends."""
        match command:
            case Put() | CompareAndSet() | Delete():
                return self._change_key(command)
            case Txn():
                holds = all(_holds(compare, self._keys) for compare in command.compares)
                status = self._write(command.then if holds else command.orelse)
                return Status.OTHERWISE if status is Status.SUCCESS and not holds else status
            case Compact():
                return self._compact(command.revision)
            case LeaseGrant() | LeaseKeepAlive() | LeaseRevoke():
                return self._change_lease(command)
            case _:
                raise ValueError(f"nobody was to send {command}")

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
        return self._write((PutOp(command.key, command.value, kept.lease),), keeps_leases=True)

    def _is_alive(self, lease: str) -> bool:
        return lease in self.leases and self.leases[lease].deadline_ms > self.now_ms

    def _write(self, ops: Sequence[WriteOp], *, keeps_leases: bool = False) -> Status:
        """All of them at one revision, if there is anything to do.

        ``keeps_leases``: the keys are in theirs already, dead or alive.
        """
        leases = [op.lease for op in ops if isinstance(op, PutOp) and op.lease]
        if not keeps_leases and not all(map(self._is_alive, leases)):
            return Status.LEASE_NOT_FOUND
        if self._has_no_room_for(ops):
            return Status.FULL
        revision, made, own = self.revision + 1, dict[bytes, Kept | None](), 0
        for op in ops:
            if isinstance(op, DeleteOp):
                made |= dict.fromkeys(_deleted_by(op, self._keys))
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

    def _has_no_room_for(self, ops: Sequence[WriteOp]) -> bool:
        """Whether they would make the store larger than it may be, or larger while it is full."""
        after = dict(self._keys)
        for op in ops:
            if isinstance(op, PutOp):
                lease = op.lease or ("ttl-" if op.ttl_ms else "")
                after[op.key] = Kept(op.value, 0, 0, 0, lease)
            else:
                for key in _deleted_by(op, self._keys):
                    after.pop(key, None)
        size_bytes = _size_bytes(after)
        quota_bytes = self._stamp.quota_bytes
        if not quota_bytes or size_bytes <= self.size_bytes:
            return False
        self._look_for_room()
        self.is_full = self.is_full or size_bytes > quota_bytes
        return self.is_full

    def _make(self, made: dict[bytes, Kept | None]) -> None:
        if not made:
            return
        replaced = [self._keys[key] for key in made if key in self._keys]
        self.events.append(made)
        self._made_ms.append(self.now_ms)
        self._made_bytes.append(
            sum(EVENT_BYTES + len(key) for key in made) + sum(len(old.value) for old in replaced)
        )
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
            if lease in self.leases or lease.startswith("ttl-"):
                return Status.CONFLICT
            self.leases[lease] = _Lease(command.ttl_ms, self.now_ms + command.ttl_ms)
            return Status.SUCCESS
        if not self._is_alive(lease):
            return Status.LEASE_NOT_FOUND
        if isinstance(command, LeaseRevoke):
            self._end(lease, len(self._keys))
        else:
            self.leases[lease].deadline_ms = self.now_ms + self.leases[lease].ttl_ms
        return Status.SUCCESS

    def _end(self, lease: str, keys_max: int) -> int:
        """Delete its first keys; it is gone with the last one. Returns how many they were."""
        keys = sorted(key for key, kept in self._keys.items() if kept.lease == lease)
        self._make(dict.fromkeys(keys[:keys_max]))
        if len(keys) <= keys_max:
            self.leases.pop(lease, None)
        return len(keys[:keys_max])

    def _compact(self, revision: int) -> Status:
        if revision > self.revision:
            return Status.FUTURE_REVISION
        if revision < self.compacted:
            return Status.COMPACTED
        self.compacted = max(self.compacted, min(revision, self._begun_at))
        return Status.SUCCESS


def _size_bytes(keys: Mapping[bytes, Kept]) -> int:
    """Of keys and values, and roughly what they take beside: more if a lease is theirs alone."""
    return sum(
        256 + len(key) + len(kept.value) + (320 if kept.lease.startswith("ttl-") else 0)
        for key, kept in keys.items()
    )


def _deleted_by(op: DeleteOp, keys: Collection[bytes]) -> list[bytes]:
    if op.end is None:
        return [op.key] if op.key in keys else []
    found = sorted(key for key in keys if key in KeyRange(op.key, op.end or None))
    return found[: op.limit] if op.limit else found


def _holds(compare: Compare, keys: Mapping[bytes, Kept]) -> bool:
    if compare.end is None:
        return _is_so(compare, keys.get(compare.key))
    span = KeyRange(compare.key, compare.end or None)
    return all(_is_so(compare, kept) for key, kept in keys.items() if key in span)


def _is_so(compare: Compare, kept: Kept | None) -> bool:
    """Only what simulated clients ask for: values and leases for being equal, numbers for all."""
    if compare.field is Field.VALUE:
        is_equal = kept is not None and kept.value == compare.operand
        return is_equal is (compare.relation is Relation.EQUAL)
    if compare.field is Field.LEASE:
        lease = kept.lease.encode() if kept else b""
        return (lease == compare.operand) is (compare.relation is Relation.EQUAL)
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
