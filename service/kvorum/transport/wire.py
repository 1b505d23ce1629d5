"""What both directions of the protocol share: parsing bytes that may be anything."""

import re
from typing import NoReturn, TypeVar

from google.protobuf.message import DecodeError
from google.protobuf.message import Message as ProtobufMessage

from kvorum.raft.types import NodeId

NUMBER_MAX = (1 << 63) - 1
"""Terms, indexes and sizes beyond this are no work of Raft; it leaves room to add to them."""

_ENTRY_NUMBER = re.compile("[1-9a-f][0-9a-f]{0,14}")  # hexadecimal, below NUMBER_MAX
_SHOWN_CHARACTERS = 100

_Wire = TypeVar("_Wire", bound=ProtobufMessage)


class MalformedMessage(Exception):
    """Bytes from a peer that no kvorum node would send."""


def malformed(what: str) -> NoReturn:
    raise MalformedMessage(what)


def parse(kind: type[_Wire], raw: bytes) -> _Wire:
    """Raises MalformedMessage."""
    try:
        return kind.FromString(raw)
    except DecodeError as error:
        raise MalformedMessage(f"not a {kind.DESCRIPTOR.name}: {error}") from error


def member_id(text: str) -> NodeId:
    """Raises MalformedMessage for what cannot be a member's id."""
    address, mark, number = text.partition("#")
    if not address or (mark and not _ENTRY_NUMBER.fullmatch(number)):
        malformed(f"{text[:_SHOWN_CHARACTERS]!r} is no member id")
    return NodeId(text)
