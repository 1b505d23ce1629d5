"""Replicas that are fed the same entries hold the same, whichever way they came there."""

from collections.abc import Iterator
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from kvorum.mvcc import snapshot, state_machine
from kvorum.mvcc.restore import Restore
from kvorum.mvcc.snapshot import FrozenState
from kvorum.mvcc.state_machine import StateMachine
from tests.support.mvcc_commands import LOGS, Batch, entry, small_limits


@pytest.fixture(autouse=True, scope="module")
def _small_limits() -> Iterator[None]:
    """And small blocks, so that a few items fill several of them."""
    with small_limits(), patch.object(snapshot, "BLOCK_ITEMS", 3):
        yield


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


class Replica:
    """Applies the log; now and then it takes a snapshot, or starts anew from one."""

    def __init__(self) -> None:
        self.machine = StateMachine()
        self.frozen: FrozenState | None = None
        self.reading: Iterator[bytes] = iter(())

    def act(self, action: str) -> None:
        match action:
            case "freeze" if self.frozen is None:
                self.frozen = self.machine.freeze()
                self.reading = self.frozen.blocks()
            case "read":
                next(self.reading, None)
            case "restart":
                self.stop_reading()
                self.machine = restored(blocks_of(self.machine))
            case "adopt":
                self.stop_reading()
                newer = restored(blocks_of(self.machine))
                self.machine = StateMachine()
                self.machine.adopt(newer)

    def stop_reading(self) -> None:
        if self.frozen is not None:
            self.frozen.close()
            self.frozen, self.reading = None, iter(())


ACTIONS = st.lists(st.sampled_from(["freeze", "read", "restart", "adopt"]), max_size=3)


@given(LOGS, st.lists(ACTIONS, min_size=13, max_size=13))
def test_equal_at_every_index(log: list[Batch], actions: list[list[str]]) -> None:
    plain, other = StateMachine(), Replica()
    for index, ((stamp, commands), between) in enumerate(zip(log, actions, strict=False), start=1):
        data = entry(stamp, commands)
        assert other.machine.apply(index, data) == plain.apply(index, data)
        assert other.machine.state_hash == plain.state_hash
        if not between:
            other.stop_reading()
            assert blocks_of(other.machine) == blocks_of(plain)
        for action in between:
            other.act(action)


@given(LOGS, st.integers(1, 12))
def test_puts_come_to_the_same_together_and_one_by_one(log: list[Batch], late: int) -> None:
    """Also if they were on their way while so many entries were appended."""
    together, single = StateMachine(), StateMachine()
    for index, (stamp, commands) in enumerate(log, start=1):
        after = max(0, index - late)
        data = entry(stamp, [replace(command, after_index=after) for command in commands])
        outcomes = together.apply(index, data)
        with patch.object(state_machine, "PUTS_MIN", 1 << 30):
            assert single.apply(index, data) == outcomes
        assert single.state_hash == together.state_hash
    assert blocks_of(single) == blocks_of(together)


@settings(max_examples=50)
@given(LOGS, LOGS)
def test_a_snapshot_is_that_of_its_moment(log: list[Batch], later: list[Batch]) -> None:
    machine = StateMachine()
    for index, (stamp, commands) in enumerate(log, start=1):
        machine.apply(index, entry(stamp, commands))
    expected = blocks_of(machine)
    frozen = machine.freeze()
    reading = frozen.blocks()
    blocks: list[bytes] = []
    for index, (stamp, commands) in enumerate(later, start=machine.applied_index + 1):
        machine.apply(index, entry(stamp, commands))
        blocks.extend(block for block in [next(reading, None)] if block)
    blocks.extend(reading)
    assert blocks == expected
    assert restored(blocks).state_hash == frozen.state_hash


@settings(max_examples=50)
@given(LOGS, st.integers(0, 1000), LOGS)
def test_a_rebased_state_keeps_keys_and_leases_and_goes_on(
    log: list[Batch], bump: int, later: list[Batch]
) -> None:
    machine = StateMachine()
    for index, (stamp, commands) in enumerate(log, start=1):
        machine.apply(index, entry(stamp, commands))
    before = dict(machine._store), list(machine._leases._ids), machine.is_full
    revision, time_ms = machine.revision, machine.time_ms
    machine.rebase(bump)
    assert (dict(machine._store), list(machine._leases._ids), machine.is_full) == before
    assert machine.revision == machine.compacted_revision == revision + bump
    assert (machine.outcome_count, machine.history_revisions, machine.history_bytes) == (0, 0, 0)
    assert (dict(machine.members), machine.time_ms) == ({}, time_ms)
    twin = restored(blocks_of(machine))
    for index, (stamp, commands) in enumerate(later, start=machine.applied_index + 1):
        data = entry(stamp, commands)
        assert machine.apply(index, data) == twin.apply(index, data)
    assert blocks_of(machine) == blocks_of(twin)
