"""Leases one by one: what they refuse, how they end, what they cost."""

from collections.abc import Callable

import pytest

from kvorum.mvcc.command import (
    Command,
    CompareAndSet,
    Delete,
    LeaseGrant,
    LeaseKeepAlive,
    LeaseRevoke,
    Put,
    Stamp,
    encode_batch,
    encode_command,
)
from kvorum.mvcc.expiry import REAP_KEYS_MAX
from kvorum.mvcc.lease import is_own, own_lease_id
from kvorum.mvcc.leases import Leases
from kvorum.mvcc.outcome import Outcome, Status
from kvorum.mvcc.state_machine import StateMachine

KEEP = (100_000,) * 5

At = Callable[..., list[Outcome]]


@pytest.fixture
def machine() -> StateMachine:
    return StateMachine()


@pytest.fixture
def at(machine: StateMachine) -> At:
    """Apply commands at a time of the log."""

    def at(time_ms: int, *commands: Command) -> list[Outcome]:
        data = encode_batch(
            [encode_command(command) for command in commands], Stamp(time_ms, *KEEP)
        )
        return machine.apply(machine.applied_index + 1, data)

    return at


def lease_of(machine: StateMachine, key: bytes) -> str:
    record = machine.get(key)
    assert record is not None
    return record.lease


def test_a_lease_takes_its_keys_along_at_one_revision(machine: StateMachine, at: At) -> None:
    granted, first, second = at(
        1_000,
        LeaseGrant("g", "l", 5_000),
        Put("a", b"b", b"1", lease="l"),
        Put("b", b"a", b"2", lease="l"),
    )
    assert granted == Outcome("g", Status.SUCCESS, "success", 0, 1_000, 0)
    assert (first.revision, second.revision) == (1, 2)
    lease = machine.lease("l")
    assert lease is not None
    assert (lease.id, lease.ttl_ms, lease.deadline_ms, lease.key_count) == ("l", 5_000, 6_000, 2)
    assert lease.keys(10) == (b"a", b"b")
    assert lease.keys(1) == (b"a",)
    at(5_999)
    assert (machine.key_count, machine.lease_count) == (2, 1)
    at(6_000)
    assert (machine.key_count, machine.lease_count, machine.revision) == (0, 0, 3)
    assert [(e.revision, e.key, e.record) for e in machine.events(2, 10)] == [
        (3, b"a", None),
        (3, b"b", None),
    ]


def test_a_dead_lease_is_there_for_nobody_although_its_keys_still_are(
    machine: StateMachine, at: At
) -> None:
    at(0, LeaseGrant("g", "l", 1_000), Put("p", b"k", b"1", lease="l"))
    outcomes = at(
        1_000,
        LeaseKeepAlive("a", "l"),
        LeaseRevoke("b", "l"),
        Put("c", b"x", b"1", lease="l"),
        LeaseGrant("d", "l", 1_000),
        CompareAndSet("e", b"k", b"1", b"2"),
    )
    missing = 'lease "l" doesn\'t exist'
    assert [(o.status, o.message) for o in outcomes] == [
        (Status.LEASE_NOT_FOUND, missing),
        (Status.LEASE_NOT_FOUND, missing),
        (Status.LEASE_NOT_FOUND, missing),
        (Status.CONFLICT, "this lease id is taken"),  # until it is reaped, at the batch's end
        (Status.SUCCESS, "success"),
    ]
    assert machine.key_count == 0
    [granted] = at(1_000, LeaseGrant("f", "l", 1_000))
    assert granted.success


def test_a_granted_id_is_taken_but_the_same_request_is_answered_again(at: At) -> None:
    [first] = at(0, LeaseGrant("g", "l", 1_000))
    [again, other] = at(500, LeaseGrant("g", "l", 1_000), LeaseGrant("h", "l", 1_000))
    assert again == first
    assert other.status is Status.CONFLICT


def test_renewing_counts_from_the_batchs_time_and_leaves_no_outcome(
    machine: StateMachine, at: At
) -> None:
    at(0, LeaseGrant("g", "l", 1_000))
    for time_ms in (999, 1_998):
        [outcome] = at(time_ms, LeaseKeepAlive("k", "l"))
        assert outcome == Outcome("k", Status.SUCCESS, "success", 0, time_ms, 0)
    lease = machine.lease("l")
    assert lease is not None
    assert lease.deadline_ms == 2_998
    assert (machine.outcome("k"), machine.outcome_count) == (None, 1)


def test_renewing_is_not_refused_although_outcomes_are_forgotten(machine: StateMachine) -> None:
    """A lease must not end because many others write."""
    forget_all = Stamp(1, 0, 60)
    before: list[Command] = [LeaseGrant("g", "l", 1_000), Put("p", b"k", b"1")]
    for index, command in enumerate(before, start=1):
        machine.apply(index, encode_batch([encode_command(command)], forget_all))
    late = encode_command(LeaseKeepAlive("k", "l", after_index=0))
    [outcome] = machine.apply(3, encode_batch([late], forget_all))
    assert outcome.success


