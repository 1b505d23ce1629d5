"""JSON bodies: bounded, strict, values kept as the bytes that were sent.

``msgspec.Raw`` skips over a value, but its skipping checks everything that
RFC 8259 asks for (numbers, escapes, surrogate pairs, control characters, no NaN)
except that strings are UTF-8 and that nesting has a limit. Both are checked here.
"""

import re
from collections.abc import Callable
from typing import TypeVar

import msgspec
from msgspec import Raw, Struct

from kvorum.errors import InvalidRequest, TooLarge
from kvorum.mvcc.json_value import NESTING_MAX, check_nesting
from kvorum.node.addresses import peer_address
from kvorum.rest.faults import MalformedJson, Position

ENVELOPE_BYTES_MAX = 4096  # names, braces and white space around the values
_NAMES_SHOWN_MAX = 5
_NAME_SHOWN_MAX = 64  # characters

_POSITION = re.compile(r" ?\(byte (\d+)\)$")
_LONE_SURROGATE = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])")


class PutFields(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """The body of POST and PUT."""

    value: Raw


class SwapFields(Struct, frozen=True, gc=False, forbid_unknown_fields=True, rename="camel"):
    """The body of PATCH."""

    old_value: Raw
    new_value: Raw


class MemberFields(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """The body that adds a member."""

    address: Raw


class TransferFields(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """The body that names the next leader."""

    target: Raw = Raw(b"null")


_Fields = TypeVar("_Fields")

_PUT_SHAPE = '{"value": any JSON}'
_SWAP_SHAPE = '{"oldValue": any JSON, "newValue": any JSON}'
_MEMBER_SHAPE = '{"address": "host:port"}'
_TRANSFER_SHAPE = '{"target": "id, address or name"} or {"target": null}'
_put_decoder = msgspec.json.Decoder(PutFields).decode
_swap_decoder = msgspec.json.Decoder(SwapFields).decode
_member_decoder = msgspec.json.Decoder(MemberFields).decode
_transfer_decoder = msgspec.json.Decoder(TransferFields).decode
_members_decoder = msgspec.json.Decoder(dict[str, Raw]).decode


def body_bytes_max(values: int, value_bytes_max: int) -> int:
    """How long a body with so many values can be."""
    return values * value_bytes_max + ENVELOPE_BYTES_MAX


def parse_put(body: bytes, value_bytes_max: int) -> bytes:
    """The JSON text of ``value``; raises ``InvalidRequest`` and ``TooLarge``."""
    fields = _decoded(_put_decoder, body, _PUT_SHAPE)
    return _checked(fields.value, "value", value_bytes_max)


def parse_swap(body: bytes, value_bytes_max: int) -> tuple[bytes, bytes]:
    """The JSON texts of ``oldValue`` and ``newValue``; raises as :func:`parse_put`."""
    fields = _decoded(_swap_decoder, body, _SWAP_SHAPE)
    return (
        _checked(fields.old_value, "oldValue", value_bytes_max),
        _checked(fields.new_value, "newValue", value_bytes_max),
    )


def parse_member(body: bytes) -> str:
    """The canonical address of a new member; raises ``InvalidRequest``."""
    fields = _decoded(_member_decoder, body, _MEMBER_SHAPE)
    try:
        return peer_address(_text(fields.address, "address", "localhost:8006"))
    except ValueError as error:
        raise InvalidRequest(f"address: {error}") from error


def parse_transfer(body: bytes) -> str | None:
    """Who shall lead; None, as for an empty body, for whoever is fit. Raises ``InvalidRequest``."""
    if not body:
        return None
    target = _decoded(_transfer_decoder, body, _TRANSFER_SHAPE).target
    return None if bytes(target) == b"null" else _text(target, "target", "Node-2")


def _text(raw: Raw, name: str, example: str) -> str:
    try:
        return msgspec.json.decode(raw, type=str)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f'{name} must be a string, for example "{example}"') from error


def _checked(raw: Raw, name: str, value_bytes_max: int) -> bytes:
    value = bytes(raw)
    if len(value) > value_bytes_max:
        raise TooLarge(f"{name} has {len(value)} bytes; a value may have at most {value_bytes_max}")
    try:
        check_nesting(value)
    except ValueError as error:
        raise InvalidRequest(f"{name}: {error}") from error
    return value


def _decoded(decode: Callable[[bytes], _Fields], body: bytes, expected: str) -> _Fields:
    try:
        if not body.isascii():
            body.decode()
        return decode(body)
    except UnicodeDecodeError as error:
        raise _malformed(body, "not UTF-8", error.start, expected) from error
    except msgspec.ValidationError as error:
        raise InvalidRequest(_wrong_fields(body, expected)) from error
    except msgspec.DecodeError as error:
        raise _malformed(body, *_reason(body, str(error)), expected) from error
    except RecursionError as error:
        raise InvalidRequest(f"the body is nested deeper than {NESTING_MAX} levels") from error


def _reason(body: bytes, message: str) -> tuple[str, int]:
    """What is wrong and at which byte, from the decoder's message."""
    position = _POSITION.search(message)
    if position is not None:
        reason = message[: position.start()].removeprefix("JSON is malformed: ")
        return reason, int(position[1])
    surrogate = _LONE_SURROGATE.search(body)
    if surrogate is not None:  # the decoder looks for the other half beyond the end
        return "half of a surrogate pair", surrogate.start()
    return "it ends too early", len(body)


def _malformed(body: bytes, reason: str, byte: int, expected: str) -> MalformedJson:
    line_start = body.rfind(b"\n", 0, byte) + 1
    position = Position(
        byte=byte,
        line=body.count(b"\n", 0, byte) + 1,
        column=len(body[line_start:byte].decode("utf-8", "replace")) + 1,
    )
    return MalformedJson(
        f"the body is not valid JSON: {reason} at byte {position.byte} "
        f"(line {position.line}, column {position.column}); expected {expected}",
        position,
    )


def _wrong_fields(body: bytes, expected: str) -> str:
    """Names every missing and every unknown member, not only the first."""
    try:
        members = _members_decoder(body).keys()
    except msgspec.ValidationError:
        return f"the body is JSON, but not an object; expected {expected}"
    names = re.findall(r'"(\w+)":', expected)
    missing = [name for name in names if name not in members]
    unknown = [name[:_NAME_SHOWN_MAX] for name in members if name not in names]
    problems = [f"missing {name!r}" for name in missing]
    problems += [f"unknown {name!r}" for name in unknown[:_NAMES_SHOWN_MAX]]
    if len(unknown) > _NAMES_SHOWN_MAX:
        problems.append(f"{len(unknown) - _NAMES_SHOWN_MAX} more unknown")
    return f"the body has the wrong fields: {', '.join(problems)}; expected {expected}"
