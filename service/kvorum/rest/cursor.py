"""Where a listing goes on: base64url of MessagePack, which clients pass back as it is.

A cursor carries the revision, the range and the direction of its listing, so that the pages
of one listing show one state of the store, on whatever node each of them is read. It is no
secret: whoever makes one up can read no more than with a query.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode

import msgspec
from msgspec import Struct

from kvorum.errors import InvalidRequest
from kvorum.mvcc.query import KeyRange

_FORMAT = 1


class Cursor(Struct, frozen=True, gc=False, array_like=True, forbid_unknown_fields=True):
    """``last`` is the last key of the page before."""

    format: int
    revision: int
    keys: KeyRange
    reverse: bool
    last: bytes

    @property
    def rest(self) -> KeyRange:
        """What is left of the range."""
        if self.reverse:
            return KeyRange(self.keys.start, self.last)
        return KeyRange(self.last + b"\0", self.keys.end)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Cursor).decode


def new_cursor(revision: int, keys: KeyRange, last: bytes, *, reverse: bool) -> str:
    packed = _encode(Cursor(_FORMAT, revision, keys, reverse, last))
    return urlsafe_b64encode(packed).rstrip(b"=").decode("ascii")


def parse_cursor(text: bytes) -> Cursor:
    """Raises ``InvalidRequest`` unless a node made it."""
    try:
        cursor = _decode(urlsafe_b64decode(text + b"=" * (-len(text) % 4)))
    except (ValueError, msgspec.DecodeError) as error:
        raise _not_ours() from error
    canonical = new_cursor(cursor.revision, cursor.keys, cursor.last, reverse=cursor.reverse)
    is_possible = cursor.format == _FORMAT and cursor.revision >= 1 and cursor.last in cursor.keys
    if not is_possible or canonical.encode("ascii") != text:
        raise _not_ours()
    return cursor


def _not_ours() -> InvalidRequest:
    return InvalidRequest(
        "cursor was not made by this store; pass on what the page before gave, or leave it out to "
        "begin anew"
    )
