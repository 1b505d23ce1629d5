"""Each check of what clients were told fails on an answer that is wrong."""

from collections.abc import Sequence

import pytest

from kvorum.mvcc.command import DeleteOp, LeaseGrant, Put, PutOp, Stamp, Txn, encode_batch
from kvorum.mvcc.command import encode_command as encoded
from kvorum.mvcc.outcome import Status
from kvorum.mvcc.query import prefix_range
from kvorum.node.watch_feed import Selector
from kvorum.raft.types import Entry, EntryKind, Index, Term
from kvorum.testing.history import WrongAnswer
from kvorum.testing.oracle import Oracle
from kvorum.testing.told import (
    Claimed,
    Guarded,
    RangeRead,
    Seen,
    Told,
    Write,
    check_seen,
    check_told,
)

LOCK = b"_locks/x/"
ALL = prefix_range(b"")
COMMANDS = (
    LeaseGrant("g1", "zed", 10_000, 0),
    LeaseGrant("g2", "amy", 10_000, 0),
    Put("p1", LOCK + b"zed", b"null", 0, lease="zed"),  # revision 1
    Put("p2", LOCK + b"amy", b"null", 0, lease="amy"),  # 2
    Txn("t", (), (PutOp(b"a", b"1"), PutOp(b"b", b"2")), (), 0),  # 3
    Txn("r", (), (DeleteOp(LOCK + b"zed"), DeleteOp(b"a")), (), 0),  # 4
)


@pytest.fixture
def oracle() -> Oracle:
    data = encode_batch([encoded(command) for command in COMMANDS], Stamp(1, 99, 99, 99, 99, 9999))
    return Oracle([Entry(Term(1), Index(1), EntryKind.COMMANDS, data)])


def told(**lists: Sequence[object]) -> Told:
    made = Told()
    for name, some in lists.items():
        getattr(made, name).extend(some)
    return made


RIGHT: dict[str, Sequence[object]] = {
    "writes": [Write("t", Status.SUCCESS, 3)],
    "refused": ["never"],
    "reads": [RangeRead(prefix_range(b"a"), 3, [(b"a", b"1", 3)]), RangeRead(ALL, 0, [])],
    "claimed": [
        Claimed(LOCK, "amy", 2, 1, 3),
        Claimed(LOCK, "zed", 1, 0, 2),
        Claimed(LOCK, "amy", 2, 0, 4),
    ],
    "guarded": [Guarded(LOCK, "zed", 1, 3)],
}


def test_what_is_true_passes(oracle: Oracle) -> None:
    check_told(oracle, told(**RIGHT))


@pytest.mark.parametrize(
    ("name", "wrong", "verdict"),
    [
        ("writes", Write("gone", Status.SUCCESS, 3), "not in the log"),
        ("writes", Write("t", Status.OTHERWISE, 3), "the client was told"),
        ("writes", Write("t", Status.SUCCESS, 4), "the client was told"),
        ("refused", "t", "refused, but executed"),
        ("reads", RangeRead(prefix_range(b"a"), 4, [(b"a", b"1", 3)]), "the log says"),
        ("reads", RangeRead(prefix_range(b"b"), 4, []), "the log says"),
        ("reads", RangeRead(prefix_range(b"b"), 4, [(b"b", b"2", 2)]), "the log says"),
        ("claimed", Claimed(LOCK, "amy", 2, 0, 2), "the claims were"),
        ("claimed", Claimed(LOCK, "zed", 2, 0, 2), "the claims were"),
        ("claimed", Claimed(LOCK, "zed", 1, 1, 2), "the claims were"),
        ("claimed", Claimed(LOCK, "zed", 1, 0, 4), "the claims were"),
        ("guarded", Guarded(LOCK, "amy", 2, 4), "was let through"),
        ("guarded", Guarded(LOCK, "zed", 1, 5), "was let through"),
    ],
)
def test_what_is_wrong_is_noticed(oracle: Oracle, name: str, wrong: object, verdict: str) -> None:
    with pytest.raises(WrongAnswer, match=verdict):
        check_told(oracle, told(**{name: [wrong]}))


@pytest.mark.parametrize("puts", [True, False])
@pytest.mark.parametrize("deletes", [True, False])
def test_a_watcher_sees_what_it_asked_for(oracle: Oracle, puts: bool, deletes: bool) -> None:
    made = [
        Seen(1, ((LOCK + b"zed", b"null"),)),
        Seen(2, ((LOCK + b"amy", b"null"),)),
        Seen(3, ((b"b", b"2"), (b"a", b"1"))),
        Seen(4, ((LOCK + b"zed", None), (b"a", None))),
    ]
    seen = [one for one in made if (deletes if one.revision == 4 else puts)]
    check_seen(oracle, Selector(ALL, puts, deletes), seen, [])
    for missed in seen:
        rest = [one for one in seen if one is not missed]
        with pytest.raises(WrongAnswer, match="a watcher of"):
            check_seen(oracle, Selector(ALL, puts, deletes), rest, [])
        gap = (missed.revision, missed.revision + 1)
        check_seen(oracle, Selector(ALL, puts, deletes), rest, [gap])


WHOLE = (Seen(3, ((b"a", b"1"),)), Seen(4, ((b"a", None),)))


@pytest.mark.parametrize(
    "seen",
    [
        (WHOLE[1], WHOLE[0]),
        (*WHOLE, WHOLE[1]),
        (WHOLE[0], Seen(5, WHOLE[1].changes)),
        (Seen(3, ((b"a", b"2"),)), WHOLE[1]),
        (Seen(3, ()), *WHOLE),
    ],
    ids=["out of order", "twice", "at another revision", "another value", "nothing at all"],
)
def test_a_watcher_that_saw_something_else(oracle: Oracle, seen: Sequence[Seen]) -> None:
    wanted = Selector(prefix_range(b"a"))
    check_seen(oracle, wanted, WHOLE, [])
    with pytest.raises(WrongAnswer, match="a watcher of"):
        check_seen(oracle, wanted, seen, [])


def test_a_part_of_a_revision_is_not_enough(oracle: Oracle) -> None:
    wanted = Selector(prefix_range(b""))
    with pytest.raises(WrongAnswer, match="a watcher of"):
        check_seen(oracle, wanted, [Seen(3, ((b"a", b"1"),))], [(1, 3), (4, 5)])
