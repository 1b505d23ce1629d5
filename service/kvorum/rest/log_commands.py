"""Commands of the log as ``/cluster/log`` shows them.

``newValue`` of commands that are no plain writes is an object that tells what they do.
"""

from binascii import b2a_base64
from typing import Any, assert_never

import msgspec
from msgspec import Raw

from kvorum.mvcc.command import (
    Command,
    Compact,
    Compare,
    CompareAndSet,
    Delete,
    Field,
    Introduce,
    LeaseGrant,
    LeaseKeepAlive,
    LeaseRevoke,
    Put,
    PutOp,
    Relation,
    Txn,
    WriteOp,
)
from kvorum.rest.leases import seconds
from kvorum.rest.schemas import LogCommand
from kvorum.rest.values import key_text

_NULL = Raw(b"null")
_OPERATORS = {
    Relation.EQUAL: "=",
    Relation.NOT_EQUAL: "!=",
    Relation.LESS: "<",
    Relation.GREATER: ">",
}
_TARGETS = {
    Field.VALUE: "value",
    Field.VERSION: "version",
    Field.CREATE_REVISION: "createRevision",
    Field.MOD_REVISION: "modRevision",
    Field.LEASE: "lease",
}

_encode = msgspec.json.Encoder().encode


def log_command(command: Command) -> LogCommand:
    """What a command says, whatever became of it."""
    request_id = command.request_id
    match command:
        case Put():
            return _put(command)
        case CompareAndSet(_, key, expected, value):
            return _shown(request_id, "compare_and_set", key_text(key), Raw(value), Raw(expected))
        case Delete(_, key):
            return _shown(request_id, "delete", key_text(key))
        case Introduce(_, member, uid, name):
            return _shown(request_id, "introduce", member, _told({"name": name, "uid": uid}))
        case Txn():
            return _shown(request_id, "txn", "", _told(_transaction(command)))
        case _:
            kind, details = _lease_or_compaction(command)
            return _shown(request_id, kind, "", _told(details))


def _lease_or_compaction(
    command: LeaseGrant | LeaseKeepAlive | LeaseRevoke | Compact,
) -> tuple[str, dict[str, Any]]:
    match command:
        case LeaseGrant(_, lease, ttl_ms):
            return "lease_grant", {"lease": lease, "ttlSeconds": seconds(ttl_ms)}
        case LeaseKeepAlive(_, lease):
            return "lease_keepalive", {"lease": lease}
        case LeaseRevoke(_, lease):
            return "lease_revoke", {"lease": lease}
        case Compact(_, revision):
            return "compact", {"revision": revision}
        case _:
            assert_never(command)


def _shown(
    request_id: str, kind: str, key: str, new_value: Raw = _NULL, old_value: Raw = _NULL
) -> LogCommand:
    return LogCommand(id=request_id, key=key, old_value=old_value, new_value=new_value, type=kind)


def _told(details: dict[str, Any]) -> Raw:
    return Raw(_encode(details))


def _put(command: Put) -> LogCommand:
    """A plain one as ever; any other tells what else it was given."""
    plain = not (command.content_type or command.lease or command.ttl_ms)
    key = key_text(command.key)
    if plain:
        return _shown(command.request_id, "set", key, Raw(command.value))
    return _shown(command.request_id, "put", key, _told(_kept(command)))


def _kept(put: Put | PutOp) -> dict[str, Any]:
    fields = _value(put.value, is_json=not put.content_type)
    if put.content_type:
        fields["contentType"] = put.content_type
    if put.lease:
        fields["lease"] = put.lease
    if put.ttl_ms:
        fields["ttlSeconds"] = seconds(put.ttl_ms)
    return fields


def _transaction(txn: Txn) -> dict[str, Any]:
    return {
        "compare": [_compared(compare) for compare in txn.compares],
        "then": [_operation(op) for op in txn.then],
        "else": [_operation(op) for op in txn.orelse],
    }


def _compared(compare: Compare) -> dict[str, Any]:
    fields: dict[str, Any] = {
        **_keys(compare.key, compare.end),
        "target": _TARGETS[compare.field],
        "op": _OPERATORS[compare.relation],
    }
    operand = compare.operand
    if isinstance(operand, int):
        return fields | {"value": operand}
    if compare.field is Field.LEASE:
        return fields | {"value": key_text(operand)}
    return fields | _value(operand, is_json=_is_json(operand))


def _operation(op: WriteOp) -> dict[str, Any]:
    if isinstance(op, PutOp):
        return {"put": {"key": key_text(op.key)} | _kept(op)}
    return {"delete": _keys(op.key, op.end) | ({"limit": op.limit} if op.limit else {})}


def _keys(key: bytes, end: bytes | None) -> dict[str, Any]:
    """One key or a range of them, whose ``end`` "" means that it has none."""
    if end is None:
        return {"key": key_text(key)}
    return {"start": key_text(key), "end": key_text(end)}


def _value(value: bytes, *, is_json: bool) -> dict[str, Any]:
    if is_json:
        return {"value": Raw(value)}
    return {"valueBase64": b2a_base64(value, newline=False).decode("ascii")}


def _is_json(operand: bytes) -> bool:
    """The key decides as what it is compared; this is only shown."""
    try:
        msgspec.json.decode(operand, type=Raw)
        operand.decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True
