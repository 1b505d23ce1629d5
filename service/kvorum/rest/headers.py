"""The request headers that mean something here.

``Prefer`` follows RFC 7240, ``Idempotency-Key`` the IETF draft of that name: a
structured-field string (RFC 8941 §3.3.3), accepted without its quotes as well.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from kvorum.errors import InvalidRequest
from kvorum.rest.faults import UnsupportedMediaType

_LIST_MARK = re.compile(rb'\\.|"|,', re.DOTALL)
_SF_STRING = re.compile(rb'"((?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')
_REQUEST_ID = re.compile(rb"[\x21-\x7e]{1,128}")


class RequestHead(Struct, gc=False):
    """The headers of one request, raw; empty if absent."""

    content_type: bytes = b""
    content_encoding: bytes = b""
    content_length: bytes = b""
    idempotency_keys: tuple[bytes, ...] = ()
    preferences: tuple[bytes, ...] = ()


def read_head(headers: Iterable[tuple[bytes, bytes]]) -> RequestHead:
    """Pick them out of an ASGI scope's headers, whose names are in lower case."""
    head = RequestHead()
    for name, value in headers:
        if name == b"content-type":
            head.content_type = value
        elif name == b"content-length":
            head.content_length = value
        elif name == b"idempotency-key":
            head.idempotency_keys += (value,)
        elif name == b"prefer":
            head.preferences += (value,)
        elif name == b"content-encoding":
            head.content_encoding = value
    return head


def prefers_async(values: Sequence[bytes]) -> bool:
    """Whether ``respond-async`` (RFC 7240 §4.1) is among the preferences.

    Other preferences, and what cannot be parsed, are ignored: a preference is a
    wish, never an error (§2).
    """
    return any(_is_async(element) for value in values for element in _list_elements(value))


def _list_elements(field: bytes) -> Iterator[bytes]:
    """Split at the commas outside quoted strings (RFC 9110 §5.6), in one pass."""
    start, quoted = 0, False
    for mark in _LIST_MARK.finditer(field):
        if mark[0] == b'"':
            quoted = not quoted
        elif mark[0] == b"," and not quoted:
            yield field[start : mark.start()]
            start = mark.end()
    yield field[start:]


def _is_async(element: bytes) -> bool:
    preference = element.partition(b";")[0]  # after it come parameters
    name, _, value = preference.partition(b"=")
    # a preference without a value and one with an empty value are the same (§2)
    return name.strip().lower() == b"respond-async" and value.strip() in (b"", b'""')


def parse_idempotency_key(values: Sequence[bytes]) -> str:
    """The request id that the client chose; raises ``InvalidRequest``."""
    field = values[0].strip()
    if any(other.strip() != field for other in values):
        raise InvalidRequest("Idempotency-Key is given twice with different values; send one")
    text = _unquoted(field) if field.startswith(b'"') else field
    return parse_request_id(text, "Idempotency-Key")


def parse_request_id(text: bytes, where: str) -> str:
    """Raises ``InvalidRequest`` unless it is 1 to 128 visible ASCII characters."""
    if not _REQUEST_ID.fullmatch(text):
        raise InvalidRequest(
            f"{where} must be 1 to 128 visible ASCII characters without spaces, "
            'for example "order-4711-put"'
        )
    return text.decode("ascii")


def _unquoted(field: bytes) -> bytes:
    match = _SF_STRING.fullmatch(field)
    if match is None:
        raise InvalidRequest(
            "Idempotency-Key begins with a quote but is not a quoted string; "
            'write "id" or id, and escape " and \\ with a backslash inside quotes'
        )
    return re.sub(rb"\\(.)", rb"\1", match[1])


def check_json_body(head: RequestHead) -> None:
    """Raises :class:`UnsupportedMediaType` if the body says that it is not plain JSON."""
    content_type = head.content_type
    if content_type and content_type != b"application/json":
        media_type = content_type.partition(b";")[0].strip().lower()
        if media_type != b"application/json" and not media_type.endswith(b"+json"):
            raise UnsupportedMediaType(
                f"the body is declared as {_shown(media_type)}, but only JSON is understood; "
                "send the header Content-Type: application/json "
                "(with curl: -H 'Content-Type: application/json')"
            )
    if head.content_encoding not in (b"", b"identity"):
        raise UnsupportedMediaType(
            f"the body is encoded as {_shown(head.content_encoding)}; send it plain, "
            "without Content-Encoding"
        )


def _shown(value: bytes) -> str:
    return value[:80].decode("latin-1")


def declared_length(head: RequestHead) -> int | None:
    """Content-Length, or None for a body of unknown length; raises ``InvalidRequest``."""
    if not head.content_length:
        return None
    if not head.content_length.isdigit():
        raise InvalidRequest(f"Content-Length {_shown(head.content_length)!r} is not a number")
    return int(head.content_length[:20])
