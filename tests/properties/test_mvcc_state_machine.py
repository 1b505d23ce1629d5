"""The state machine against a model that is too simple to be wrong."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from kvorum.errors import Compacted, FutureRevision
from kvorum.mvcc.command import (
    Command,
    Compact,
    CompareAndSet,
    Delete,
    DeleteOp,
    Put,
    Stamp,
    Txn,
)
from kvorum.mvcc.query import KeyRange
from kvorum.mvcc.state_machine import StateMachine
from tests.support.mvcc_commands import KEY_NAMES, LIMITS, LOGS, Batch, entry, small_limits
from tests.support.mvcc_model import Model, without_messages

ALL = KeyRange(b"", None)


@pytest.fixture(autouse=True, scope="module")
def _small_limits() -> Iterator[None]:
    with small_limits():
        yield


def assert_agree(machine: StateMachine, model: Model) -> None:
    assert dict(machine._store) == model.records
    assert [outcome for outcome, _index in machine._outcomes] == list(
        machine._outcomes._by_id.values()
    )
    assert without_messages(machine._outcomes._by_id.values()) == model.outcomes
    assert {m: (i.uid, i.name) for m, i in machine.members.items()} == model.members
    assert (machine.revision, machine.is_full) == (model.revision, model.is_full)
    assert machine.size_bytes == model.size_bytes()
    assert (machine.key_count, machine.outcome_count) == (len(model.records), len(model.outcomes))
    assert_same_leases(machine, model)
    assert_same_history(machine, model)


def assert_same_leases(machine: StateMachine, model: Model) -> None:
    """The dead that wait to be reaped included, which nobody else is shown."""
    now_ms = model.now_ms
    told = {lease.id: (lease.ttl_ms, lease.deadline_ms) for lease in machine._leases}
    assert told == {i: (o.ttl_ms, o.deadline_ms) for i, o in sorted(model.leases.items())}
    for lease in machine._leases:
        assert list(lease.keys(100)) == model.keys_of(lease.id)
        assert lease.key_count == len(lease.keys(100))
    alive = sorted(i for i, o in model.leases.items() if now_ms < o.deadline_ms)
    assert [lease.id for lease in machine.leases("", 100)] == alive
    assert [lease.id for lease in machine.leases("l", 1)] == [i for i in alive if i > "l"][:1]
    assert machine.lease_count == len(alive)
    for lease_id in model.leases:
        assert (machine.lease(lease_id) is not None) == (lease_id in alive)


def assert_same_history(machine: StateMachine, model: Model) -> None:
    assert machine.compacted_revision == model.compacted
    assert machine.history_bytes == model.history_bytes()
    assert list(machine.events(model.compacted, 1000)) == [event for event, _ in model.events]
    for revision, state in model.states.items():
        for key in KEY_NAMES:
            assert machine.get_at(key, revision) == state.get(key)
        if revision:  # 0 means the present
            page = machine.range(ALL, revision=revision, limit=100, bytes_max=1000)
            assert list(page.items) == sorted(state.items())
            assert machine.count(ALL, revision) == len(state)
    with pytest.raises(FutureRevision):
        machine.get_at(b"a", model.revision + 1)
    with pytest.raises(Compacted):
        machine.get_at(b"a", model.compacted - 1)


@given(LOGS)
def test_agrees_with_the_model(log: list[Batch]) -> None:
    machine, model = StateMachine(), Model(LIMITS)
    for index, (stamp, commands) in enumerate(log, start=1):
        results = machine.apply(index, entry(stamp, commands))
        assert without_messages(results) == model.apply(stamp, commands)
        assert_agree(machine, model)


KEEP_ALL_S = 10_000
KEEP_ALL = Stamp(0, 10_000, KEEP_ALL_S, 10_000, KEEP_ALL_S, 1 << 20)


def knows_no_lease(command: Command) -> bool:
    """With leases, a second copy of a batch has a part in reaping."""
    if isinstance(command, Txn):
        ops = (*command.then, *command.orelse)
        return all(isinstance(op, DeleteOp) or not (op.lease or op.ttl_ms) for op in ops)
    if isinstance(command, Put):
        return not (command.lease or command.ttl_ms)
    return isinstance(command, CompareAndSet | Delete | Compact)


@given(LOGS, st.lists(st.booleans(), min_size=13, max_size=13))
def test_a_retry_of_a_whole_entry_changes_only_retention(
    log: list[Batch], twice: list[bool]
) -> None:
    """A proposal that was appended twice, under limits that forget nothing."""
    once, repeated, index = StateMachine(), StateMachine(), 0
    for number, (stamp, commands) in enumerate(log, start=1):
        data = entry(
            replace(KEEP_ALL, time_ms=stamp.time_ms + 1, quota_bytes=stamp.quota_bytes),
            [command for command in commands if knows_no_lease(command)],
        )
        first = once.apply(number, data)
        for _ in range(1 + twice[number - 1]):
            index += 1
            assert repeated.apply(index, data) == first
    assert dict(repeated._store) == dict(once._store)
    assert repeated._outcomes._by_id == once._outcomes._by_id
    assert repeated.revision == once.revision


@given(LOGS, st.integers(0, 500))
def test_a_batch_without_commands_has_something_to_do_exactly_when_it_is_due(
    log: list[Batch], later_ms: int
) -> None:
    """But for history, which may be up to ten seconds over its age."""
    machine = StateMachine()
    for index, (stamp, commands) in enumerate(log, start=1):
        machine.apply(index, entry(replace(KEEP_ALL, time_ms=stamp.time_ms + 1), commands))
    while (due_ms := machine.due_ms(KEEP_ALL)) is not None and due_ms < KEEP_ALL_S * 1000:
        early_ms = due_ms - 1
        if early_ms >= machine.time_ms:
            left, revision = len(machine._leases), machine.revision
            stamp = replace(KEEP_ALL, time_ms=early_ms)
            machine.apply(machine.applied_index + 1, entry(stamp, []))
            assert (len(machine._leases), machine.revision) == (left, revision)
        before = len(machine._leases), machine.revision
        stamp = replace(KEEP_ALL, time_ms=due_ms + later_ms)
        machine.apply(machine.applied_index + 1, entry(stamp, []))
        assert before != (len(machine._leases), machine.revision)
    assert len(machine._leases) == 0, "every lease ends"
