"""What costs much is known before it is in the log."""

import pytest

from kvorum.mvcc.command import (
    DELETE_KEYS_MAX,
    Command,
    Compact,
    Compare,
    CompareAndSet,
    Delete,
    DeleteOp,
    Field,
    LeaseGrant,
    LeaseRevoke,
    Put,
    PutOp,
    Relation,
    Stamp,
    Txn,
    encode_batch,
    encode_command,
)
from kvorum.mvcc.state_machine import StateMachine
from kvorum.node.weights import HEAVY, weight_of

KEYS = 2000
LARGE = b'"' + b"x" * (1 << 18) + b'"'


@pytest.fixture(scope="module")
def machine() -> StateMachine:
    machine = StateMachine()
    commands: list[Command] = [LeaseGrant("grant", "lease", 1000), Put("large", b"large", LARGE)]
    commands += [Put(f"r{n}", b"k%04d" % n, b"1", lease="lease") for n in range(KEYS)]
    machine.apply(1, encode_batch([encode_command(each) for each in commands], Stamp()))
    return machine


def over(field: Field, operand: bytes | int = 1) -> Txn:
    return Txn("r", (Compare(b"k", field, Relation.EQUAL, operand, b"l"),), ())


@pytest.mark.parametrize(
    "command",
    [Put("r", b"k", LARGE), Delete("r", b"k0000"), CompareAndSet("r", b"k0000", b"1", b"2")],
)
def test_one_small_key_weighs_one(machine: StateMachine, command: Command) -> None:
    assert weight_of(command, machine) == 1


@pytest.mark.parametrize(
    ("command", "at_least"),
    [
        (Txn("r", (), (DeleteOp(b"k", b"l"),)), KEYS),
        (Txn("r", (), (), (DeleteOp(b"k", b""),)), KEYS),
        (Txn("r", (), tuple(PutOp(b"%d" % n, b"1") for n in range(512))), 512),
        (LeaseRevoke("r", "lease"), KEYS),
        (over(Field.VERSION), KEYS // 8),
        (over(Field.VALUE, b"1"), HEAVY),
        (Txn("r", (Compare(b"large", Field.VALUE, Relation.EQUAL, LARGE),), ()), 128),
        (CompareAndSet("r", b"large", b"1", b"2"), 64),
        (CompareAndSet("r", b"k", LARGE, b"2"), 64),
        (Compact("r", 1), HEAVY),
    ],
)
def test_what_costs_much_weighs_much(
    machine: StateMachine, command: Command, at_least: int
) -> None:
    assert at_least <= weight_of(command, machine) <= at_least + DELETE_KEYS_MAX


def test_a_limit_bounds_what_a_deletion_weighs(machine: StateMachine) -> None:
    assert weight_of(Txn("r", (), (DeleteOp(b"k", b"l", 10),)), machine) < 20
