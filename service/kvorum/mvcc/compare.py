"""Whether the comparisons of a transaction hold."""

from collections.abc import Iterable
from operator import eq, gt, lt, ne
from typing import Final

from kvorum.mvcc.command import Compare, Field, Relation
from kvorum.mvcc.json_order import json_less
from kvorum.mvcc.json_value import json_equal
from kvorum.mvcc.query import KeyRange
from kvorum.mvcc.record import Record
from kvorum.mvcc.store import Store

COMPARED_KEYS_MAX: Final = 10_000
"""Keys of ranges that one transaction may compare: it must not hold up everybody else."""
COMPARED_BYTES_MAX: Final = 16 << 20
"""Keys and values of them, roughly."""

_RELATIONS: Final = {
    Relation.EQUAL: eq,
    Relation.NOT_EQUAL: ne,
    Relation.LESS: lt,
    Relation.GREATER: gt,
}


def all_hold(store: Store, compares: Iterable[Compare]) -> bool | None:
    """None: that cannot be told without looking at too many keys."""
    keys_left, bytes_left = COMPARED_KEYS_MAX, COMPARED_BYTES_MAX
    for compare in compares:
        if compare.end is None:
            if not _holds(compare, store.get(compare.key)):
                return False
            continue
        keys = KeyRange(compare.key, compare.end or None)
        page = store.range(keys, limit=keys_left, bytes_max=bytes_left)
        if not all(_holds(compare, record) for _, record in page.items):
            return False
        if page.more:
            return None
        keys_left -= len(page.items)
        bytes_left -= sum(len(key) + len(record.value) for key, record in page.items)
    return True


def _holds(compare: Compare, record: Record | None) -> bool:
    operand = compare.operand
    if compare.field is Field.VALUE:
        return _value_holds(compare.relation, record, operand)
    actual = _field(compare.field, record)
    relation = compare.relation
    if isinstance(actual, bytes) and isinstance(operand, bytes):
        return bool(_RELATIONS[relation](actual, operand))
    if isinstance(actual, int) and isinstance(operand, int):
        return bool(_RELATIONS[relation](actual, operand))
    return relation is Relation.NOT_EQUAL


def _field(field: Field, record: Record | None) -> bytes | int:
    if field is Field.LEASE:
        return b"" if record is None else record.lease.encode()
    if record is None:
        return 0
    if field is Field.VERSION:
        return record.version
    return record.create_revision if field is Field.CREATE_REVISION else record.mod_revision


def _value_holds(relation: Relation, record: Record | None, operand: bytes | int) -> bool:
    if record is None or not isinstance(operand, bytes):
        return relation is Relation.NOT_EQUAL
    value = record.value
    if record.content_type:
        return bool(_RELATIONS[relation](value, operand))
    match relation:
        case Relation.EQUAL:
            return json_equal(value, operand)
        case Relation.NOT_EQUAL:
            return not json_equal(value, operand)
        case Relation.LESS:
            return json_less(value, operand)
        case Relation.GREATER:
            return json_less(operand, value)
