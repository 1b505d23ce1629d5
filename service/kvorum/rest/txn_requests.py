"""What a body of ``/txn`` or ``/batch`` asks for; errors name the field by its place."""

from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Final, TypeVar

import msgspec
from msgspec import UNSET, Struct, UnsetType

from kvorum.errors import InvalidRequest, TooLarge
from kvorum.mvcc.command import (
    DELETE_KEYS_MAX,
    Compare,
    DeleteOp,
    Field,
    PutOp,
    Relation,
    WriteOp,
)
from kvorum.node.command_checks import TXN_OPS_MAX, overlap
from kvorum.node.reading import RANGE_KEYS_MAX
from kvorum.node.views import Get, TxnOp
from kvorum.rest.body import checked_json, decoded
from kvorum.rest.lease_fields import valid_lease
from kvorum.rest.new_value import ABSENT, from_base64, new_value
from kvorum.rest.options import RestOptions
from kvorum.rest.query import REVISION_MAX
from kvorum.rest.selection import select_fields
from kvorum.rest.txn_fields import BATCH, TXN, CompareFields, OpFields, PutFields

GET_LIMIT = 100
_NAMES_BYTES = 1 << 20  # keys, names and braces of all operations together

_Kind = TypeVar("_Kind", bool, str, int)

# Looked up once: fetching a member of an enum costs more than a name.
_EQUAL: Final = Relation.EQUAL
_NOT_EQUAL: Final = Relation.NOT_EQUAL
_GREATER: Final = Relation.GREATER
_VERSION: Final = Field.VERSION

_RELATIONS = MappingProxyType(
    {
        "=": _EQUAL,
        "!=": _NOT_EQUAL,
        "<": Relation.LESS,
        ">": _GREATER,
    }
)
_NUMBERS = MappingProxyType(
    {
        "version": _VERSION,
        "createRevision": Field.CREATE_REVISION,
        "modRevision": Field.MOD_REVISION,
    }
)
_decode_bool = msgspec.json.Decoder(bool).decode
_decode_str = msgspec.json.Decoder(str).decode
_decode_int = msgspec.json.Decoder(int).decode
_TARGETS = ("value", *_NUMBERS, "lease", "exists")


class TxnRequest(Struct, frozen=True, gc=False):
    compares: tuple[Compare, ...]
    then: tuple[TxnOp, ...]
    orelse: tuple[TxnOp, ...]


def txn_bytes_max(options: RestOptions) -> int:
    """How long a body can be: one log entry holds all of it."""
    return 2 * options.value_bytes_max + _NAMES_BYTES


def parse_txn(body: bytes, options: RestOptions) -> TxnRequest:
    """Raises ``InvalidRequest`` and ``TooLarge``."""
    fields = decoded(body, TXN)
    if not (fields.compare or fields.then or fields.orelse):
        raise InvalidRequest(f"the transaction is empty; expected {TXN.text}")
    _check_count("compare", fields.compare)
    compares = [
        _compare(compare, f"compare[{number}].", options)
        for number, compare in enumerate(fields.compare)
    ]
    return TxnRequest(
        tuple(compares),
        _branch("then", fields.then, options),
        _branch("else", fields.orelse, options),
    )


def parse_batch(body: bytes, options: RestOptions) -> tuple[WriteOp, ...]:
    """Raises ``InvalidRequest`` and ``TooLarge``."""
    operations = decoded(body, BATCH).operations
    if not operations:
        raise InvalidRequest("operations is empty; put in what is to be written")
    writes: list[WriteOp] = []
    for number, op in enumerate(_branch("operations", operations, options)):
        if isinstance(op, Get):
            raise InvalidRequest(f"operations[{number}].get: a batch only writes; use POST /txn")
        writes.append(op)
    return tuple(writes)


# --- operations ------------------------------------------------------------------------


def _branch(name: str, fields: Sequence[OpFields], options: RestOptions) -> tuple[TxnOp, ...]:
    if not fields:
        return ()
    _check_count(name, fields)
    ops = tuple([_op(op, f"{name}[{number}]", options) for number, op in enumerate(fields)])
    _check_written_once(name, ops)
    limits = sum([op.limit for op in ops if isinstance(op, Get)])
    if limits > RANGE_KEYS_MAX:
        raise InvalidRequest(
            f"{name} reads up to {limits} keys (the limits of its gets together, "
            f"{GET_LIMIT} where none is given); at most {RANGE_KEYS_MAX}"
        )
    return ops


def _check_count(name: str, fields: Sequence[object]) -> None:
    if len(fields) > TXN_OPS_MAX:
        raise InvalidRequest(f"{name} has {len(fields)} items; at most {TXN_OPS_MAX} are allowed")


