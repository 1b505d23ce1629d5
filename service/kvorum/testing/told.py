"""What clients were told about several keys at once, leases and locks, and whether it is true.

Every answer names a revision, and the log says what the store was at each. So these answers are
judged one by one, and their order in real time by their revisions: together that is strict
serialisability.
"""

from collections.abc import Sequence

from msgspec import Struct

from kvorum.mvcc.outcome import Status
from kvorum.mvcc.query import KeyRange
from kvorum.testing.history import WrongAnswer
from kvorum.testing.oracle import Oracle
from kvorum.testing.plain_store import in_range

Item = tuple[bytes, bytes, int]
"""A key, its value, and the revision of its last change."""


class Write(Struct, frozen=True):
    """A write of any kind was answered."""

    request_id: str
    status: Status
    revision: int


class RangeRead(Struct, frozen=True):
    """All keys of a range, as they were at a revision."""

    span: KeyRange
    revision: int
    items: Sequence[Item]


class Held(Struct, frozen=True):
    """At ``revision`` the lock was held by ``lease``, under this token."""

    prefix: bytes
    lease: str
    token: int
    revision: int


class Seen(Struct, frozen=True):
    """What a watcher saw of one revision: keys with their new values, None for deleted."""

    revision: int
    changes: Sequence[tuple[bytes, bytes | None]]


class Told:
    def __init__(self) -> None:
        self.writes: list[Write] = []
        self.refused: list[str] = []
        self.reads: list[RangeRead] = []
        self.held: list[Held] = []


def check_told(oracle: Oracle, told: Told) -> None:
    """Raises :class:`WrongAnswer`."""
    for write in told.writes:
        result = oracle.results.get(write.request_id)
        if result is None:
            raise WrongAnswer(f"acknowledged, but not in the log: {write}")
        if (write.status, write.revision) != (result.status, result.revision):
            raise WrongAnswer(f"the log says {result}, the client was told {write}")
    for request_id in told.refused:
        if request_id in oracle.results:
            raise WrongAnswer(f"{request_id} was refused, but executed")
    for read in told.reads:
        _check_read(oracle, read)
    for held in told.held:
        _check_held(oracle, held)
    _check_tokens(told.held)


def _check_read(oracle: Oracle, read: RangeRead) -> None:
    keys = oracle.store.at(read.revision)
    expected = [(key, keys[key].value, keys[key].mod_revision) for key in in_range(keys, read.span)]
    if expected != list(read.items):
        raise WrongAnswer(f"{read}, but the log says {expected}")


def _check_held(oracle: Oracle, held: Held) -> None:
    """The first claim is whose key was made first."""
    keys = oracle.store.at(held.revision)
    claims = {
        key: kept.create_revision for key, kept in keys.items() if key.startswith(held.prefix)
    }
    first = min(claims, key=claims.__getitem__, default=None)
    if first != held.prefix + held.lease.encode() or claims[first] != held.token:
        raise WrongAnswer(f"{held}, but the claims were {claims}")


def _check_tokens(held: Sequence[Held]) -> None:
    """A later holder has a greater token."""
    by_lock: dict[bytes, Held] = {}
    for one in sorted(held, key=lambda each: each.revision):
        before = by_lock.get(one.prefix)
        if before is not None and one.token < before.token:
            raise WrongAnswer(f"{one} comes after {before}")
        by_lock[one.prefix] = one


def check_seen(
    oracle: Oracle, span: KeyRange, seen: Sequence[Seen], gaps: Sequence[tuple[int, int]]
) -> None:
    """A watcher saw everything from revision 1 on, in order, but for what it was told to miss.

    ``gaps``: revisions from, and up to but without. Raises :class:`WrongAnswer`.
    """
    expected = []
    for revision, made in enumerate(oracle.store.events, 1):
        missed = any(begin <= revision < end for begin, end in gaps)
        keys = () if missed else in_range(made, span)
        if keys:
            new = [(key, made[key]) for key in keys]
            expected.append((revision, [(key, kept.value if kept else None) for key, kept in new]))
    found = [(one.revision, sorted(one.changes, key=_key)) for one in seen]
    if found == expected:
        return
    at = 0
    while found[at : at + 1] == expected[at : at + 1]:
        at += 1
    raise WrongAnswer(
        f"a watcher of {span} saw {found[at : at + 2]} where the log says {expected[at : at + 2]}"
    )


def _key(change: tuple[bytes, bytes | None]) -> bytes:
    return change[0]
