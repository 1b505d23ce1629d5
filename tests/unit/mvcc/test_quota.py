"""The store does not grow beyond its quota, and is full until there is room again."""

from collections.abc import Callable

import pytest

from kvorum.mvcc.charge import KEY_BYTES, OWN_LEASE_BYTES
from kvorum.mvcc.command import (
    UNSTAMPED,
    Command,
    Compact,
    CompareAndSet,
    Delete,
    DeleteOp,
    LeaseGrant,
    LeaseRevoke,
    Put,
    PutOp,
    Stamp,
    Txn,
    encode_batch,
    encode_command,
)
from kvorum.mvcc.outcome import Outcome, Status
from kvorum.mvcc.state_machine import StateMachine

KEEP = (100_000,) * 5

Apply = Callable[..., list[Outcome]]


@pytest.fixture
def machine() -> StateMachine:
    return StateMachine()


@pytest.fixture
def apply(machine: StateMachine) -> Apply:
    """Commands under a quota of 100 kB, or another."""

    def apply(*commands: Command, quota_kb: int = 100, stamp: Stamp | None = None) -> list[Outcome]:
        stamp = stamp or Stamp(1, *KEEP, 1000 * quota_kb)
        data = encode_batch([encode_command(command) for command in commands], stamp)
        return machine.apply(machine.applied_index + 1, data)

    return apply


def text(size_kb: int) -> bytes:
    """With it a key of one letter counts a kB more than that."""
    return b'"%s"' % (b"x" * (1000 * size_kb + 999 - KEY_BYTES - 2))


def test_exactly_the_quota_fits(machine: StateMachine, apply: Apply) -> None:
    fits, over = apply(Put("a", b"k", text(99)), Put("b", b"l", b""))
    assert (fits.status, machine.size_bytes) == (Status.SUCCESS, 100_000)
    assert over == Outcome(
        "b", Status.FULL, "the store is full: delete keys, or raise its quota", 1, 1, 0
    )
    assert machine.is_full
    assert machine.get(b"l") is None


def test_full_until_a_tenth_is_free(machine: StateMachine, apply: Apply) -> None:
    apply(Put("a", b"a", text(79)), Put("b", b"b", text(11)), Put("c", b"c", text(11)))
    assert (machine.is_full, machine.size_bytes) == (True, 92_000)
    [small] = apply(Put("d", b"d", text(2)))
    assert small.status is Status.FULL, "it would fit, but the alarm is on"
    assert machine.size_bytes == 92_000
    apply(Put("e", b"b", text(10)))
    assert (machine.is_full, machine.size_bytes) == (True, 91_000)
    apply(Put("f", b"b", text(9)))
    assert (machine.is_full, machine.size_bytes) == (False, 90_000)
    [small] = apply(Put("g", b"d", text(2)))
    assert small.success


def test_exactly_the_quota_fits_a_transaction_too(machine: StateMachine, apply: Apply) -> None:
    over, fits = apply(
        Txn("a", (), (PutOp(b"a", text(50)), PutOp(b"b", text(49)))),
        Txn("b", (), (DeleteOp(b"b"),)),
    )
    assert over.status is Status.FULL
    assert fits.success
    [fits] = apply(Txn("c", (), (PutOp(b"a", text(50)), PutOp(b"b", text(48)))))
    assert (fits.status, machine.size_bytes) == (Status.SUCCESS, 100_000)


def test_full_at_once_within_a_batch(machine: StateMachine, apply: Apply) -> None:
    _, over, small = apply(
        Put("a", b"a", text(94)), Put("b", b"b", text(11)), Put("c", b"c", text(2))
    )
    assert (over.status, small.status) == (Status.FULL, Status.FULL)


def test_room_counts_at_once_within_a_batch(machine: StateMachine, apply: Apply) -> None:
    apply(Put("a", b"a", text(79)), Put("b", b"b", text(11)), Put("c", b"c", text(11)))
    deleted, put = apply(Delete("d", b"b"), Put("e", b"c", text(11)))
    assert (deleted.success, put.success, machine.is_full) == (True, True, False)


