"""A state that is written out while it goes on changing, and read back."""

from random import Random

from kvorum.mvcc.command import Command, Delete, Put, Stamp, encode_batch, encode_command
from kvorum.mvcc.restore import Restore
from kvorum.mvcc.state_machine import StateMachine
from tests.support.raft_invariants import require

KEYS = 40


def freeze(seed: int) -> None:
    """What is read back is what was frozen, in every respect."""
    random = Random(seed)
    machine, twin = StateMachine(), StateMachine()
    for index in range(1, random.randint(2, 30)):
        batch = _batch(random, index)
        machine.apply(index, batch)
        twin.apply(index, batch)
    frozen, restore = machine.freeze(), Restore()
    for block in frozen.blocks():
        restore.add(block)
        machine.apply(machine.applied_index + 1, _batch(random, machine.applied_index + 1))
    frozen.close()
    found = restore.finish()
    require(found.state_hash == twin.state_hash, "a frozen state does not change")
    for number in range(KEYS):
        key = b"%d" % number
        require(found.get(key) == twin.get(key), "a frozen record does not change", key)
    for number in range(1, twin.applied_index + 1):
        name = f"{number}-0"
        require(found.outcome(name) == twin.outcome(name), "outcomes are a part of it", name)


def _batch(random: Random, index: int) -> bytes:
    commands = [_command(random, f"{index}-{number}") for number in range(random.randint(1, 4))]
    return encode_batch([encode_command(command) for command in commands], Stamp(index, 99, 99))


def _command(random: Random, name: str) -> Command:
    key = b"%d" % random.randrange(KEYS)
    if random.random() < 0.2:
        return Delete(name, key)
    return Put(name, key, b"%d" % random.randrange(1000))
