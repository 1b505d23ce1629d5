"""Transactions: one revision or none, all writes or none."""

from collections.abc import Callable

import pytest

from kvorum.mvcc.command import (
    DELETE_KEYS_MAX,
    Command,
    Compare,
    DeleteOp,
    Field,
    LeaseGrant,
    Put,
    PutOp,
    Relation,
    Stamp,
    Txn,
    encode_batch,
    encode_command,
)
from kvorum.mvcc.outcome import Outcome, Status
from kvorum.mvcc.record import Event, Record
from kvorum.mvcc.state_machine import StateMachine

STAMP = Stamp(1_000, *(100_000,) * 5)
EXISTS = Compare(b"a", Field.VERSION, Relation.GREATER, 0)

Apply = Callable[..., list[Outcome]]


@pytest.fixture
def machine() -> StateMachine:
    return StateMachine()


@pytest.fixture
def apply(machine: StateMachine) -> Apply:
    def apply(*commands: Command, stamp: Stamp = STAMP) -> list[Outcome]:
        data = encode_batch([encode_command(command) for command in commands], stamp)
        return machine.apply(machine.applied_index + 1, data)

    return apply


def contents(machine: StateMachine) -> dict[bytes, bytes]:
    return {key: record.value for key, record in machine._store}


def test_all_writes_of_the_branch_are_one_revision(machine: StateMachine, apply: Apply) -> None:
    apply(Put("p", b"a", b"1"), Put("q", b"b", b"1"))
    then = (PutOp(b"c", b"2"), DeleteOp(b"b"), PutOp(b"a", b"2", content_type="text/plain"))
    [outcome] = apply(Txn("t", (EXISTS,), then, (PutOp(b"no", b"0"),)))
    assert outcome == Outcome("t", Status.SUCCESS, "success", 3, 1_000, 3)
    a = Record(b"2", 1, 3, 2, "", "text/plain")
    assert list(machine.events(2, 10)) == [
        Event(3, b"c", Record(b"2", 3, 3, 1), None),
        Event(3, b"b", None, Record(b"1", 2, 2, 1)),
        Event(3, b"a", a, Record(b"1", 1, 1, 1)),
    ]
    assert machine.get(b"a") == a


def test_the_other_branch(machine: StateMachine, apply: Apply) -> None:
    [outcome] = apply(Txn("t", (EXISTS,), (), (PutOp(b"a", b"0"),)))
    assert outcome == Outcome("t", Status.OTHERWISE, "a comparison does not hold", 1, 1_000, 1)
    assert not outcome.success
    assert contents(machine) == {b"a": b"0"}


@pytest.mark.parametrize("ops", [(), (DeleteOp(b"none"),), (DeleteOp(b"x", b""),)])
def test_nothing_to_change_makes_no_revision(
    machine: StateMachine, apply: Apply, ops: tuple[DeleteOp, ...]
) -> None:
    apply(Put("p", b"a", b"1"))
    [then, otherwise] = apply(Txn("t", (EXISTS,), ops), Txn("u", (), ()))
    assert (then.status, then.revision, then.changed) == (Status.SUCCESS, 1, 0)
    assert (otherwise.status, otherwise.revision) == (Status.SUCCESS, 1)
    assert machine.revision == 1


def test_it_is_done_once(machine: StateMachine, apply: Apply) -> None:
    create = Compare(b"a", Field.VERSION, Relation.EQUAL, 0)
    txn = Txn("t", (create,), (PutOp(b"a", b"1"),))
    [first] = apply(txn)
    [again] = apply(txn)
    assert again == first
    assert first.success


def test_ranges_are_deleted_as_they_were_before(machine: StateMachine, apply: Apply) -> None:
    apply(*(Put(f"p{n}", b"a/%d" % n, b"1") for n in range(6)), Put("q", b"b", b"1"))
    [outcome] = apply(
        Txn("t", (), (DeleteOp(b"a/0", b"a/9", 2), DeleteOp(b"a/4", b""), PutOp(b"a/new", b"2")))
    )
    assert (outcome.changed, outcome.revision) == (6, 8)
    assert contents(machine) == {b"a/2": b"1", b"a/3": b"1", b"a/new": b"2"}


@pytest.mark.parametrize(
    ("ops", "left"),
    [
        ((PutOp(b"a", b"2"), DeleteOp(b"a")), {}),
        ((DeleteOp(b"a"), PutOp(b"a", b"2")), {b"a": b"2"}),
        ((PutOp(b"a", b"2"), PutOp(b"a", b"3")), {b"a": b"3"}),
        ((DeleteOp(b"", b""), PutOp(b"a", b"2"), DeleteOp(b"a")), {}),
    ],
)
def test_of_several_operations_on_a_key_the_last_one_counts(
    machine: StateMachine,
    apply: Apply,
    ops: tuple[PutOp | DeleteOp, ...],
    left: dict[bytes, bytes],
) -> None:
    """Front ends let no such thing pass, but it must not differ between replicas either."""
    apply(Put("p", b"a", b"1"))
    [outcome] = apply(Txn("t", (), ops))
    assert (outcome.changed, outcome.revision) == (1, 2)
    assert contents(machine) == left
    assert len(machine.events(1, 10)) == 1


