"""The JSON of the REST contract as structs, and its way to the client's values and back."""

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from kvorum.client.call import Answer, Query
from kvorum.client.errors import InvalidRequest, UnexpectedAnswer
from kvorum.client.model import JSON_TYPE, Json, KeyValue

S = TypeVar("S")

RAW_TYPE = "application/octet-stream"

encode = msgspec.json.Encoder().encode


class WireKeyValue(Struct, rename="camel", kw_only=True):
    """KeyValue of the contract; a raw value is Base64 beside its content type."""

    key: str = ""
    value: Raw | UnsetType = UNSET
    value_base64: str | UnsetType = UNSET
    content_type: str = JSON_TYPE
    create_revision: int = 0
    mod_revision: int = 0
    version: int = 0
    lease: str = ""

    def item(self, key: str = "") -> KeyValue:
        """``key`` is for answers that leave it out."""
        return KeyValue(
            self.key or key,
            self._raw(),
            self.create_revision,
            self.mod_revision,
            self.version,
            self.lease,
            self.content_type,
        )

    def _raw(self) -> bytes:
        if isinstance(self.value_base64, str):
            return b64decode(self.value_base64)
        return bytes(self.value) if isinstance(self.value, Raw) else b""


def decoded(answer: Answer, shape: type[S]) -> S:
    """The answer's body; raises :class:`UnexpectedAnswer` if it is something else."""
    try:
        return msgspec.json.decode(answer.body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnexpectedAnswer(
            f"{answer.endpoint} did not answer like a kvorum node of this release: {error}; "
            f"it said {answer.body[:120].decode(errors='replace')!r}"
        ) from error


def json_text(value: Json) -> bytes:
    """A JSON value as it will be stored; raises ``InvalidRequest`` for what JSON cannot say."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequest(
            f"the value cannot be written as JSON: {error}; store bytes instead, "
            "with a content type of their own"
        ) from error


def value_fields(value: Json | bytes, content_type: str = "") -> dict[str, object]:
    """``value`` or ``valueBase64`` and ``contentType``, as in every request of the contract.

    Bytes under the content type application/json have to be JSON text, and stay as they are.
    """
    if not isinstance(value, bytes | bytearray | memoryview):
        if content_type not in ("", JSON_TYPE):
            raise InvalidRequest(f"a value of content type {content_type} must be given as bytes")
        return {"value": Raw(json_text(value))}
    if content_type == JSON_TYPE:
        return {"value": Raw(checked_json(bytes(value)))}
    text = b64encode(value).decode("ascii")
    return {"valueBase64": text, "contentType": content_type or RAW_TYPE}


def checked_json(text: bytes) -> bytes:
    """The text itself; raises ``InvalidRequest`` unless it is exactly one JSON value."""
    try:
        json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"the bytes are no JSON: {error}") from error
    return text


def lifetime_fields(ttl_s: float | None, lease: str) -> dict[str, object]:
    """``ttlSeconds`` or ``lease`` of a put."""
    if ttl_s is not None and lease:
        raise InvalidRequest("give a key either a lease or a time to live of its own")
    if lease:
        return {"lease": lease}
    return {} if ttl_s is None else {"ttlSeconds": ttl_s}


def selector(
    *, key: str | None = None, prefix: str | None = None, start: str | None, end: str | None
) -> Mapping[str, str]:
    """One key, all keys with a prefix, or those from ``start`` up to, but without, ``end``.

    Nothing at all means every key. Raises ``InvalidRequest`` for a mixture.
    """
    kinds = (key is not None) + (prefix is not None) + (start is not None or end is not None)
    if kinds > 1:
        raise InvalidRequest("choose keys by one of: key, prefix, start and end")
    if key is not None:
        return {"key": key}
    if start is None and end is None:
        return {"prefix": prefix or ""}
    return {name: value for name, value in (("start", start), ("end", end)) if value is not None}


def as_query(fields: Mapping[str, str]) -> Query:
    return tuple(fields.items())


def items_of(found: Any, key: str = "") -> tuple[KeyValue, ...]:
    """KeyValues of a decoded list of :class:`WireKeyValue`."""
    return tuple(item.item(key) for item in found)