def test_a_granted_lease_stays_without_keys(machine: StateMachine, at: At) -> None:
    at(
        0,
        LeaseGrant("g", "l", 1_000),
        Put("p", b"k", b"1", lease="l"),
        Delete("d", b"k"),
        Put("q", b"k", b"1", lease="l"),
        Put("r", b"k", b"1"),
    )
    lease = machine.lease("l")
    assert lease is not None
    assert lease.key_count == 0
    at(1_000)
    assert (machine.lease_count, machine.key_count) == (0, 1)


def test_whatever_takes_a_key_out_of_its_lease_saves_it(machine: StateMachine, at: At) -> None:
    at(
        0,
        LeaseGrant("g", "l", 1_000),
        LeaseGrant("h", "m", 9_000),
        *(Put(f"p{key}", b"%d" % key, b"1", lease="l") for key in range(5)),
        Put("a", b"0", b"2"),
        Put("b", b"1", b"2", lease="m"),
        Put("c", b"2", b"2", ttl_ms=9_000),
        Delete("d", b"3"),
        Put("e", b"3", b"3"),
        CompareAndSet("f", b"4", b"1", b"2"),  # stays in its lease
    )
    assert lease_of(machine, b"4") == "l"
    at(1_000)
    assert [key for key, _ in machine._store] == [b"0", b"1", b"2", b"3"]


def test_a_time_to_live_is_a_lease_of_the_keys_own(machine: StateMachine, at: At) -> None:
    at(0, Put("a", b"x", b"1"), Put("b", b"k", b"1", ttl_ms=1_000))
    assert [lease.id for lease in machine.leases("", 9)] == ["ttl-2"]
    assert lease_of(machine, b"k") == "ttl-2"
    at(500, Put("c", b"k", b"2", ttl_ms=1_000))
    assert [lease.id for lease in machine.leases("", 9)] == ["ttl-3"]
    at(1_499)
    assert machine.key_count == 2
    at(1_500)
    assert (machine.key_count, machine.lease_count) == (1, 0)


@pytest.mark.parametrize("last", [Delete("z", b"k"), Put("z", b"k", b"2")])
def test_a_lease_of_a_keys_own_goes_with_it(machine: StateMachine, at: At, last: Command) -> None:
    at(0, Put("a", b"k", b"1", ttl_ms=1_000), LeaseGrant("g", "l", 1_000))
    at(1, Put("b", b"other", b"1", lease="ttl-1"))
    at(2, last)
    assert [lease.id for lease in machine.leases("", 9)] == ["l", "ttl-1"]
    at(3, Delete("c", b"other"))
    assert [lease.id for lease in machine.leases("", 9)] == ["l"]


def test_ids_of_the_stores_own_cannot_be_granted(machine: StateMachine, at: At) -> None:
    assert is_own(own_lease_id(5))
    assert (own_lease_id(255), own_lease_id(255, 10)) == ("ttl-ff", "ttl-ff-a")
    [outcome] = at(0, LeaseGrant("g", "ttl-1", 1_000))
    assert outcome.status is Status.CONFLICT
    assert outcome.message == 'lease ids that begin with "ttl-" are made by the store'
    [outcome] = at(0, Put("p", b"k", b"1", ttl_ms=1_000))
    assert outcome.success


def test_revoking_deletes_the_keys_at_once(machine: StateMachine, at: At) -> None:
    at(
        0,
        LeaseGrant("g", "l", 1_000),
        *(Put(f"p{n}", b"%d" % n, b"1", lease="l") for n in range(3)),
    )
    [outcome] = at(1, LeaseRevoke("r", "l"))
    assert outcome == Outcome("r", Status.SUCCESS, "success", 4, 1, 3)
    assert (machine.key_count, machine.lease_count) == (0, 0)
    [again] = at(2, LeaseRevoke("s", "l"))
    assert again.status is Status.LEASE_NOT_FOUND


def test_revoking_a_lease_without_keys_makes_no_revision(machine: StateMachine, at: At) -> None:
    [_, outcome] = at(0, LeaseGrant("g", "l", 1_000), LeaseRevoke("r", "l"))
    assert outcome == Outcome("r", Status.SUCCESS, "success", 0, 0, 0)
    assert machine.lease_count == 0


def test_revoking_a_very_large_lease_goes_on_with_the_batches_that_follow(
    machine: StateMachine, at: At
) -> None:
    count = 10_000 + 700
    at(
        0,
        LeaseGrant("g", "l", 9_000),
        *(Put(f"p{n}", b"%05d" % n, b"1", lease="l") for n in range(count)),
    )
    [outcome, late] = at(1, LeaseRevoke("r", "l"), LeaseKeepAlive("k", "l"))
    assert (outcome.status, outcome.changed) == (Status.SUCCESS, 10_000)
    assert late.status is Status.LEASE_NOT_FOUND, "it is over, although it still has keys"
    assert (machine.key_count, machine.lease_count) == (700 - REAP_KEYS_MAX, 0)
    assert machine.due_ms(Stamp(1, *KEEP)) == 1
    at(1)
    assert (machine.key_count, machine.due_ms(Stamp(1, *KEEP))) == (0, 11_001 + 100_000_000 - 1_000)


