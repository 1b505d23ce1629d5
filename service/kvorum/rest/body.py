"""JSON bodies: bounded, strict, values kept as the bytes that were sent.

What a body may say is told by a :class:`Shape`; its errors name the field by its place, as
in ``then[3].put.ttlSeconds``.

``msgspec.Raw`` skips over a value, but its skipping checks everything that
RFC 8259 asks for (numbers, escapes, surrogate pairs, control characters, no NaN)
except that strings are UTF-8 and that nesting has a limit. Both are checked here.
"""

import re
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

import msgspec
from msgspec import Raw, Struct

from kvorum.errors import InvalidRequest, TooLarge
from kvorum.mvcc.json_value import NESTING_MAX, check_nesting
from kvorum.node.addresses import peer_address
from kvorum.rest.faults import MalformedJson, Position

ENVELOPE_BYTES_MAX = 4096  # names, braces and white space around the values
_NAMES_SHOWN_MAX = 5
_NAME_SHOWN_MAX = 64  # characters
_PLACE_SHOWN_MAX = 100
_MESSAGE_SHOWN_MAX = 200

_POSITION = re.compile(r" ?\(byte (\d+)\)$")
_KINDS = re.compile(r"Expected `([^`]+)`, got `([^`]+)`")
_FIELD_FAULTS = (
    (re.compile(r"Object contains unknown field `(.*)`"), r"there is no field '\1' here"),
    (re.compile(r"Object missing required field `(.*)`"), r"the field '\1' is missing"),
)
_JSON_TERMS = {
    "str": "a string",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "an array",
    "object": "an object",
}
_LONE_SURROGATE = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])")


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


class Shape(Generic[_Fields]):
    """A kind of body: what it decodes to, and how errors describe it.

    ``text`` shows the required members as JSON, with their names in quotes; ``optional``
    names those that may be there as well.
    """

    __slots__ = ("decode", "names", "required", "text")

    def __init__(
        self, fields: type[_Fields], text: str, *optional: str, choice: bool = False
    ) -> None:
        """With ``choice`` none of them is required by itself."""
        self.decode: Callable[[bytes], _Fields] = msgspec.json.Decoder(fields).decode
        self.text = text
        named = tuple(re.findall(r'"(\w+)":', text))
        self.required = () if choice else named
        self.names = frozenset((*named, *optional))

    def missing(self, members: Iterable[str]) -> list[str]:
        """Required names that are not there; ``valueBase64`` stands for ``value``."""
        there = {name.removesuffix("Base64") for name in members} | set(members)
        return [name for name in self.required if name not in there]


_SWAP = Shape(SwapFields, '{"oldValue": any JSON, "newValue": any JSON}')
_MEMBER = Shape(MemberFields, '{"address": "host:port"}')
_TRANSFER = Shape(TransferFields, '{"target": "id, address or name"} or {"target": null}')
_members_decoder = msgspec.json.Decoder(dict[str, Raw]).decode


def body_bytes_max(values: int, value_bytes_max: int) -> int:
    """How long a body with so many values can be."""
    return values * value_bytes_max + ENVELOPE_BYTES_MAX


def parse_swap(body: bytes, value_bytes_max: int) -> tuple[bytes, bytes]:
    """The JSON texts of ``oldValue`` and ``newValue``; raises ``InvalidRequest``, ``TooLarge``."""
    fields = decoded(body, _SWAP)
    return (
        checked_json(fields.old_value, "oldValue", value_bytes_max),
        checked_json(fields.new_value, "newValue", value_bytes_max),
    )


def parse_member(body: bytes) -> str:
    """The canonical address of a new member; raises ``InvalidRequest``."""
    fields = decoded(body, _MEMBER)
    try:
        return peer_address(_text(fields.address, "address", "localhost:8006"))
    except ValueError as error:
        raise InvalidRequest(f"address: {error}") from error


def parse_transfer(body: bytes) -> str | None:
    """Who shall lead; None, as for an empty body, for whoever is fit. Raises ``InvalidRequest``."""
    if not body:
        return None
    target = decoded(body, _TRANSFER).target
    return None if bytes(target) == b"null" else _text(target, "target", "Node-2")


def _text(raw: Raw, name: str, example: str) -> str:
    try:
        return msgspec.json.decode(raw, type=str)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f'{name} must be a string, for example "{example}"') from error


def checked_json(raw: Raw, name: str, value_bytes_max: int) -> bytes:
    """The text of a value that the decoder has seen; raises ``InvalidRequest``, ``TooLarge``."""
    value = bytes(raw)
    if len(value) > value_bytes_max:
        raise TooLarge(f"{name} has {len(value)} bytes; a value may have at most {value_bytes_max}")
    try:
        check_nesting(value)
    except ValueError as error:
        raise InvalidRequest(f"{name}: {error}") from error
    return value


def decoded(body: bytes, shape: Shape[_Fields]) -> _Fields:
    """Raises ``InvalidRequest``, which names what is wrong, and where."""
    try:
        if not body.isascii():
            body.decode()
        return _shaped(body, shape)
    except UnicodeDecodeError as error:
        raise _malformed(body, "not UTF-8", error.start, shape.text) from error
    except msgspec.DecodeError as error:
        raise _malformed(body, *_reason(body, str(error)), shape.text) from error
    except RecursionError as error:
        raise InvalidRequest(f"the body is nested deeper than {NESTING_MAX} levels") from error


def _shaped(body: bytes, shape: Shape[_Fields]) -> _Fields:
    """A body of another shape may turn out not even to be JSON: raises as the decoder then."""
    try:
        return shape.decode(body)
    except msgspec.ValidationError as error:
        raise InvalidRequest(_wrong(body, shape, str(error))) from error


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


def _wrong(body: bytes, shape: Shape[_Fields], message: str) -> str:
    """Names every missing and every unknown member, not only the first; or what is amiss inside."""
    try:
        members = _members_decoder(body).keys()
    except msgspec.ValidationError:
        return f"the body is JSON, but not an object; expected {shape.text}"
    missing = shape.missing(members)
    unknown = [name[:_NAME_SHOWN_MAX] for name in members if name not in shape.names]
    if not missing and not unknown:
        return _misplaced(message)
    problems = [f"missing {name!r}" for name in missing]
    problems += [f"unknown {name!r}" for name in unknown[:_NAMES_SHOWN_MAX]]
    if len(unknown) > _NAMES_SHOWN_MAX:
        problems.append(f"{len(unknown) - _NAMES_SHOWN_MAX} more unknown")
    return f"the body has the wrong fields: {', '.join(problems)}; expected {shape.text}"


def _misplaced(message: str) -> str:
    """The decoder's message, with the place first and in JSON's terms."""
    message, _, place = message.partition(" - at `$")
    place = place.rstrip("`").lstrip(".")[:_PLACE_SHOWN_MAX] or "the body"
    kinds = _KINDS.fullmatch(message)
    if kinds is not None:
        expected, found = (_in_json_terms(kind) for kind in kinds.groups())
        return f"{place} must be {expected}, not {found}"
    for pattern, words in _FIELD_FAULTS:
        message = pattern.sub(words, message)
    return f"{place}: {message[:_MESSAGE_SHOWN_MAX]}"


def _in_json_terms(kinds: str) -> str:
    return " or ".join(_JSON_TERMS.get(kind, kind) for kind in kinds.split(" | "))
