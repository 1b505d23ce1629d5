"""Freezing, restoring and hashing against a state machine that only ever applied the log."""

from collections.abc import Iterator
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvorum.errors import SnapshotDamaged
from kvorum.mvcc import frozen_map, history, history_segment, ordered, snapshot
from kvorum.mvcc.command import (
    UNSTAMPED,
    Command,
    Compact,
    CompareAndSet,
    Delete,
    DeleteOp,
    Introduce,
    LeaseGrant,
    LeaseKeepAlive,
    LeaseRevoke,
    Put,
    PutOp,
    Stamp,
    Txn,
    encode_batch,
    encode_command,
)
from kvorum.mvcc.query import KeyRange
from kvorum.mvcc.restore import Restore
from kvorum.mvcc.state_machine import StateMachine

KEYS = [b"k%d" % number for number in range(12)]

IDS = st.integers(0, 60).map("r{}".format)
KEY, TEXT = st.sampled_from(KEYS), st.sampled_from([b"1", b"2", b'"three"'])
MEMBER = st.sampled_from(["a:1", "b:1", "c:1#7"])
LEASE, TTL = st.sampled_from(["l1", "l2", "l3"]), st.integers(1, 6000)
ATTRIBUTES = st.sampled_from([("", 0, ""), ("", 0, "text/plain"), ("l1", 0, ""), ("", 700, "")])
PUTS = st.builds(
    lambda request_id, key, value, more: Put(
        request_id, key, value, lease=more[0], ttl_ms=more[1], content_type=more[2]
    ),
    IDS,
    KEY,
    TEXT,
    ATTRIBUTES,
)


def txn(request_id: str, puts: frozenset[bytes], start: bytes, lease: str, first: bool) -> Txn:
    """Puts, and deletes of two keys, of which some may be the same."""
    ops: list[PutOp | DeleteOp] = [PutOp(key, b"4", lease=lease) for key in sorted(puts)]
    ops.insert(0 if first else len(ops), DeleteOp(start, start + b"\xff", limit=2))
    return Txn(request_id, (), tuple(ops))


TXNS = st.builds(
    txn,
    IDS,
    st.frozensets(KEY, max_size=4),
    st.sampled_from([b"k1", b"j", b"k"]),
    st.sampled_from(["", "", "l1"]),
    st.booleans(),
)
COMMANDS = st.one_of(
    PUTS,
    PUTS,
    PUTS,
    st.builds(CompareAndSet, IDS, KEY, TEXT, TEXT),
    st.builds(Delete, IDS, KEY),
    st.builds(Delete, IDS, KEY),
    TXNS,
    st.builds(LeaseGrant, IDS, LEASE, TTL),
    st.builds(LeaseKeepAlive, IDS, LEASE),
    st.builds(LeaseRevoke, IDS, LEASE),
    st.builds(Compact, IDS, st.integers(0, 30)),
    st.builds(Introduce, IDS, MEMBER, st.sampled_from("uv"), st.sampled_from("nm")),
)
STAMPS = st.one_of(
    st.just(UNSTAMPED),
    st.builds(
        Stamp,
        st.integers(0, 20).map((500).__mul__),
        st.integers(0, 12),
        st.integers(0, 4),
        st.integers(0, 30),
        st.integers(0, 10),
        st.sampled_from([0, 3000, 1 << 40]),
        st.sampled_from([0, 0, 20, 40]),
    ),
)
Batch = tuple[Stamp, list[Command]]
Step = Batch | frozenset[str] | None
"""A batch, the members of a membership, or nothing."""
STEPS = st.one_of(
    st.tuples(STAMPS, st.lists(COMMANDS, min_size=1, max_size=10)),
    st.tuples(STAMPS, st.lists(COMMANDS, min_size=1, max_size=10)),
    st.frozensets(MEMBER),
    st.none(),
)
LOGS = st.lists(STEPS, max_size=12)


@pytest.fixture(autouse=True, scope="module")
def _small_blocks() -> Iterator[None]:
    """So that a few items fill several of them."""
    with (
        patch.object(snapshot, "BLOCK_ITEMS", 3),
        patch.object(frozen_map, "READ_ITEMS", 2),
        patch.multiple(ordered, CHUNK_KEYS=4, _LOADED_KEYS=3, _SHORT_KEYS=1),
        patch.multiple(history, SEGMENT_BYTES=1000, SWEEP_EVENTS=2, _STRIDE=2),
        patch.object(history_segment, "FEW_EVENTS", 1),
    ):
        yield


def apply(machine: StateMachine, step: Step) -> None:
    index = machine.applied_index + 1
    match step:
        case None:
            machine.apply_noop(index)
        case frozenset():
            machine.apply_membership(index, step)
        case (stamp, commands):
            machine.apply(index, encode_batch([encode_command(c) for c in commands], stamp))


def after(log: list[Step]) -> StateMachine:
    machine = StateMachine()
    for step in log:
        apply(machine, step)
    return machine