def test_oldest_deadline_first_then_by_id(machine: StateMachine, at: At) -> None:
    at(
        0,
        *(LeaseGrant(f"g{i}", i, ttl) for i, ttl in (("b", 10), ("c", 10), ("a", 20), ("d", 5))),
        *(Put(f"p{i}", i.encode(), b"1", lease=i) for i in "abcd"),
    )
    at(30)
    assert [event.key for event in machine.events(4, 9)] == [b"d", b"b", b"c", b"a"]
    assert [event.revision for event in machine.events(4, 9)] == [5, 6, 7, 8]


def test_due_is_the_earliest_deadline(machine: StateMachine, at: At) -> None:
    stamp = Stamp(0, *KEEP)
    assert machine.due_ms(stamp) is None
    at(0, LeaseGrant("g", "l", 3_000), LeaseGrant("h", "m", 2_000))
    assert machine.due_ms(stamp) == 2_000
    at(1_000, LeaseKeepAlive("k", "m"))
    assert machine.due_ms(stamp) == 3_000
    at(5_000)
    assert machine.due_ms(stamp) is None


def test_clients_may_grant_so_many_leases_and_no_more(
    machine: StateMachine, at: At, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kvorum.mvcc.leases.GRANTED_MAX", 2)
    at(0, LeaseGrant("a", "a", 1_000), LeaseGrant("b", "b", 1_000))
    full, put = at(0, LeaseGrant("c", "c", 1_000), Put("p", b"k", b"1", ttl_ms=1_000))
    assert full.status is Status.FULL
    assert put.success, "a key that lives for some time is no lease of a client's"
    at(0, LeaseRevoke("r", "a"))
    [granted] = at(0, LeaseGrant("d", "d", 1_000))
    assert granted.success


def test_times_to_live_that_no_front_end_lets_pass_are_bounded(
    machine: StateMachine, at: At
) -> None:
    at(7, LeaseGrant("a", "a", -5), LeaseGrant("b", "b", 1 << 60))
    assert [lease.deadline_ms for lease in machine.leases("", 9)] == [8, 7 + (1 << 53)]


def test_a_lease_of_many_keys_gives_them_in_order(machine: StateMachine, at: At) -> None:
    keys = [b"%05d" % (n * 7919 % 5_000) for n in range(5_000)]
    at(
        0,
        LeaseGrant("g", "l", 1_000),
        *(Put(f"p{n}", k, b"1", lease="l") for n, k in enumerate(keys)),
    )
    at(1, *(Delete(f"d{n}", key) for n, key in enumerate(keys[:2_000])))
    lease = machine.lease("l")
    assert lease is not None
    assert lease.keys(10_000) == tuple(sorted(keys[2_000:]))
    assert lease.key_count == 3_000


def test_a_page_of_leases() -> None:
    leases = Leases()
    for number in range(10):
        leases.grant(f"l{number}", 1_000 if number % 2 else 10, 0)
    assert [lease.id for lease in leases.page("", 3, 5)] == ["l0", "l1", "l2"]
    assert [lease.id for lease in leases.page("l2", 3, 10)] == ["l3", "l5", "l7"]
    assert (leases.alive(9), leases.alive(10), len(leases)) == (10, 5, 10)


def test_a_loaded_lease_is_checked() -> None:
    leases = Leases()
    leases.load(("l", 10, 20))
    with pytest.raises(ValueError, match="there twice"):
        leases.load(("l", 10, 20))
    with pytest.raises(ValueError, match="'m', which does not exist"):
        leases.attach("m", b"k")


def test_digests_tell_leases_apart() -> None:
    def digest(*rows: tuple[str, int, int]) -> int:
        leases = Leases()
        for row in rows:
            leases.load(row)
        return leases.digest

    a, b = ("a", 10, 20), ("b", 10, 20)
    assert digest(a, b) == digest(b, a)
    others = [
        digest(),
        digest(a),
        digest(b),
        digest(a, b),
        digest(("a", 11, 20)),
        digest(("a", 10, 21)),
    ]
    assert len(set(others)) == len(others)
    leases = Leases()
    lease = leases.grant("a", 10, 5)
    leases.renew(lease, 10)
    assert leases.digest == digest(a)
    leases.remove(lease)
    assert leases.digest == 0


def test_leases_are_part_of_the_states_hash() -> None:
    def state_hash(*rows: tuple[str, int, int]) -> int:
        leases = Leases()
        for row in rows:
            leases.load(row)
        return StateMachine(leases=leases).state_hash

    hashes = {state_hash(), state_hash(("a", 10, 20)), state_hash(("a", 10, 21))}
    assert len(hashes) == 3


def test_drained_in_steps() -> None:
    leases = Leases()
    for number in range(3_000):
        leases.grant(f"l{number}", 10, 0)
    assert sum(1 for _ in leases.drain()) > 10
    assert list(leases) == []
