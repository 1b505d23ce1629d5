"""A frozen state: what its blocks hold, and that going on does not disturb it."""

import gc
import tracemalloc
from itertools import chain, islice, pairwise

import pytest
from msgspec import msgpack

from kvorum.errors import SnapshotDamaged
from kvorum.mvcc.command import (
    Command,
    Delete,
    Introduce,
    LeaseGrant,
    Put,
    PutOp,
    Stamp,
    Txn,
    encode_batch,
    encode_command,
)
from kvorum.mvcc.restore import Restore
from kvorum.mvcc.snapshot import BLOCK_BYTES, BLOCK_ITEMS, EventBlock, RecordBlock, decode_block
from kvorum.mvcc.state_machine import StateMachine
from kvorum.mvcc.store import SHARDS

STAMP = Stamp(5_000, 10_000, 60, 10_000, 60, 1 << 30)
STAMP_WITHOUT_HISTORY = Stamp(5_000, 10_000, 60, 1, 60, 1 << 30)

BLOCKS = [
    (
        "03 9d 00 06 05 01 cd 13 89 01 03 cd 04 4a 04 02 c2 cf a5 89 de bb 96 79 10 b6 81 "
        "a3 68 3a 31 92 a3 75 69 64 a4 6e 61 6d 65"
    ),
    (
        "92 01 94 97 a1 65 00 a7 73 75 63 63 65 73 73 03 cd 13 88 01 02 97 a1 66 00 a7 73 75 63 63 "
        "65 73 73 03 cd 13 88 00 03 97 a1 67 00 a7 73 75 63 63 65 73 73 04 cd 13 88 01 03 97 a1 68 "
        "00 a7 73 75 63 63 65 73 73 05 cd 13 88 02 04"
    ),
    ("92 02 92 93 a1 6c cd 01 f4 cd 15 7c 93 a5 74 74 6c 2d 35 09 cd 13 91"),
    (
        "93 03 93 c4 01 6b c4 02 6b 31 c4 02 6b 32 93 96 c4 01 32 01 03 02 a0 a0 96 c4 00 05 05 01 "
        "a5 74 74 6c 2d 35 a3 74 2f 70 96 c4 01 35 05 05 01 a1 6c a0"
    ),
    (
        "92 04 95 96 02 cd 13 88 c4 02 6b 34 02 96 c4 03 22 78 22 02 02 01 a0 a0 c0 96 03 cd 13 88 "
        "c4 01 6b 01 c0 96 c4 01 31 01 01 01 a0 a0 96 04 cd 13 88 c4 02 6b 34 00 c0 c0 96 05 cd 13 "
        "88 c4 02 6b 32 01 c0 c0 96 05 cd 13 88 c4 02 6b 31 01 c0 c0"
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
    """k was put twice, k4 came and went, k2 is in a lease; the first revision is forgotten."""
    machine = StateMachine()
    apply(machine, Put("a", b"k", b"1"), Put("b", b"k4", b'"x"'), Delete("c", b"k3"))
    apply(machine, Introduce("d", "h:1", "uid", "name"), Put("e", b"k", b"2"))
    apply(machine, LeaseGrant("f", "l", 500), Delete("g", b"k4"))
    apply(machine, Txn("h", (), (PutOp(b"k2", b"5", lease="l"), PutOp(b"k1", b"", "", 9, "t/p"))))
    apply(machine, stamp=Stamp(5_001, 4, 60, 4, 60, 1 << 30))
    machine.apply_noop(6)
    return machine


def test_bytes_are_those_of_version_3() -> None:
    """Snapshots of earlier releases hold these bytes: a change needs a new version."""
    assert [block.hex(" ") for block in frozen(small_machine())] == BLOCKS


def test_restored_state_has_everything() -> None:
    machine = small_machine()
    copy = restored(frozen(machine))
    assert list(copy._store) == list(machine._store)
    assert list(copy._store._history.view()) == list(machine._store._history.view())
    assert list(copy._outcomes) == list(machine._outcomes)
    assert copy.members == machine.members
    assert [(lease.id, lease.keys(9)) for lease in copy.leases("", 9)] == [
        ("l", (b"k2",)),
        ("ttl-5", (b"k1",)),
    ]
    for name in (
        "applied_index",
        "revision",
        "compacted_revision",
        "history_bytes",
        "time_ms",
        "key_count",
        "size_bytes",
        "lease_count",
        "is_full",
        "state_hash",
    ):
        assert getattr(copy, name) == getattr(machine, name)
    assert copy._outcomes.forgotten_index == machine._outcomes.forgotten_index == 1
    assert copy.compacted_revision == 1


def test_restored_values_are_kept_once() -> None:
    """The live record is that of its last event, and each event has that of the one before."""
    machine = restored(frozen(small_machine()))
    _, overwritten, deleted, second, first = machine.events(1, 10)
    assert (overwritten.key, deleted.key, second.key, first.key) == (b"k", b"k4", b"k2", b"k1")
    assert machine.get(b"k") is overwritten.record
    assert machine.get(b"k2") is second.record
    assert machine.get_at(b"k", 1) is overwritten.previous
    machine = StateMachine()
    put(machine, b"k", b"k", b"k", b"k2")
    one, two, three, _ = restored(frozen(machine)).events(0, 10)
    assert two.previous is one.record
    assert three.previous is two.record


def test_values_of_history_are_written_once() -> None:
    machine, values = StateMachine(), [b"%d" % number * 500 for number in range(1, 6)]
    for value in values[:4]:
        put(machine, b"k", value=value)
    apply(machine, Delete("d", b"k"))
    put(machine, b"k", value=values[4])
    whole = b"".join(frozen(machine))
    assert [whole.count(value) for value in values] == [1] * 5
    apply(machine, stamp=Stamp(5_000, 10, 60, 4, 60, 1 << 30))
    whole = b"".join(frozen(machine))
    assert [whole.count(value) for value in values] == [0, 1, 1, 1, 1]


def test_rebased_state() -> None:
    machine = small_machine()
    machine.rebase(1_000_000_000)
    copy = restored(frozen(machine))
    assert copy.revision == copy.compacted_revision == 1_000_000_005
    for other in (machine, copy):
        put(other, b"k")
    assert frozen(copy) == frozen(machine)
    assert [event.revision for event in copy.events(1_000_000_005, 9)] == [1_000_000_006]


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
    for number in range(0, BLOCK_ITEMS + 1, 100):
        grants = (LeaseGrant(f"g{n}", f"l{n}", 50) for n in range(number, number + 100))
        apply(machine, *grants)
    put(machine, *(b"large-%d" % number for number in range(40)), value=b'"%s"' % (b"y" * 50_000))
    blocks = frozen(machine)
    for block in blocks[1:]:
        decoded = decode_block(block)
        rows = decoded.keys if isinstance(decoded, RecordBlock) else decoded.rows
        assert 0 < len(rows) <= BLOCK_ITEMS
        assert len(block) < BLOCK_BYTES + 50_000 + 90 * BLOCK_ITEMS
    kinds = [type(decode_block(block)).__name__ for block in blocks[1:]]
    assert list(dict.fromkeys(kinds)) == ["OutcomeBlock", "LeaseBlock", "RecordBlock", "EventBlock"]
    assert frozen(restored(blocks)) == blocks


def test_a_write_costs_the_same_while_frozen_however_many_keys_there_are() -> None:
    """One former record is kept per key, at its first write, and none of what was read."""
    machine = StateMachine()
    keys = [b"key-%03d" % number for number in range(BLOCK_ITEMS)]
    put(machine, *keys)
    state = machine.freeze()
    put(machine, keys[0], keys[0], keys[1], b"key-1-new", b"key-behind-the-last")
    former = state._view.records._former
    assert set(former) == {keys[0], keys[1], b"key-1-new"}
    for block in islice(state.blocks(), 1, None):
        if isinstance(decode_block(block), RecordBlock):
            put(machine, keys[2], keys[3])
    assert former == {}
    state.close()


def test_what_is_forgotten_meanwhile_does_not_go_all_at_once() -> None:
    """Records and events that only the frozen state holds any more go as they are written out."""
    keys = [b"%05d" % number for number in range(6 * BLOCK_ITEMS)]
    machine = StateMachine()
    tracemalloc.start()
    try:
        put(machine, *keys, value=b"1" * 1000)
        for key in keys:
            put(machine, key, value=b"2" * 1000)
        state = machine.freeze()
        blocks = islice(state.blocks(), 1, None)  # the head is none
        while not isinstance(decode_block(next(blocks)), EventBlock):
            pass
        for key in keys:
            put(machine, key, value=b"3")
        for _ in range(4):
            apply(machine, stamp=STAMP_WITHOUT_HISTORY)
        held = [tracemalloc.get_traced_memory()[0] for _ in chain([b""], blocks, [b""])]
    finally:
        tracemalloc.stop()
    state.close()
    freed = [before - after for before, after in pairwise(held)]
    assert sum(freed) > len(keys) * 1000, "what was frozen was the last to hold it"
    assert max(freed) < sum(freed) / 4


def test_one_frozen_state_at_a_time() -> None:
    machine = small_machine()
    first = machine.freeze()
    with pytest.raises(AssertionError, match="one view of the leases at a time"):
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
    assert len(blocks) == 5
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


def rows_of(block: bytes) -> list[list[object]]:
    [_tag, rows] = msgpack.decode(block)
    return [list(row) for row in rows]


@pytest.mark.parametrize(
    ("row", "field", "value", "message"),
    [
        (0, 0, 4, "not in order"),
        (0, 0, 1, "not of its time"),
        (4, 0, 6, "not of its time"),
        (1, 1, 5_001, "not in order"),
        (4, 1, 5_002, "not in order"),
        (1, 3, 0, "history does not lead to the records"),
        (1, 3, 2, "a record too many or none"),
        (0, 3, 1, "a record too many or none"),
        (2, 3, 1, "made a record that is not there"),
        (2, 5, [b"", 2, 2, 1, "", ""], "repeats what history knows"),
        (1, 5, [b"", 1, 2, 1, "", ""], "replaces a record that history does not know"),
        (1, 5, [b"", 1, 1, 2, "", ""], "does not follow from what was before"),
        (1, 5, None, "does not follow from what was before"),
        (0, 4, [b"", 2, 3, 1, "", ""], "does not follow from what was before"),
        (0, 2, b"k5", "does not follow from what was before"),
        (0, 2, b"k", "repeats what history knows"),
    ],
)
def test_a_history_that_cannot_be_is_refused(
    row: int, field: int, value: object, message: str
) -> None:
    *blocks, events = frozen(small_machine())
    rows = rows_of(events)
    rows[row][field] = value
    with pytest.raises(SnapshotDamaged, match=message):
        restored([*blocks, msgpack.encode([4, rows])])


def test_a_history_that_does_not_lead_to_the_records_is_refused() -> None:
    *blocks, events = frozen(small_machine())
    rows = rows_of(events)
    for some in (rows[1:], rows[:1], rows[:-1], [], [*rows[:2], *rows[3:]]):
        with pytest.raises(SnapshotDamaged, match=r"history does not lead|not in order"):
            restored([*blocks, msgpack.encode([4, some])])
    twice = [*rows[:2], [*rows[1][:5], None], *rows[2:]]
    with pytest.raises(SnapshotDamaged, match="a present record was replaced"):
        restored([*blocks, msgpack.encode([4, twice])])


def test_another_version_is_refused_by_number() -> None:
    head, *others = frozen(small_machine())
    with pytest.raises(SnapshotDamaged, match="state version 2: this release reads version 3"):
        restored([b"\x02" + head[1:], *others])
