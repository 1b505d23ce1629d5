"""What each command does to the state, and that each request id does it once."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from kvorum.errors import Compacted
from kvorum.mvcc.charge import KEY_BYTES
from kvorum.mvcc.command import (
    UNSTAMPED,
    Command,
    Compact,
    CompareAndSet,
    Delete,
    Put,
    Stamp,
    encode_batch,
    encode_command,
)
from kvorum.mvcc.history import SWEEP_EVENTS
from kvorum.mvcc.outcome import Outcome, Status
from kvorum.mvcc.state_machine import StateMachine
from kvorum.mvcc.store import Record

STAMP = Stamp(time_ms=5_000, outcomes_count_max=100, outcomes_age_s_max=60)

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


def test_put_creates_and_overwrites(machine: StateMachine, apply: Apply) -> None:
    assert apply(Put("a", b"k", b"1"), Put("b", b"k", b"2")) == [
        Outcome("a", Status.SUCCESS, "success", revision=1, time_ms=5_000, changed=1),
        Outcome("b", Status.SUCCESS, "success", revision=2, time_ms=5_000, changed=1),
    ]
    assert machine.get(b"k") == Record(b"2", create_revision=1, mod_revision=2, version=2)


def test_compare_and_set_compares_values_not_texts(machine: StateMachine, apply: Apply) -> None:
    apply(Put("a", b"k", b'{"x":1,"y":[]}'))
    [outcome] = apply(CompareAndSet("b", b"k", b'{ "y": [], "x": 1.0 }', b"2"))
    assert outcome.success
    assert machine.get(b"k") == Record(b"2", create_revision=1, mod_revision=2, version=2)


def test_compare_and_set_of_another_value_changes_nothing(
    machine: StateMachine, apply: Apply
) -> None:
    apply(Put("a", b"k", b"1"))
    before = machine.get(b"k")
    [outcome] = apply(CompareAndSet("b", b"k", b"true", b"2"))
    assert outcome == Outcome("b", Status.VALUE_MISMATCH, "old value does not match", 1, 5_000)
    assert not outcome.success
    assert machine.get(b"k") is before


@pytest.mark.parametrize("command", [CompareAndSet("b", b"a/b", b"1", b"2"), Delete("b", b"a/b")])
def test_missing_key_is_named(
    machine: StateMachine, apply: Apply, command: CompareAndSet | Delete
) -> None:
    apply(Put("a", b"k", b"1"))
    message = 'key "a/b" doesn\'t exist'
    assert apply(command) == [Outcome("b", Status.KEY_NOT_FOUND, message, 1, 5_000)]
    assert (machine.revision, machine.key_count) == (1, 1)


def test_key_that_is_not_utf8_has_a_message_too(apply: Apply) -> None:
    [outcome] = apply(Delete("a", b"\xff"))
    assert outcome.message == 'key "\\xff" doesn\'t exist'


def test_delete_removes(machine: StateMachine, apply: Apply) -> None:
    apply(Put("a", b"k", b"1"))
    assert apply(Delete("b", b"k")) == [Outcome("b", Status.SUCCESS, "success", 2, 5_000, 1)]
    assert machine.get(b"k") is None
    assert (machine.key_count, machine.size_bytes, machine.revision) == (0, 0, 2)


def test_a_request_id_is_applied_once_and_keeps_its_first_outcome(
    machine: StateMachine, apply: Apply
) -> None:
    """Thesis §6.3."""
    [first] = apply(Put("a", b"k", b"1"))
    apply(Put("b", b"k", b"2"))
    assert apply(Put("a", b"k", b"1")) == [first]
    assert apply(Delete("a", b"k")) == [first]  # the id decides, not what comes with it
    assert machine.get(b"k") == Record(b"2", create_revision=1, mod_revision=2, version=2)
    assert machine.outcome("a") == first


def test_a_failure_is_remembered_as_well(machine: StateMachine, apply: Apply) -> None:
    [first] = apply(Delete("a", b"k"))
    apply(Put("b", b"k", b"1"))
    assert apply(Delete("a", b"k")) == [first]
    assert machine.get(b"k") is not None


def test_duplicates_within_a_batch(machine: StateMachine, apply: Apply) -> None:
    stamp = Stamp(5_000, outcomes_count_max=1, outcomes_age_s_max=60)
    put, other = Put("a", b"k", b"1"), Put("b", b"k", b"2")
    outcomes = apply(put, other, put, stamp=stamp)  # even if fewer are kept afterwards
    assert [outcome.revision for outcome in outcomes] == [1, 2, 1]
    assert (machine.revision, machine.outcome_count) == (2, 1)
    assert machine.outcome("a") is None


def test_forgotten_request_id_is_applied_again(machine: StateMachine, apply: Apply) -> None:
    """The price of a bounded table; the bound is documented to clients."""
    apply(Put("a", b"k", b"1"))
    apply(stamp=Stamp(65_001, 100, 60))
    assert machine.outcome("a") is None
    [again] = apply(Put("a", b"k", b"1"), stamp=Stamp(65_002, 100, 60))
    assert again.revision == 2


def test_indexes_are_applied_in_order_without_gaps(machine: StateMachine) -> None:
    machine.apply_noop(1)
    machine.apply(2, encode_batch([], STAMP))
    for index in (0, 1, 2, 4):
        with pytest.raises(AssertionError, match=f"entry {index} applied where 3 was next"):
            machine.apply(index, encode_batch([], STAMP))
        with pytest.raises(AssertionError, match=f"entry {index} applied where 3 was next"):
            machine.apply_noop(index)
    assert machine.applied_index == 2


def test_unreadable_batch_leaves_the_state_alone(machine: StateMachine, apply: Apply) -> None:
    apply(Put("a", b"k", b"1"))
    good = encode_batch([encode_command(Put("b", b"k", b"2"))], STAMP)
    with pytest.raises(ValueError, match="batch"):
        machine.apply(2, good[:-1])
    assert (machine.applied_index, machine.revision, machine.outcome_count) == (1, 1, 1)


def test_figures_for_metrics(machine: StateMachine, apply: Apply) -> None:
    apply(Put("a", b"k1", b"12"), Put("b", b"k2", b"345"), Delete("c", b"k3"))
    assert (machine.key_count, machine.size_bytes, machine.outcome_count) == (
        2,
        2 * KEY_BYTES + 9,
        3,
    )


def some_state_digest() -> str:
    """Digest of everything that follows from a fixed log, printed by a child process."""
    machine = StateMachine()
    for index in range(1, 200):
        key, request_id = b"k%d" % (index % 17), f"r{index % 150}"
        commands: list[Command] = [
            Put(request_id, key, b'{"n":%d,"m":null}' % (index % 3)),
            CompareAndSet(f"c{index}", key, b'{"m":null,"n":1.0}', b"[]"),
            Delete(f"d{index}", b"k%d" % (index % 5)),
        ]
        stamp = Stamp(index * 1_000, 100, 20)
        machine.apply(index, encode_batch([encode_command(c) for c in commands], stamp))
    state = (
        list(machine._store),
        list(machine._outcomes),
        (machine.revision, machine.size_bytes, machine._outcomes.now_ms),
        machine.state_hash,
    )
    return hashlib.sha256(repr(state).encode()).hexdigest()


def test_state_does_not_depend_on_the_process() -> None:
    """Two processes with different hash seeds reach the same state in the same order."""
    program = "import runpy, sys; print(runpy.run_path(sys.argv[1])['some_state_digest'](), end='')"
    digests = [
        subprocess.run(
            [sys.executable, "-c", program, __file__],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        for seed in ("1", "2")
    ]
    assert digests == [some_state_digest()] * 2


def test_a_command_whose_earlier_attempt_may_be_forgotten_is_refused() -> None:
    """Otherwise a node's own second attempt could apply what the first one applied (§6.3)."""
    machine = StateMachine()
    keep_one = Stamp(1, 1, 60)
    late = encode_command(Put("late", b"k", b"1", after_index=0))
    machine.apply(1, encode_batch([late], keep_one))
    machine.apply(2, encode_batch([encode_command(Put("other", b"o", b"1"))], keep_one))
    assert machine.outcome("late") is None, "the outcome of the first attempt is forgotten"
    [outcome] = machine.apply(3, encode_batch([late], keep_one))
    assert outcome.status is Status.EXPIRED
    record = machine.get(b"k")
    assert record is not None
    assert record.version == 1
    assert machine.outcome("late") is None, "a refusal is no outcome"