def test_events_stand_in_the_order_of_what_was_done(machine: StateMachine, apply: Apply) -> None:
    apply(Put("p", b"a", b"1"))
    apply(Txn("t", (), (PutOp(b"a", b"2"), PutOp(b"b", b"2"), PutOp(b"a", b"3"))))
    assert [event.key for event in machine.events(1, 10)] == [b"b", b"a"]


def test_a_lease_that_is_missing_stops_all_of_it(machine: StateMachine, apply: Apply) -> None:
    apply(LeaseGrant("g", "l", 5_000))
    ops = (PutOp(b"a", b"1", lease="l"), PutOp(b"b", b"1", lease="m"))
    [outcome] = apply(Txn("t", (), ops))
    missing = 'lease "m" doesn\'t exist'
    assert outcome == Outcome("t", Status.LEASE_NOT_FOUND, missing, 0, 1_000, 0)
    lease = machine.lease("l")
    assert lease is not None
    assert (machine.key_count, lease.key_count) == (0, 0)


def test_times_to_live_are_leases_of_their_own(machine: StateMachine, apply: Apply) -> None:
    ops = (
        PutOp(b"a", b"1", ttl_ms=1_000),
        PutOp(b"b", b"1"),
        PutOp(b"c", b"1", ttl_ms=3_000),
        PutOp(b"d", b"1", ttl_ms=1_000),
    )
    apply(Txn("t", (), ops))
    told = [(lease.id, lease.ttl_ms, lease.keys(9)) for lease in machine.leases("", 9)]
    assert told == [
        ("ttl-1", 1_000, (b"a",)),
        ("ttl-1-1", 3_000, (b"c",)),
        ("ttl-1-2", 1_000, (b"d",)),
    ]
    apply(stamp=Stamp(2_000, *(100_000,) * 5))
    assert sorted(contents(machine)) == [b"b", b"c"]


def test_a_lease_of_a_keys_own_may_change_its_keys_at_one_revision(
    machine: StateMachine, apply: Apply
) -> None:
    """It has none for a moment, and must not vanish for that."""
    apply(Put("p", b"a", b"1", ttl_ms=5_000))
    apply(Txn("t", (), (PutOp(b"a", b"2"), PutOp(b"b", b"2", lease="ttl-1"))))
    lease = machine.lease("ttl-1")
    assert lease is not None
    assert lease.keys(9) == (b"b",)
    apply(Txn("u", (), (DeleteOp(b"b"), PutOp(b"c", b"2"))))
    assert machine.lease("ttl-1") is None


def test_too_many_deletions_are_refused_as_a_whole(machine: StateMachine, apply: Apply) -> None:
    count = DELETE_KEYS_MAX + 1
    apply(*(Put(f"p{n}", b"%06d" % n, b"1") for n in range(count)))
    too_many = [
        Txn("a", (), (DeleteOp(b"", b""),)),
        Txn("b", (), (DeleteOp(b"", b"005000"), DeleteOp(b"005000", b""))),
        Txn("c", (), (DeleteOp(b"", b"", count),)),
        Txn("d", (), (PutOp(b"x", b"1"), DeleteOp(b"", b""))),
    ]
    for outcome in apply(*too_many):
        assert (outcome.status, outcome.changed) == (Status.TOO_MANY, 0)
        assert outcome.message == "it would delete too many keys at once: use several, with a limit"
    assert (machine.key_count, machine.revision) == (count, count)
    [outcome] = apply(Txn("e", (), (DeleteOp(b"", b"", DELETE_KEYS_MAX),)))
    assert (outcome.status, outcome.changed) == (Status.SUCCESS, DELETE_KEYS_MAX)
    assert list(contents(machine)) == [b"%06d" % DELETE_KEYS_MAX]


def test_too_many_comparisons(
    machine: StateMachine, apply: Apply, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kvorum.mvcc.compare.COMPARED_KEYS_MAX", 1)
    apply(Put("p", b"a", b"1"), Put("q", b"b", b"1"))
    every = Compare(b"", Field.VERSION, Relation.GREATER, 0, b"")
    [outcome] = apply(Txn("t", (every,), (PutOp(b"x", b"1"),)))
    assert (outcome.status, outcome.revision, outcome.changed) == (Status.TOO_MANY, 2, 0)
    assert outcome.message == "it compares too many keys or too large values: compare fewer"