def blocks_of(machine: StateMachine) -> list[bytes]:
    frozen = machine.freeze()
    blocks = list(frozen.blocks())
    frozen.close()
    return blocks


def restored(blocks: list[bytes]) -> StateMachine:
    restore = Restore()
    for block in blocks:
        restore.add(block)
    return restore.finish()


NUMBERS = (
    "applied_index",
    "revision",
    "compacted_revision",
    "history_revisions",
    "history_bytes",
    "time_ms",
    "key_count",
    "size_bytes",
    "is_full",
    "lease_count",
    "outcome_count",
    "state_hash",
)


def assert_same(one: StateMachine, other: StateMachine) -> None:
    assert list(one._store) == list(other._store)
    assert list(one._store._history.view()) == list(other._store._history.view())
    assert list(one._outcomes) == list(other._outcomes)
    assert one._outcomes._by_id == other._outcomes._by_id
    assert one._outcomes.forgotten_index == other._outcomes.forgotten_index
    assert one.members == other.members
    assert leases_of(one) == leases_of(other)
    assert {name: getattr(one, name) for name in NUMBERS} == {
        name: getattr(other, name) for name in NUMBERS
    }
    assert answers(one) == answers(other)
    assert blocks_of(one) == blocks_of(other)


def leases_of(machine: StateMachine) -> list[object]:
    return [
        (lease.id, lease.ttl_ms, lease.deadline_ms, lease.keys(100)) for lease in machine._leases
    ]


def answers(machine: StateMachine) -> list[object]:
    """About the whole past."""
    everything, revisions = KeyRange(b"", None), range(machine.compacted_revision, machine.revision)
    pages = [
        machine.range(everything, revision=revision, limit=9, bytes_max=1000, reverse=reverse)
        for revision in revisions
        for reverse in (False, True)
    ]
    return [
        pages,
        [machine.count(everything, revision) for revision in revisions],
        [machine.events(revision, 1) for revision in revisions],
    ]


def assert_shared(machine: StateMachine) -> None:
    """No value is kept twice: an event holds the record that the one before it made."""
    newest: dict[bytes, object] = {}
    for event, _ in machine._store._history.view():
        if event.key in newest:
            assert event.previous is newest[event.key]
        newest[event.key] = event.record
    assert all(machine.get(key) is record for key, record in newest.items())


@given(LOGS, st.data())
def test_frozen_anywhere_and_read_while_the_log_goes_on(
    log: list[Step], data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(log)), "frozen after")
    machine = after(log[:start])
    frozen = machine.freeze()
    reading = frozen.blocks()
    got: list[bytes] = []
    for step in log[start:]:
        for _ in range(data.draw(st.integers(0, 3), "blocks read")):
            got.extend(block for block in [next(reading, None)] if block is not None)
        apply(machine, step)
    got.extend(reading)
    frozen.close()
    stopped = after(log[:start])
    assert (frozen.applied_index, frozen.state_hash) == (start, stopped.state_hash)
    assert got == blocks_of(stopped)
    assert_same(restored(got), stopped)
    assert_same(machine, after(log))
    assert_shared(machine)
    assert_shared(restored(got))


@given(LOGS, LOGS, LOGS)
def test_restoring_and_going_on_is_as_if_nothing_had_happened(
    first: list[Step], second: list[Step], third: list[Step]
) -> None:
    machine = restored(blocks_of(after(first)))
    for step in second:
        apply(machine, step)
    newer = StateMachine()
    newer.adopt(restored(blocks_of(machine)))
    for step in third:
        apply(newer, step)
    assert_same(newer, after([*first, *second, *third]))


@given(LOGS, LOGS)
def test_hashes_are_equal_exactly_for_equal_states(one: list[Step], other: list[Step]) -> None:
    a, b = after(one), after(other)
    assert (a.state_hash == b.state_hash) == (blocks_of(a) == blocks_of(b))


@given(LOGS, st.data())
def test_damage_is_noticed(log: list[Step], data: st.DataObject) -> None:
    """Unless it means the same."""
    blocks = blocks_of(after(log))
    number = data.draw(st.integers(0, len(blocks) - 1), "block")
    block = blocks[number]
    place = data.draw(st.integers(0, len(block) - 1), "place")
    byte = data.draw(st.integers(1, 255), "flipped bits")
    damaged = block[:place] + bytes((block[place] ^ byte,)) + block[place + 1 :]
    try:
        copy = restored([*blocks[:number], damaged, *blocks[number + 1 :]])
    except SnapshotDamaged:
        return
    # MessagePack can write a number in several ways: signed or not, for instance.
    assert blocks_of(copy) == blocks


@given(st.lists(st.binary(max_size=60), max_size=4))
def test_foreign_bytes_are_refused(blocks: list[bytes]) -> None:
    with pytest.raises(SnapshotDamaged):
        restored(blocks)
