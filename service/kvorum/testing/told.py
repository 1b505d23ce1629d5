"""What clients were told about several keys at once, leases and locks, and whether it is true.

Every answer names a revision, and the log says what the store was at each. So these answers are
judged one by one, and their order in real time by their revisions: together that is strict
serialisability.
"""

from collections.abc import Sequence

from msgspec import Struct

from kvorum.mvcc.outcome import Status
from kvorum.mvcc.query import KeyRange
from kvorum.node.watch_feed import Selector
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


class Claimed(Struct, frozen=True):
    """At ``revision`` the claim of ``lease`` was at this position of its queue; 0 holds."""

    prefix: bytes
    lease: str
    token: int
    position: int
    revision: int


class Guarded(Struct, frozen=True):
    """At ``revision`` a holder wrote what its lock guards; to be refused if it held no more."""

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
        self.claimed: list[Claimed] = []
        self.guarded: list[Guarded] = []


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
    for read in sorted(told.reads, key=_revision):
        _check_read(oracle, read)
    for claimed in sorted(told.claimed, key=_revision):
        _check_claimed(oracle, claimed)
    for guarded in sorted(told.guarded, key=_revision):
        _check_guarded(oracle, guarded)
    _check_tokens(told)


def _check_read(oracle: Oracle, read: RangeRead) -> None:
    keys = oracle.store.at(read.revision)
    expected = [(key, keys[key].value, keys[key].mod_revision) for key in in_range(keys, read.span)]
    if expected != list(read.items):
        raise WrongAnswer(f"{read}, but the log says {expected}")


def _queue(oracle: Oracle, prefix: bytes, revision: int) -> list[tuple[int, bytes]]:
    """Tokens and leases of the claims at that revision: whose key was made first comes first."""
    keys = oracle.store.at(revision)
    return sorted(
        (kept.create_revision, key.removeprefix(prefix))
        for key, kept in keys.items()
        if key.startswith(prefix)
    )


def _check_claimed(oracle: Oracle, claimed: Claimed) -> None:
    queue = _queue(oracle, claimed.prefix, claimed.revision)
    place = (claimed.token, claimed.lease.encode())
    if queue[claimed.position : claimed.position + 1] != [place]:
        raise WrongAnswer(f"{claimed}, but the claims were {queue}")


def _check_guarded(oracle: Oracle, guarded: Guarded) -> None:
    queue = _queue(oracle, guarded.prefix, guarded.revision - 1)
    if queue[:1] != [(guarded.token, guarded.lease.encode())]:
        raise WrongAnswer(f"{guarded} was let through, but the claims were {queue}")


def _check_tokens(told: Told) -> None:
    """A later holder has a greater token, and whoever held before writes no more."""
    acts: list[Claimed | Guarded] = [each for each in told.claimed if each.position == 0]
    acts += told.guarded
    before: dict[bytes, Claimed | Guarded] = {}
    for one in sorted(acts, key=_revision):
        other = before.get(one.prefix)
        if other is not None and one.token < other.token:
            raise WrongAnswer(f"{one} comes after {other}")
        before[one.prefix] = one


def check_seen(
    oracle: Oracle,
    wanted: Selector,
    seen: Sequence[Seen],
    gaps: Sequence[tuple[int, int]],
) -> None:
    """A watcher saw everything from revision 1 on, in order, but for what it was told to miss.

    ``gaps``: revisions from, and up to but without. Raises :class:`WrongAnswer`.
    """
    span, is_wanted = wanted.keys, {True: wanted.puts, False: wanted.deletes}
    expected = []
    for revision, made in enumerate(oracle.store.events, 1):
        missed = any(begin <= revision < end for begin, end in gaps)
        keys = () if missed else in_range(made, span)
        new = [(key, made[key]) for key in keys if is_wanted[made[key] is not None]]
        if new:
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


def _revision(told: RangeRead | Claimed | Guarded) -> int:
    return told.revision


def _key(change: tuple[bytes, bytes | None]) -> bytes:
    return change[0]
