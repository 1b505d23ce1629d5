"""Freezing, restoring and hashing against a state machine that only ever applied the log."""

from collections.abc import Iterator
from unittest.mock import patch
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvorum.errors import SnapshotDamaged
from kvorum.mvcc import snapshot
from kvorum.mvcc.command import (
    UNSTAMPED,
    Command,
    CompareAndSet,
    Delete,
    Introduce,
    Put,
    Stamp,
    encode_batch,
    encode_command,
)
from kvorum.mvcc.restore import Restore
from kvorum.mvcc.state_machine import StateMachine
from kvorum.mvcc.store import SHARDS, shard_of


def keys_of_shard(number: int, count: int) -> list[bytes]:
    keys = (b"k%d" % candidate for candidate in range(1_000_000))
    mine = (key for key in keys if shard_of(crc32(key)) == number)
    return [next(mine) for _ in range(count)]


KEYS = [*keys_of_shard(0, 3), *keys_of_shard(5, 6), *keys_of_shard(SHARDS - 1, 4)]

IDS = st.integers(0, 60).map("r{}".format)
KEY, TEXT = st.sampled_from(KEYS), st.sampled_from([b"1", b"2", b'"three"'])
MEMBER = st.sampled_from(["a:1", "b:1", "c:1#7"])
COMMANDS = st.one_of(
    st.builds(Put, IDS, KEY, TEXT),
    st.builds(Put, IDS, KEY, TEXT),
    st.builds(CompareAndSet, IDS, KEY, TEXT, TEXT),
    st.builds(Delete, IDS, KEY),
    st.builds(Introduce, IDS, MEMBER, st.sampled_from("uv"), st.sampled_from("nm")),
)
STAMPS = st.one_of(
    st.just(UNSTAMPED),
    st.builds(Stamp, st.integers(0, 20).map((500).__mul__), st.integers(0, 12), st.integers(0, 4)),
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
    """So that a few records fill several of them."""
    with patch.object(snapshot, "BLOCK_ITEMS", 3):
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


def assert_same(one: StateMachine, other: StateMachine) -> None:
    assert dict(one._store) == dict(other._store)
    assert list(one._outcomes) == list(other._outcomes)
    assert one._outcomes._by_id == other._outcomes._by_id
    assert one._outcomes.forgotten_index == other._outcomes.forgotten_index
    assert one.members == other.members
    for name in ("applied_index", "revision", "time_ms", "key_count", "size_bytes", "state_hash"):
        assert getattr(one, name) == getattr(other, name)
    assert blocks_of(one) == blocks_of(other)


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
    blocks = blocks_of(after(log))
    number = data.draw(st.integers(0, len(blocks) - 1), "block")
    block = blocks[number]
    place = data.draw(st.integers(0, len(block) - 1), "place")
    byte = data.draw(st.integers(1, 255), "flipped bits")
    damaged = block[:place] + bytes((block[place] ^ byte,)) + block[place + 1 :]
    with pytest.raises(SnapshotDamaged):
        restored([*blocks[:number], damaged, *blocks[number + 1 :]])


@given(st.lists(st.binary(max_size=60), max_size=4))
def test_foreign_bytes_are_refused(blocks: list[bytes]) -> None:
    with pytest.raises(SnapshotDamaged):
        restored(blocks)
