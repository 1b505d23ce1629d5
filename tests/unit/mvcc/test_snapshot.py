"""A frozen state: what its blocks hold, and that going on does not disturb it."""

import gc
from zlib import crc32

import pytest

from kvorum.errors import SnapshotDamaged
from kvorum.mvcc.command import (
    Command,
    Delete,
    Introduce,
    Put,
    Stamp,
    encode_batch,
    encode_command,
)
from kvorum.mvcc.restore import Restore
from kvorum.mvcc.snapshot import BLOCK_BYTES, BLOCK_ITEMS, OutcomeBlock, RecordBlock, decode_block
from kvorum.mvcc.state_machine import StateMachine
from kvorum.mvcc.store import SHARDS, shard_of

STAMP = Stamp(5_000, 10_000, 60)

BLOCKS = [
    (
        "01 9a 00 04 03 cd 17 70 01 02 07 04 cf 2e fa 31 cc f1 64 8c 66 81 a3 68 3a 31 92 a3 75 69 "
        "64 a4 6e 61 6d 65"
    ),
    (
        "92 01 94 96 a1 62 00 a7 73 75 63 63 65 73 73 02 cd 13 88 01 96 a1 63 01 b6 6b 65 79 20 22 "
        "6b 33 22 20 64 6f 65 73 6e 27 74 20 65 78 69 73 74 02 cd 13 88 01 96 a1 64 00 a7 73 75 63 "
        "63 65 73 73 02 cd 13 88 02 96 a1 65 00 a7 73 75 63 63 65 73 73 03 cd 13 88 02"
    ),
    (
        "92 02 92 92 cd 01 13 81 c4 02 6b 32 94 c4 03 22 78 22 02 02 01 92 cd 03 5d 81 c4 01 6b 94 "
        "c4 01 32 01 03 02"
    ),
]


def apply(machine: StateMachine, *commands: Command, stamp: Stamp = STAMP) -> None:
    data = encode_batch([encode_command(command) for command in commands], stamp)
    machine.apply(machine.applied_index + 1, data)


def put(machine: StateMachine, *keys: bytes, value: bytes = b"1") -> None:
    index = machine.applied_index
    apply(machine, *(Put(f"r{index}-{n}", key, value) for n, key in enumerate(keys)))


def frozen(machine: StateMachine) -> list[bytes]:
    state = machine.freeze()
    blocks = list(state.blocks())
    state.close()
    return blocks


def restored(blocks: list[bytes]) -> StateMachine:
    restore = Restore()
    for block in blocks:
        restore.add(block)
    return restore.finish()


def small_machine() -> StateMachine:
    machine = StateMachine()
    apply(machine, Put("a", b"k", b"1"), Put("b", b"k2", b'"x"'), Delete("c", b"k3"))
    apply(machine, Introduce("d", "h:1", "uid", "name"), Put("e", b"k", b"2"))
    apply(machine, stamp=Stamp(6_000, 4, 60))
    machine.apply_noop(4)
    return machine


def keys_of_shard(number: int, count: int) -> list[bytes]:
    keys: list[bytes] = []
    candidate = 0
    while len(keys) < count:
        key = b"key-%d" % candidate
        if shard_of(crc32(key)) == number:
            keys.append(key)
        candidate += 1
    return keys


def test_bytes_are_those_of_version_1() -> None:
    """Snapshots of earlier releases hold these bytes: a change needs a new version."""
    assert [block.hex(" ") for block in frozen(small_machine())] == BLOCKS


def test_restored_state_has_everything() -> None:
    machine = small_machine()
    copy = restored(frozen(machine))
    assert dict(copy._store) == dict(machine._store)
    assert list(copy._outcomes) == list(machine._outcomes)
    assert copy.members == machine.members
    for name in ("applied_index", "revision", "time_ms", "key_count", "size_bytes", "state_hash"):
        assert getattr(copy, name) == getattr(machine, name)
    assert copy._outcomes.forgotten_index == machine._outcomes.forgotten_index == 1


def test_empty_state() -> None:
    blocks = frozen(StateMachine())
    assert len(blocks) == 1
    assert restored(blocks).state_hash == StateMachine().state_hash


def test_equal_states_make_equal_bytes_whichever_way_they_came_about() -> None:
    one, other = StateMachine(), StateMachine()
    a, b = Introduce("a", "a:1", "u", "n"), Introduce("b", "b:1", "v", "m")
    keep_none = Stamp(5_000, 0, 60)
    apply(one, a, b, stamp=keep_none)
    apply(other, b, a, stamp=keep_none)
    assert one.state_hash == other.state_hash
    assert frozen(one) == frozen(other)


def test_writes_do_not_show_in_what_was_frozen() -> None:
    machine = StateMachine()
    put(machine, *(b"key-%d" % number for number in range(3000)))
    expected = frozen(machine)
    state = machine.freeze()
    blocks, got = state.blocks(), []
    for step, block in enumerate(blocks):
        got.append(block)
        put(machine, b"key-%d" % step, b"key-%d" % (step * 97 % 3000), b"new-%d" % step, value=b"2")
        apply(machine, Delete(f"d{step}", b"key-%d" % (2999 - step)))
    assert got == expected
    state.close()
    assert frozen(machine) == frozen(restored(frozen(machine))) != expected