def test_what_does_not_grow_passes_while_full(machine: StateMachine, apply: Apply) -> None:
    apply(Put("a", b"a", b"1"), Put("b", b"b", text(96)), Put("c", b"c", text(11)))
    outcomes = apply(
        Put("d", b"a", b"2"),
        CompareAndSet("e", b"a", b"2", b"3"),
        Txn("f", (), (PutOp(b"a", b"4"), DeleteOp(b"zzz"))),
        LeaseGrant("g", "l", 1_000),
        Put("h", b"a", b"5", lease="l"),
        LeaseRevoke("i", "l"),
        Compact("j", 3),
        Put("k", b"a", b"6"),
        CompareAndSet("l", b"b", text(96), text(97)),
        Txn("m", (), (PutOp(b"b", text(97)), PutOp(b"a", b"7"))),
    )
    assert [outcome.status for outcome in outcomes] == [*[Status.SUCCESS] * 7, *[Status.FULL] * 3]
    assert machine.is_full


def test_a_transaction_is_measured_as_a_whole(machine: StateMachine, apply: Apply) -> None:
    apply(Put("a", b"a", text(80)))
    both = (PutOp(b"b", text(40)), DeleteOp(b"a"))
    [swapped, over] = apply(
        Txn("b", (), both),
        Txn("c", (), (DeleteOp(b"b"), PutOp(b"c", text(60)), PutOp(b"d", text(60)))),
    )
    assert swapped.success
    assert (over.status, over.revision, over.changed) == (Status.FULL, 2, 0)
    assert [key for key, _ in machine._store] == [b"b"]
    assert not machine.is_full, "41 of 100 kB: there is room again at the end of the batch"


def test_a_lower_quota_lets_the_store_shrink_but_not_grow(
    machine: StateMachine, apply: Apply
) -> None:
    apply(Put("a", b"a", text(80)))
    smaller, larger = apply(Put("b", b"a", text(70)), Put("c", b"a", text(71)), quota_kb=50)
    assert (smaller.status, larger.status) == (Status.SUCCESS, Status.FULL)
    assert machine.is_full


@pytest.mark.parametrize("quota_kb", [0, 1000])
def test_a_higher_quota_or_none_ends_it(machine: StateMachine, apply: Apply, quota_kb: int) -> None:
    [_, refused] = apply(Put("a", b"a", text(99)), Put("b", b"b", b"1"))
    assert refused.status is Status.FULL
    apply(quota_kb=quota_kb)
    assert not machine.is_full
    [put] = apply(Put("c", b"b", b"1"), quota_kb=quota_kb)
    assert put.success


def test_a_batch_without_a_stamp_changes_nothing_about_it(
    machine: StateMachine, apply: Apply
) -> None:
    apply(Put("a", b"a", text(99)), Put("b", b"b", b"1"))
    apply(stamp=UNSTAMPED)
    assert machine.is_full


BIG_TYPE = "a/" + "b" * 200

WAYS = [
    (Put("w", b"k", b"1"), 0),
    (Put("w", b"k", b"1", ttl_ms=9), OWN_LEASE_BYTES),
    (Put("w", b"k", b"1", ttl_ms=9, content_type=BIG_TYPE), OWN_LEASE_BYTES + len(BIG_TYPE)),
    (Put("w", b"k", b"1", content_type=BIG_TYPE), len(BIG_TYPE)),
    (Put("w", b"k", b"1", lease="granted"), 0),
    (Txn("w", (), (PutOp(b"k", b"1"),)), 0),
    (Txn("w", (), (PutOp(b"k", b"1", ttl_ms=9),)), OWN_LEASE_BYTES),
    (Txn("w", (), (PutOp(b"k", b"1", content_type=BIG_TYPE),)), len(BIG_TYPE)),
]


@pytest.mark.parametrize("overwrites", [False, True])
@pytest.mark.parametrize(("write", "extra_bytes"), WAYS)
def test_what_takes_memory_counts(write: Put | Txn, extra_bytes: int, *, overwrites: bool) -> None:
    """Small keys take far more than their length; a quota that they pass bounds nothing."""
    needed = KEY_BYTES + 2 + extra_bytes
    for room, status in ((needed, Status.SUCCESS), (needed - 1, Status.FULL)):
        machine = StateMachine()
        before: list[Command] = [LeaseGrant("l", "granted", 1_000)]
        if overwrites:
            before.append(Put("b", b"k", b""))
        machine.apply(1, encode_batch([encode_command(one) for one in before], Stamp(1, *KEEP)))
        data = encode_batch([encode_command(write)], Stamp(1, *KEEP, room))
        [outcome] = machine.apply(2, data)
        assert outcome.status is status
        if status is Status.SUCCESS:
            assert machine.size_bytes == needed
            machine.apply(3, encode_batch([encode_command(Delete("d", b"k"))]))
            assert machine.size_bytes == 0


def test_it_is_part_of_the_states_hash() -> None:
    assert StateMachine(is_full=True).state_hash != StateMachine().state_hash
