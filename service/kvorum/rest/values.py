"""Stored values as answers show them: JSON as it is, other bytes in base64."""

from binascii import b2a_base64

from msgspec import UNSET, Raw, UnsetType

from kvorum.mvcc.record import Record
from kvorum.rest.schemas import KeyValue

_Value = tuple[Raw | UnsetType, str | UnsetType, str | UnsetType]


def value_fields(record: Record) -> _Value:
    """``value``, ``valueBase64`` and ``contentType``: the first, or the other two."""
    if not record.content_type:
        return Raw(record.value), UNSET, UNSET
    return UNSET, b2a_base64(record.value, newline=False).decode("ascii"), record.content_type


def key_text(key: bytes) -> str:
    """Keys are UTF-8: front ends let no other in."""
    return key.decode("utf-8", "backslashreplace")


def key_value(key: bytes, record: Record) -> KeyValue:
    """A key, its value and its revisions."""
    if not (record.content_type or record.lease):  # nearly always: what is not set costs nothing
        return KeyValue(
            key=key.decode("utf-8", "backslashreplace"),
            value=Raw(record.value),
            create_revision=record.create_revision,
            mod_revision=record.mod_revision,
            version=record.version,
        )
    value, value_base64, content_type = value_fields(record)
    return KeyValue(
        key=key_text(key),
        value=value,
        value_base64=value_base64,
        content_type=content_type,
        create_revision=record.create_revision,
        mod_revision=record.mod_revision,
        version=record.version,
        lease=record.lease or UNSET,
    )


def key_only(key: bytes, record: Record) -> KeyValue:
    """A key and its revisions, without its value."""
    return KeyValue(
        key=key_text(key),
        create_revision=record.create_revision,
        mod_revision=record.mod_revision,
        version=record.version,
        lease=record.lease or UNSET,
    )
