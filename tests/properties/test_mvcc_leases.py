"""A lease never ends while it is renewed in time, and always ends once it is not."""

from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from kvorum.mvcc import expiry, frozen_map
from kvorum.mvcc.command import Command, LeaseGrant, LeaseKeepAlive, Put, Stamp
from kvorum.mvcc.lease_view import LeaseRow
from kvorum.mvcc.leases import Leases
from kvorum.mvcc.outcome import Status
from kvorum.mvcc.state_machine import StateMachine
from tests.support.mvcc_commands import entry

KEEP = (100_000,) * 5
TTLS = {"a": 1_000, "b": 1_500, "c": 4_000}
NAMES = list(TTLS)
STEPS = st.lists(
    st.tuples(st.integers(0, 2_000), st.lists(st.sampled_from(NAMES), unique=True)), max_size=30
)


@given(STEPS)
def test_alive_exactly_until_the_deadline(steps: list[tuple[int, list[str]]]) -> None:
    machine, now_ms = StateMachine(), 5_000
    grants: list[Command] = [LeaseGrant(f"grant-{name}", name, TTLS[name]) for name in NAMES]
    puts = [Put(f"put-{name}", name.encode(), b"1", lease=name) for name in NAMES]
    machine.apply(1, entry(Stamp(now_ms, *KEEP), [*grants, *puts]))
    deadlines = {name: now_ms + TTLS[name] for name in NAMES}
    for number, (passed_ms, renewed) in enumerate(steps):
        now_ms += passed_ms
        commands = [LeaseKeepAlive(f"renew-{number}-{name}", name) for name in renewed]
        outcomes = machine.apply(2 + number, entry(Stamp(now_ms, *KEEP), commands))
        for name, outcome in zip(renewed, outcomes, strict=True):
            is_alive = now_ms < deadlines[name]
            assert outcome.status is (Status.SUCCESS if is_alive else Status.LEASE_NOT_FOUND)
            if is_alive:
                deadlines[name] = now_ms + TTLS[name]
        for name in NAMES:
            is_alive = now_ms < deadlines[name]
            assert (machine.lease(name) is not None) == is_alive
            assert (machine.get(name.encode()) is not None) == is_alive


REAPED = 10


@patch.object(expiry, "REAP_KEYS_MAX", REAPED)
@given(st.lists(st.integers(0, 25), min_size=1, max_size=6), st.integers(0, 3))
def test_all_that_is_due_ends_within_the_bound(key_counts: list[int], empty: int) -> None:
    """As many batches as their keys need at ``REAPED`` each, leases without keys like one."""
    machine = StateMachine()
    commands: list[Command] = [
        LeaseGrant(f"g{number}", f"l{number}", 1_000 + number)
        for number in range(len(key_counts) + empty)
    ]
    for number, count in enumerate(key_counts):
        commands.extend(
            Put(f"p{number}-{n}", b"%d/%d" % (number, n), b"1", lease=f"l{number}")
            for n in range(count)
        )
    machine.apply(1, entry(Stamp(1, *KEEP), commands))
    effort = sum(max(1, count) for count in key_counts) + empty
    batches = 0
    while machine._leases:
        revision, keys = machine.revision, machine.key_count
        machine.apply(2 + batches, entry(Stamp(60_000, *KEEP), []))
        batches += 1
        assert keys - machine.key_count <= REAPED
        assert machine.revision - revision <= REAPED
    assert batches == -(-effort // REAPED)
    assert (machine.key_count, machine.size_bytes) == (0, 0)


LEASE_IDS = [f"l{number:02}" for number in range(12)]
CHANGES = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from(["grant", "renew", "kill", "remove"]), st.sampled_from(LEASE_IDS)
        ),
        st.tuples(st.just("read"), st.just("")),
    ),
    max_size=40,
)


@given(st.sets(st.sampled_from(LEASE_IDS)), CHANGES)
def test_a_view_shows_the_leases_of_its_moment(
    there: set[str], changes: list[tuple[str, str]]
) -> None:
    leases = Leases()
    for lease_id in there:
        leases.grant(lease_id, 1_000, 0)
    with patch.object(frozen_map, "READ_ITEMS", 2):
        view = leases.freeze()
        rows = view.rows()
        seen: list[LeaseRow] = []
        for now_ms, (change, lease_id) in enumerate(changes, start=1):
            lease = leases.find(lease_id)
            match change:
                case "read":
                    seen.extend(row for row in [next(rows, None)] if row is not None)
                case "grant" if lease is None:
                    leases.grant(lease_id, 500, now_ms)
                case "renew" if lease is not None:
                    leases.renew(lease, now_ms)
                case "kill" if lease is not None:
                    leases.kill(lease, now_ms)
                case "remove" if lease is not None:
                    leases.remove(lease)
        seen.extend(rows)
        leases.thaw(view)
    assert seen == [(lease_id, 1_000, 1_000) for lease_id in sorted(there)]