def _op(fields: OpFields, place: str, options: RestOptions) -> TxnOp:
    given = (fields.put is not UNSET) + (fields.delete is not UNSET) + (fields.get is not UNSET)
    if given != 1:
        raise InvalidRequest(f"{place} must hold exactly one of put, delete and get")
    if fields.put is not UNSET:
        return _put(fields.put, f"{place}.put.", options)
    if fields.delete is not UNSET:
        selection = select_fields(fields.delete, f"{place}.delete.", options.key_bytes_max)
        limit = _limit(fields.delete.limit, 0, f"{place}.delete.limit", DELETE_KEYS_MAX)
        return DeleteOp(selection.range.start, selection.end, limit)
    assert fields.get is not UNSET, "one of the three is there"
    selection = select_fields(fields.get, f"{place}.get.", options.key_bytes_max)
    default = 1 if selection.is_single else GET_LIMIT
    limit = _limit(fields.get.limit, default, f"{place}.get.limit", RANGE_KEYS_MAX)
    return Get(selection.range, limit)


def _limit(limit: int | UnsetType, default: int, place: str, high: int) -> int:
    if limit is UNSET:
        return default
    if not 1 <= limit <= high:
        raise InvalidRequest(f"{place} must be 1 to {high}, not {limit}")
    return limit


def _put(fields: PutFields, place: str, options: RestOptions) -> PutOp:
    key = fields.key.encode()
    if not key:
        raise InvalidRequest(f"{place}key is empty")
    if len(key) > options.key_bytes_max:
        raise TooLarge(
            f"{place}key has {len(key)} bytes; at most {options.key_bytes_max} are allowed"
        )
    new = new_value(fields, place, options.value_bytes_max)
    return PutOp(key, new.value, new.lease, new.ttl_ms, new.content_type)


def _check_written_once(name: str, ops: Sequence[TxnOp]) -> None:
    twice = overlap(ops)
    if twice is not None:
        earlier, later = sorted(twice)
        raise InvalidRequest(
            f"{name}[{later}] writes a key that {name}[{earlier}] writes already; all of them "
            "happen at once, so each key may be written by one only"
        )


# --- comparisons -----------------------------------------------------------------------


def _compare(fields: CompareFields, place: str, options: RestOptions) -> Compare:
    selection = select_fields(fields, place, options.key_bytes_max)
    relation = _RELATIONS.get(fields.op)
    if relation is None:
        raise InvalidRequest(f"{place}op must be one of {', '.join(_RELATIONS)}")
    key, end = selection.range.start, selection.end
    if fields.target == "exists":
        exists = _exists(fields, relation, place)
        if exists and end is not None:
            raise InvalidRequest(
                f"{place}target exists: of a range it can only be asked that no key exists "
                "(value false)"
            )
        return Compare(key, _VERSION, _GREATER if exists else _EQUAL, 0, end)
    if fields.target == "lease":
        return Compare(key, Field.LEASE, relation, _lease(fields, relation, place), end)
    if fields.target == "value":
        return Compare(key, Field.VALUE, relation, _value(fields, place, options), end)
    number = _NUMBERS.get(fields.target)
    if number is None:
        raise InvalidRequest(f"{place}target must be one of {', '.join(_TARGETS)}")
    return Compare(key, number, relation, _number(fields, place), end)


def _exists(fields: CompareFields, relation: Relation, place: str) -> bool:
    if relation is not _EQUAL and relation is not _NOT_EQUAL:
        raise InvalidRequest(f"{place}op of target exists is = or !=")
    wanted = True
    if fields.value is not ABSENT or fields.value_base64 is not UNSET:
        wanted = _typed(fields, _decode_bool, f"{place}value must be true or false")
    return wanted == (relation is _EQUAL)


def _lease(fields: CompareFields, relation: Relation, place: str) -> bytes:
    if relation is not _EQUAL and relation is not _NOT_EQUAL:
        raise InvalidRequest(f"{place}op of target lease is = or !=")
    wanted = f'{place}value must be the id of a lease, or "" for none'
    lease = _typed(fields, _decode_str, wanted)
    return valid_lease(lease, f"{place}value").encode("ascii") if lease else b""


def _number(fields: CompareFields, place: str) -> int:
    wanted = f"{place}value must be a whole number, 0 to {REVISION_MAX}"
    number = _typed(fields, _decode_int, wanted)
    if not 0 <= number <= REVISION_MAX:
        raise InvalidRequest(wanted)
    return number


def _value(fields: CompareFields, place: str, options: RestOptions) -> bytes:
    if fields.value_base64 is UNSET:
        if fields.value is ABSENT:
            raise InvalidRequest(f"{place[:-1]} has neither value nor valueBase64")
        return checked_json(fields.value, f"{place}value", options.value_bytes_max)
    if fields.value is not ABSENT:
        raise InvalidRequest(f"{place}value and {place}valueBase64 exclude each other")
    return from_base64(fields.value_base64, f"{place}valueBase64", options.value_bytes_max)


def _typed(fields: CompareFields, decode: Callable[[bytes], _Kind], wanted: str) -> _Kind:
    """``value`` as what the target asks for; else ``wanted`` says what that is."""
    if fields.value is ABSENT or fields.value_base64 is not UNSET:
        raise InvalidRequest(wanted)
    try:
        return decode(fields.value)
    except msgspec.DecodeError as error:
        raise InvalidRequest(wanted) from error