def test_a_command_younger_than_everything_forgotten_is_executed() -> None:
    machine = StateMachine()
    keep_one = Stamp(1, 1, 60)
    for index in (1, 2):
        command = encode_command(Put(f"r{index}", b"k", b"1", after_index=index - 1))
        [outcome] = machine.apply(index, encode_batch([command], keep_one))
        assert outcome.success


HISTORY = Stamp(
    5_000, 100, 60, history_revisions_max=3, history_age_s_max=60, history_bytes_max=10**6
)


def test_history_is_kept_as_the_stamp_says(machine: StateMachine, apply: Apply) -> None:
    for n in range(5):
        apply(Put(f"r{n}", b"k", b"%d" % n), stamp=HISTORY)
    assert (machine.compacted_revision, machine.history_revisions) == (2, 3)
    assert [event.revision for event in machine.events(2, 10)] == [3, 4, 5]
    record = machine.get_at(b"k", 2)
    assert record is not None
    assert record.value == b"1"
    apply(stamp=replace(HISTORY, time_ms=65_000))
    assert machine.history_revisions == 3
    apply(stamp=replace(HISTORY, time_ms=65_001))
    assert (machine.history_revisions, machine.history_bytes) == (0, 0)
    with pytest.raises(Compacted):
        machine.get_at(b"k", 4)


