"""What is to be stored: from JSON that holds it, or from a body that is it."""

from base64 import b64decode

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from kvorum.errors import InvalidRequest, TooLarge
from kvorum.rest.body import Shape, checked_json, decoded
from kvorum.rest.headers import is_raw, parse_media_type
from kvorum.rest.lease_fields import keeping

BYTES_TYPE = "application/octet-stream"

ABSENT = Raw()
"""A field that is not there; ``null`` would be a value."""


class ValueFields(
    Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    """``value``, or ``valueBase64`` with or without ``contentType``; and how long it is kept."""

    value: Raw = ABSENT
    value_base64: str | UnsetType = UNSET
    content_type: str | UnsetType = UNSET
    lease: str | UnsetType = UNSET
    ttl_seconds: float | UnsetType = UNSET


class _PlainFields(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """What nearly all bodies have."""

    value: Raw


class NewValue(Struct, frozen=True, gc=False):
    """A value and what goes with it, as in :class:`kvorum.mvcc.command.Put`."""

    value: bytes
    content_type: str = ""
    lease: str = ""
    ttl_ms: int = 0


_decode_plain = msgspec.json.Decoder(_PlainFields).decode
_PUT = Shape(
    ValueFields, '{"value": any JSON}', "valueBase64", "contentType", "lease", "ttlSeconds"
)


def parse_put(body: bytes, value_bytes_max: int) -> NewValue:
    """The body of POST and PUT; raises ``InvalidRequest`` and ``TooLarge``."""
    try:
        if not body.isascii():
            body.decode()
        fields = _decode_plain(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # More than a value, or wrong; the long way tells which.
        return new_value(decoded(body, _PUT), "", value_bytes_max)
    return NewValue(checked_json(fields.value, "value", value_bytes_max))


def new_value(fields: ValueFields, place: str, value_bytes_max: int) -> NewValue:
    """``place`` is where the fields are, empty or with a dot at its end.

    Raises ``InvalidRequest`` and ``TooLarge``.
    """
    if fields.value_base64 is UNSET and fields.content_type is UNSET:
        value, content_type = (
            checked_json(_json(fields, place), f"{place}value", value_bytes_max),
            "",
        )
    else:
        value, content_type = _bytes(fields, place, value_bytes_max)
    if fields.lease is UNSET and fields.ttl_seconds is UNSET:
        return NewValue(value, content_type)
    return NewValue(value, content_type, *keeping(fields.lease, fields.ttl_seconds, place))


def raw_value(body: bytes, content_type: bytes, value_bytes_max: int) -> NewValue:
    """The body of a PUT that is the value; raises ``InvalidRequest`` and ``TooLarge``."""
    _check_size(body, "the value", value_bytes_max)
    return NewValue(body, parse_media_type(content_type, "Content-Type"))


def from_base64(text: str, place: str, value_bytes_max: int) -> bytes:
    """Raises ``InvalidRequest`` and ``TooLarge``."""
    try:
        value = b64decode(text, validate=True)
    except ValueError as error:
        raise InvalidRequest(
            f"{place} is not base64 (RFC 4648 §4, with padding): {error}"
        ) from error
    _check_size(value, place, value_bytes_max)
    return value


def _json(fields: ValueFields, place: str) -> Raw:
    if fields.value is ABSENT:
        if not place:
            raise InvalidRequest(
                f"the body has the wrong fields: missing 'value'; expected {_PUT.text}"
            )
        raise InvalidRequest(f"{place[:-1]} has neither value nor valueBase64")
    return fields.value


def _bytes(fields: ValueFields, place: str, value_bytes_max: int) -> tuple[bytes, str]:
    if fields.value_base64 is UNSET:
        raise InvalidRequest(f"{place}contentType goes with {place}valueBase64, not without it")
    if fields.value is not ABSENT:
        raise InvalidRequest(f"{place}value and {place}valueBase64 exclude each other")
    content_type = BYTES_TYPE
    if fields.content_type is not UNSET:
        sent = fields.content_type.encode("utf-8", "replace")
        content_type = parse_media_type(sent, f"{place}contentType")
        if not is_raw(sent):
            raise InvalidRequest(
                f"{place}contentType {content_type} is not for bytes; JSON goes into {place}value"
            )
    return from_base64(fields.value_base64, f"{place}valueBase64", value_bytes_max), content_type


def _check_size(value: bytes, name: str, value_bytes_max: int) -> None:
    if len(value) > value_bytes_max:
        raise TooLarge(f"{name} has {len(value)} bytes; a value may have at most {value_bytes_max}")
