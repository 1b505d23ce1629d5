"""What commands and reads cost, roughly, before they are done: what fits into one turn.

The unit is a put or a read of one small key, some microseconds. Whatever costs more says so
here, so that a batch is closed, or a turn ended, before it holds up everybody else.
"""

from collections.abc import Sequence

from kvorum.mvcc.command import (
    DELETE_KEYS_MAX,
    Command,
    Compact,
    Compare,
    CompareAndSet,
    DeleteOp,
    Field,
    LeaseRevoke,
    Txn,
    WriteOp,
)
from kvorum.mvcc.query import KeyRange
from kvorum.mvcc.state_machine import StateMachine

_VALUE = Field.VALUE  # fetching a member of an enum costs more than a name
HEAVY = 256
"""Of what only a few may do in one batch, whatever it finds."""
BEHIND_MAX = 16_384
"""Revisions that are charged to a read of the past, which looks at what came since too."""
_COMPARED_BYTES = 4096
"""Of JSON, for the price of one key."""
_KEYS_OF_A_RANGE = 8
"""Compared or read in order, for the price of one."""


def weight_of(command: Command, machine: StateMachine) -> int:
    """Going by the store as it is now."""
    match command:
        case CompareAndSet(key=key, expected=expected):
            return 1 + (len(expected) + _value_bytes(machine, key)) // _COMPARED_BYTES
        case Txn(compares=compares, then=then, orelse=orelse):
            weight = 1 + max(_weight_of_branch(then, machine), _weight_of_branch(orelse, machine))
            for compare in compares:
                weight += _weight_of_compare(compare, machine)
            return weight
        case LeaseRevoke(lease=lease_id):
            lease = machine.lease(lease_id)
            return 1 + min(lease.key_count, DELETE_KEYS_MAX) if lease is not None else 1
        case Compact():
            return HEAVY
    return 1


def weight_of_page(limit: int, behind: int) -> int:
    """A read of a range, or a count of one (limit 0), as it was ``behind`` revisions ago."""
    return 1 + (limit + min(max(behind, 0), BEHIND_MAX)) // _KEYS_OF_A_RANGE


def _weight_of_compare(compare: Compare, machine: StateMachine) -> int:
    end, of_value = compare.end, compare.field is _VALUE
    if end is not None:
        keys = machine.count(KeyRange(compare.key, end or None))
        weight = 1 + min(keys, DELETE_KEYS_MAX) // _KEYS_OF_A_RANGE
        return weight + HEAVY if of_value else weight  # values may be of any size
    if not of_value:
        return 1
    operand_bytes = len(compare.operand) if isinstance(compare.operand, bytes) else 0
    return 1 + (operand_bytes + _value_bytes(machine, compare.key)) // _COMPARED_BYTES


def _weight_of_branch(ops: Sequence[WriteOp], machine: StateMachine) -> int:
    """1 for each operation, and for each key of a range that is to be deleted."""
    weight = len(ops)
    for op in ops:
        if isinstance(op, DeleteOp) and op.end is not None:
            keys = machine.count(KeyRange(op.key, op.end or None))
            weight += min(keys, op.limit or DELETE_KEYS_MAX, DELETE_KEYS_MAX)
    return weight


def _value_bytes(machine: StateMachine, key: bytes) -> int:
    record = machine.get(key)
    return len(record.value) if record is not None else 0