def test_compaction(machine: StateMachine, apply: Apply) -> None:
    stamp = replace(HISTORY, history_revisions_max=100)
    apply(*(Put(f"r{n}", b"k", b"%d" % n) for n in range(5)), stamp=stamp)
    done, again, below, above = apply(
        Compact("a", 3), Compact("b", 3), Compact("c", 2), Compact("d", 6), stamp=stamp
    )
    assert done == Outcome("a", Status.SUCCESS, "success", 5, 5_000, 0)
    assert again.success
    assert (below.status, below.message) == (
        Status.COMPACTED,
        "revision 2 is compacted; the oldest one left is 3",
    )
    assert (above.status, above.message) == (
        Status.FUTURE_REVISION,
        "revision 6 is not there yet; the newest one is 5",
    )
    assert (machine.compacted_revision, machine.revision) == (3, 5)


KEEP_NONE = replace(HISTORY, history_revisions_max=0, history_bytes_max=0, history_age_s_max=0)


def test_no_entry_forgets_the_events_that_it_made(machine: StateMachine, apply: Apply) -> None:
    """Watchers look at them between two entries."""
    apply(Put("a", b"k", b"1"), stamp=KEEP_NONE)
    apply(*(Put(f"r{n}", b"k", b"%d" % n) for n in range(5)), stamp=KEEP_NONE)
    assert (machine.revision, machine.compacted_revision) == (6, 1)
    assert [event.revision for event in machine.events(1, 10)] == [2, 3, 4, 5, 6]
    assert machine.due_ms(KEEP_NONE) == machine.time_ms, "what is left over is due"
    apply(stamp=KEEP_NONE)
    assert (machine.compacted_revision, machine.history_bytes) == (6, 0)
    assert machine.due_ms(KEEP_NONE) is None


