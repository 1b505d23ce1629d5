"""The plain store says what the real one says, whatever clients send; and where it is documented.

``tests/mutants/twin_kit.py`` draws the commands.
"""

import pytest

from kvorum.mvcc.charge import KEY_BYTES
from kvorum.mvcc.command import LeaseGrant, Put, Stamp, encode_batch
from kvorum.mvcc.command import encode_command as encoded
from kvorum.mvcc.expiry import REAP_KEYS_MAX
from kvorum.mvcc.outcome import Status
from kvorum.mvcc.state_machine import StateMachine
from kvorum.raft.types import Entry, EntryKind, Index, Term
from kvorum.testing.history import WrongAnswer
from kvorum.testing.oracle import Oracle, check_state
from kvorum.testing.plain_store import PlainStore
from tests.mutants.coordination import STATES
from tests.mutants.hunt import fails
from tests.mutants.mutant import Mutant
from tests.mutants.twin_kit import compare


@pytest.mark.parametrize("seed", range(1, 101))
def test_they_agree(seed: int) -> None:
    compare(seed)


@pytest.mark.parametrize("mutant", STATES, ids=[mutant.name for mutant in STATES])
def test_they_do_not_if_one_is_wrong(mutant: Mutant) -> None:
    assert any(fails(mutant, "twin", seed) for seed in range(1, 101))


def entry(index: int, stamp: Stamp, *commands: Put | LeaseGrant) -> Entry:
    data = encode_batch([encoded(command) for command in commands], stamp)
    return Entry(Term(1), Index(index), EntryKind.COMMANDS, data)


def stamp(time_ms: int) -> Stamp:
    return Stamp(time_ms, 10_000, 1000, 10_000, 1000, 1 << 20)


def test_the_end_of_a_large_lease_takes_several_batches() -> None:
    keys = 2 * REAP_KEYS_MAX + 10
    puts = [Put(f"p{n}", b"%d" % n, b"1", 0, lease="l") for n in range(keys)]
    log = [entry(1, stamp(1), LeaseGrant("g", "l", 1000, 0), *puts)]
    log += [entry(index, stamp(2000 + index)) for index in (2, 3, 4, 5)]
    machine = StateMachine()
    for number, each in enumerate(log, 1):
        machine.apply(each.index, each.data)
        oracle = Oracle(log[:number])
        assert oracle.revision == machine.revision
        assert len(oracle.store.keys) == machine.key_count
    assert machine.revision == keys + 3
    check_state(Oracle(log), machine, "n1")


def test_a_full_store_has_room_again_below_nine_tenths() -> None:
    store = PlainStore()
    store.begin(Stamp(1, quota_bytes=1000))
    most = 1000 - KEY_BYTES - 1
    assert store.execute(Put("a", b"k", b"1" * most)) is Status.SUCCESS
    assert store.execute(Put("b", b"l", b"1")) is Status.FULL
    assert store.execute(Put("c", b"k", b"1" * (most - 99))) is Status.SUCCESS
    assert store.execute(Put("d", b"k", b"1" * (most - 98))) is Status.FULL, "901 of 1000 were left"
    assert store.execute(Put("e", b"k", b"1" * (most - 100))) is Status.SUCCESS
    store.end()
    assert not store.is_full


def test_notices_another_alarm() -> None:
    puts = [Put("a", b"k", b"1234", 0), Put("b", b"l", b"1", 0)]
    log = [entry(1, Stamp(1, 99, 99, 99, 99, 9999, quota_bytes=KEY_BYTES + 5), *puts)]
    machine = StateMachine()
    machine.apply(1, entry(1, stamp(1), puts[0]).data)
    with pytest.raises(WrongAnswer, match="is_full False, not True"):
        check_state(Oracle(log), machine, "n1")
