"""`kvorum txn`: from a file, or from standard input."""

from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from kvorum.cli.console import Console
from kvorum.cli.data.session import asks
from kvorum.cli.data.txn_syntax import TxnSyntaxError, parse_txn
from kvorum.cli.data.values import STANDARD_INPUT
from kvorum.cli.exits import Exit
from kvorum.cli.failed import CommandFailed
from kvorum.cli.output import as_fields, json_block, printable, value_text
from kvorum.client import Client
from kvorum.client.model import OpResult, TxnResult
from kvorum.client.txn import Comparison, Delete, Get, Operation, Put

_KINDS: Mapping[str, type[Put] | type[Delete] | type[Get]] = {
    "put": Put,
    "delete": Delete,
    "get": Get,
}


class _Wire(msgspec.Struct, forbid_unknown_fields=True):
    """The form of `POST /txn`; what is inside is the node's to judge."""

    compare: list[dict[str, msgspec.Raw]] = []
    then: list[dict[str, dict[str, msgspec.Raw]]] = []
    otherwise: list[dict[str, dict[str, msgspec.Raw]]] = msgspec.field(name="else", default=[])


@asks
def run_txn(client: Client, arguments: Namespace, console: Console) -> int:
    fields = _parse(_text(arguments, console))
    then, otherwise = (_operations(fields[branch]) for branch in ("then", "else"))
    done = client.txn(
        when=[Comparison(compare) for compare in fields["compare"]], then=then, otherwise=otherwise
    )
    _show(done, then if done.succeeded else otherwise, arguments, console)
    return Exit.DONE if done.succeeded else Exit.CONFLICT


def _text(arguments: Namespace, console: Console) -> str:
    try:
        if arguments.file is None or str(arguments.file) == STANDARD_INPUT:
            return console.stdin.read()
        return str(arguments.file.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise CommandFailed(
            Exit.USAGE, f"byte {error.start} of the transaction is not UTF-8"
        ) from error
    except OSError as error:
        raise CommandFailed(
            Exit.FAILED, f"{arguments.file} cannot be read: {error.strerror}"
        ) from error


def _parse(text: str) -> Mapping[str, Any]:
    """Either form, as ``compare``, ``then`` and ``else``."""
    try:
        if not text.lstrip().startswith("{"):
            return parse_txn(text)
        wire = msgspec.json.decode(text.encode(), type=_Wire)
    except (TxnSyntaxError, msgspec.DecodeError) as error:
        raise CommandFailed(Exit.USAGE, f"this is no transaction: {error}") from error
    return {"compare": wire.compare, "then": wire.then, "else": wire.otherwise}


def _operations(given: Sequence[Mapping[str, Mapping[str, object]]]) -> list[Operation]:
    return [_operation(fields) for fields in given]


def _operation(fields: Mapping[str, Mapping[str, object]]) -> Operation:
    if len(fields) != 1 or not fields.keys() <= _KINDS.keys():
        named = " and ".join(fields) or "nothing"
        raise CommandFailed(
            Exit.USAGE, f"this is no operation: one of put, delete and get, not {named}"
        )
    ((kind, inner),) = fields.items()
    return _KINDS[kind](inner)


def _show(
    done: TxnResult, operations: Sequence[Operation], arguments: Namespace, console: Console
) -> None:
    if arguments.output == "json":
        console.say(json_block(_as_fields(done, operations)))
        return
    branch = "the conditions hold" if done.succeeded else "the conditions do not hold"
    if arguments.output != "raw":
        console.say(f"{branch}; revision {done.revision}")
    for operation, result in zip(operations, done.results, strict=False):
        for line in _lines(operation, result):
            console.say(line)


def _lines(operation: Operation, result: OpResult) -> list[str]:
    match operation:
        case Put():
            return []
        case Delete():
            return [f"deleted {result.deleted}"]
        case Get():
            return [
                f"{printable(item.key)} = {printable(value_text(item))}" for item in result.items
            ]


def _as_fields(done: TxnResult, operations: Sequence[Operation]) -> dict[str, object]:
    results: list[object] = []
    for operation, result in zip(operations, done.results, strict=False):
        match operation:
            case Put():
                results.append({"put": {}})
            case Delete():
                results.append({"delete": {"deleted": result.deleted}})
            case Get():
                items = [as_fields(item) for item in result.items]
                results.append({"get": {"items": items, "more": result.more}})
    return {
        "succeeded": done.succeeded,
        "revision": done.revision,
        "requestId": done.request_id,
        "results": results,
    }
