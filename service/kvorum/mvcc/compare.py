"""Whether the comparisons of a transaction hold."""

from collections.abc import Iterable
from operator import eq, gt, lt, ne
from typing import Final

from kvorum.mvcc.command import Compare, Field, Relation
from kvorum.mvcc.json_order import json_less
from kvorum.mvcc.json_value import differ_at_sight, json_equal
from kvorum.mvcc.query import KeyRange
from kvorum.mvcc.record import Record
from kvorum.mvcc.store import Store

COMPARED_KEYS_MAX: Final = 10_000
"""Keys of ranges that one transaction may compare: it must not hold up everybody else."""
COMPARED_BYTES_MAX: Final = 4 << 20
"""JSON that it may have parsed; what is equal to the byte, or differs at sight, does not count."""

_UNBOUNDED: Final = 1 << 62
_RELATIONS: Final = (eq, ne, lt, gt)
"""By their numbers."""
# Looked up once: fetching a member of an enum costs more than a name.
_VALUE: Final = Field.VALUE
_LEASE: Final = Field.LEASE
_VERSION: Final = Field.VERSION
_CREATE_REVISION: Final = Field.CREATE_REVISION


def all_hold(store: Store, compares: Iterable[Compare]) -> bool | None:
    """In their order, up to one that does not; None: too much would have to be looked at."""
    return _Comparing(store).all_hold(compares)


class _TooMuch(Exception):
    pass


class _Comparing:
    """Keeps count of what one transaction has compared."""

    __slots__ = ("_bytes_left", "_keys_left", "_store")

    def __init__(self, store: Store) -> None:
        self._store = store
        self._keys_left = COMPARED_KEYS_MAX
        self._bytes_left = COMPARED_BYTES_MAX

    def all_hold(self, compares: Iterable[Compare]) -> bool | None:
        try:
            for compare in compares:
                if not self._holds(compare):
                    return False
        except _TooMuch:
            return None
        return True

    def _holds(self, compare: Compare) -> bool:
        if compare.end is None:
            return self._holds_of(compare, self._store.get(compare.key))
        keys = KeyRange(compare.key, compare.end or None)
        page = self._store.range(keys, limit=self._keys_left, bytes_max=_UNBOUNDED)
        if not all(self._holds_of(compare, record) for _, record in page.items):
            return False
        if page.more:
            raise _TooMuch
        self._keys_left -= len(page.items)
        return True

    def _holds_of(self, compare: Compare, record: Record | None) -> bool:
        relation, operand = compare.relation, compare.operand
        if compare.field is _VALUE:
            if record is None or not isinstance(operand, bytes):
                return relation is Relation.NOT_EQUAL
            if not record.content_type:
                return self._json_holds(relation, record.value, operand)
            actual: bytes | int = record.value
        else:
            actual = _attribute(compare.field, record)
        if isinstance(actual, bytes) is not isinstance(operand, bytes):
            return relation is Relation.NOT_EQUAL
        return bool(_RELATIONS[relation](actual, operand))

    def _json_holds(self, relation: Relation, value: bytes, operand: bytes) -> bool:
        has_order = relation is Relation.LESS or relation is Relation.GREATER
        if value != operand and (has_order or not differ_at_sight(value, operand)):
            self._bytes_left -= len(value) + len(operand)
            if self._bytes_left < 0:
                raise _TooMuch
        match relation:
            case Relation.EQUAL:
                return json_equal(value, operand)
            case Relation.NOT_EQUAL:
                return not json_equal(value, operand)
            case Relation.LESS:
                return json_less(value, operand)
            case Relation.GREATER:
                return json_less(operand, value)


def _attribute(field: Field, record: Record | None) -> bytes | int:
    if field is _LEASE:
        return b"" if record is None else record.lease.encode()
    if record is None:
        return 0
    if field is _VERSION:
        return record.version
    return record.create_revision if field is _CREATE_REVISION else record.mod_revision