def test_a_compaction_keeps_the_events_of_its_own_entry(
    machine: StateMachine, apply: Apply
) -> None:
    stamp = replace(HISTORY, history_revisions_max=100)
    apply(Put("a", b"k", b"1"), Put("b", b"k", b"2"), stamp=stamp)
    *_, compacted = apply(Put("c", b"k", b"3"), Put("d", b"k", b"4"), Compact("e", 4), stamp=stamp)
    assert (compacted.status, compacted.revision) == (Status.SUCCESS, 4)
    assert machine.compacted_revision == 2
    assert [event.revision for event in machine.events(2, 10)] == [3, 4]


def test_memory_that_a_compaction_could_not_give_back_at_once_is_due(
    machine: StateMachine, apply: Apply
) -> None:
    stamp = replace(HISTORY, history_revisions_max=10**6, history_bytes_max=10**9)
    for n in range(20):
        apply(*(Put(f"{n}-{m}", b"k", b"1") for m in range(1_000)), stamp=stamp)
    apply(Compact("c", machine.revision), stamp=stamp)
    batches = 0
    while machine.due_ms(stamp) == machine.time_ms:
        apply(stamp=stamp)
        batches += 1
    assert 2 <= batches <= 20_000 // SWEEP_EVENTS
    assert len(machine._store._history._segments) == 1


def test_history_is_due_some_seconds_after_its_age(machine: StateMachine, apply: Apply) -> None:
    assert machine.due_ms(HISTORY) is None
    apply(Put("a", b"k", b"1"), stamp=HISTORY)
    assert machine.due_ms(HISTORY) == 5_000 + 60_000 + 10_000
    apply(stamp=replace(HISTORY, time_ms=75_000))
    assert machine.due_ms(HISTORY) is None


@pytest.mark.parametrize("field", ["history_revisions_max", "history_bytes_max"])
def test_history_over_a_lower_limit_is_due_at_once(
    machine: StateMachine, apply: Apply, field: str
) -> None:
    apply(Put("a", b"k", b"1"), Put("b", b"k", b"2"), stamp=HISTORY)
    lower = replace(HISTORY, **{field: 1})
    due_ms = machine.due_ms(lower)
    assert due_ms == machine.time_ms
    apply(stamp=lower)
    assert machine.due_ms(lower) != due_ms


def test_a_batch_without_a_stamp_forgets_nothing(machine: StateMachine, apply: Apply) -> None:
    apply(Put("a", b"k", b"1"), stamp=HISTORY)
    apply(Put("b", b"k", b"2"), stamp=UNSTAMPED)
    assert (machine.history_revisions, machine.outcome_count, machine.time_ms) == (2, 2, 5_000)


def test_a_value_with_a_content_type_matches_no_json(machine: StateMachine, apply: Apply) -> None:
    apply(Put("a", b"k", b"1", content_type="text/plain"))
    [outcome] = apply(CompareAndSet("b", b"k", b"1", b"2"))
    assert outcome.status is Status.VALUE_MISMATCH
    apply(Put("c", b"k", b"1"))
    [outcome] = apply(CompareAndSet("d", b"k", b"1", b"2"))
    assert outcome.success


def test_a_state_from_a_backup_refuses_what_was_under_way(
    machine: StateMachine, apply: Apply
) -> None:
    apply(Put("a", b"k", b"1", after_index=0), Put("t", b"l", b"1", ttl_ms=9_000), stamp=HISTORY)
    machine.rebase(1_000)
    assert (machine.revision, machine.compacted_revision) == (1_002, 1_002)
    old, new = apply(
        Put("a", b"k", b"1", after_index=0), Put("b", b"k", b"2", after_index=1), stamp=HISTORY
    )
    assert (old.status, new.status, new.revision) == (Status.EXPIRED, Status.SUCCESS, 1_003)
    assert machine.get(b"k") == Record(b"2", create_revision=1, mod_revision=1_003, version=2)
    assert machine.lease_count == 1