def test_blocks_are_bounded_in_bytes_and_items() -> None:
    machine = StateMachine()
    put(machine, *(b"key-%d" % number for number in range(2000)))
    put(machine, *(b"large-%d" % number for number in range(40)), value=b'"%s"' % (b"x" * 50_000))
    for block in frozen(machine)[1:]:
        match decode_block(block):
            case OutcomeBlock(rows):
                assert 0 < len(rows) <= BLOCK_ITEMS
            case RecordBlock(shards):
                assert 0 < sum(len(records) for _number, records in shards) <= BLOCK_ITEMS
        assert len(block) < BLOCK_BYTES + 50_000 + 30 * BLOCK_ITEMS


def test_shard_of_several_blocks() -> None:
    machine = StateMachine()
    put(machine, *keys_of_shard(SHARDS - 1, BLOCK_ITEMS + 3))
    assert len(frozen(machine)) == 1 + 2 + 2
    assert restored(frozen(machine)).state_hash == machine.state_hash


def test_a_write_costs_the_same_while_frozen_however_many_keys_its_shard_has() -> None:
    """One former record is kept per key, at its first write, and none of what was read."""
    machine = StateMachine()
    keys = keys_of_shard(7, 50)
    put(machine, *keys)
    state = machine.freeze()
    put(machine, keys[0], keys[0], keys[1], b"other")
    assert sum(len(former) for former in state._view._former.values()) == 3
    for _block in state.blocks():
        put(machine, keys[2], keys[3])
    assert state._view._former == {}
    state.close()


def test_one_frozen_state_at_a_time() -> None:
    machine = small_machine()
    first = machine.freeze()
    with pytest.raises(AssertionError, match="one view of a store at a time"):
        machine.freeze()
    first.close()
    second = machine.freeze()
    first.close()  # again: the second one is still open
    assert machine._store._view is second._view
    second.close()
    assert machine._store._view is None


def test_a_closed_state_does_not_pretend_to_be_complete() -> None:
    state = small_machine().freeze()
    blocks = state.blocks()
    next(blocks)
    state.close()
    with pytest.raises(AssertionError, match="closed state"):
        next(blocks)


def test_adopting_takes_over_in_place_and_leaves_what_was_frozen() -> None:
    machine, other = small_machine(), StateMachine()
    put(other, b"theirs")
    blocks, former, hash_ = frozen(machine), machine.state_hash, other.state_hash
    state = machine.freeze()
    machine.adopt(other)
    assert (machine.state_hash, other.state_hash) == (hash_, former)
    put(machine, b"k")
    assert list(state.blocks()) == blocks
    put(other, b"k")
    state.close()
    assert machine.get(b"theirs") is not None
    frozen(machine)  # nothing of the former state is in the way


def test_drained_in_steps() -> None:
    machine = StateMachine()
    put(machine, *(b"key-%d" % number for number in range(3000)))
    state = machine.freeze()
    with pytest.raises(AssertionError, match="still reads"):
        list(machine.drain())
    state.close()
    assert sum(1 for _ in machine.drain()) >= SHARDS
    assert list(machine._store) == []


def test_garbage_collector_does_not_see_restored_records() -> None:
    machine = StateMachine()
    put(machine, *(b"key-%d" % number for number in range(3000)))
    copy = restored(frozen(machine))
    gc.collect()
    assert not any(gc.is_tracked(shard) for shard in copy._store._shards)
    assert not gc.is_tracked(copy._outcomes._by_id)


# --- damage ----------------------------------------------------------------------------


def test_every_flipped_bit_is_noticed() -> None:
    """Even without the checksum of the file that holds the blocks."""
    blocks = frozen(small_machine())
    for number, block in enumerate(blocks):
        for position in range(len(block) * 8):
            damaged = bytearray(block)
            damaged[position // 8] ^= 1 << position % 8
            with pytest.raises(SnapshotDamaged):
                restored([*blocks[:number], bytes(damaged), *blocks[number + 1 :]])


def test_missing_repeated_and_cut_blocks_are_noticed() -> None:
    blocks = frozen(small_machine())
    assert len(blocks) == 3
    wrong = [blocks[:2], blocks[1:], [blocks[0], blocks[2]], [*blocks, blocks[1]]]
    wrong += [[*blocks, blocks[2]], [*blocks, blocks[0]], [], [b""], [*blocks, b""]]
    wrong += [[*blocks[:2], blocks[2][:length]] for length in range(len(blocks[2]))]
    wrong += [[*blocks[:2], blocks[2] + b"\x00"], [blocks[0] + b"\x00", *blocks[1:]]]
    for sequence in wrong:
        with pytest.raises(SnapshotDamaged):
            restored(sequence)


def test_outcomes_out_of_order_are_noticed() -> None:
    """A sum would not notice, but they would be forgotten in another order."""
    machine = StateMachine()
    for number in range(BLOCK_ITEMS + 1):
        put(machine, b"key-%d" % number)
    head, first, second, *records = frozen(machine)
    with pytest.raises(SnapshotDamaged, match="order of the log"):
        restored([head, second, first, *records])


def test_another_version_is_refused_by_number() -> None:
    head, *others = frozen(small_machine())
    with pytest.raises(SnapshotDamaged, match="state version 2: this release reads version 1"):
        restored([b"\x02" + head[1:], *others])


def test_a_key_in_the_wrong_shard_is_noticed() -> None:
    """It would be in the state and never be found."""
    machine = StateMachine()
    put(machine, b"k")
    [head, outcomes, records] = frozen(machine)
    number = shard_of(crc32(b"k"))
    assert number > 255, "two bytes in MessagePack"
    moved = records.replace(number.to_bytes(2, "big"), (number ^ 1).to_bytes(2, "big"), 1)
    with pytest.raises(SnapshotDamaged, match=f"a key of shard {number} is in shard {number ^ 1}"):
        restored([head, outcomes, moved])
