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
_WEIGHT = re.compile(rb"(?:^|;)\s*[qQ]=([01](?:\.[0-9]{0,3})?)\s*(?:;|$)")
_MEDIA_TYPE = re.compile(
    rb"[\w!#$&^.+-]+/[\w!#$&^.+-]+"
    rb"(?: *; *[\w!#$&^.+-]+=(?:[\w!#$%&'*^`|~.+-]+|\"[\x20\x21\x23-\x5b\x5d-\x7e]*\"))*"
)
_MEDIA_TYPE_BYTES_MAX = 200
_FORMS = (b"application/x-www-form-urlencoded", b"multipart/form-data")


_KNOWN = frozenset(
    {
        b"accept",
        b"content-type",
        b"content-length",
        b"content-encoding",
        b"idempotency-key",
        b"if-match",
        b"if-none-match",
        b"prefer",
    }
)
_ANYTHING = (b"", b"*/*", b"application/json")


class RequestHead(Struct, gc=False):
    """The headers of one request, raw; empty if absent, joined by commas if they come twice."""

    content_type: bytes = b""
    content_encoding: bytes = b""
    content_length: bytes = b""
    accept: bytes = b""
    if_match: bytes = b""
    if_none_match: bytes = b""
    idempotency_keys: tuple[bytes, ...] = ()
    preferences: tuple[bytes, ...] = ()

    @property
    def is_conditional(self) -> bool:
        return bool(self.if_match or self.if_none_match)


def read_head(headers: Iterable[tuple[bytes, bytes]]) -> RequestHead:
    """Pick them out of an ASGI scope's headers, whose names are in lower case."""
    head = RequestHead()
    for name, value in headers:
        if name not in _KNOWN:
            continue
        if name == b"content-type":
            head.content_type = value
        elif name == b"content-length":
            head.content_length = value
        elif name == b"accept":
            head.accept = _joined(head.accept, value) if head.accept else value
        elif name == b"idempotency-key":
            head.idempotency_keys += (value,)
        elif name == b"prefer":
            head.preferences += (value,)
        elif name == b"content-encoding":
            head.content_encoding = value
        elif name == b"if-match":
            head.if_match = _joined(head.if_match, value)
        else:
            head.if_none_match = _joined(head.if_none_match, value)
    return head


def _joined(former: bytes, value: bytes) -> bytes:
    return b"%b, %b" % (former, value) if former else value


def prefers_raw(accept: bytes) -> bool:
    """Whether ``Accept`` (RFC 9110 §12.5.1) asks for a value's own bytes, not JSON about it.

    It does if it leaves no room for JSON, or names application/octet-stream with a higher
    weight. Browsers name many types and then anything: that is room for JSON.
    """
    if accept in _ANYTHING:
        return False
    json_weight = bytes_weight = 0.0
    elements = [element.strip() for element in _list_elements(accept)]
    for element in filter(None, elements):
        media_range, _, parameters = element.partition(b";")
        media_range = media_range.strip().lower()
        weight = _weight(parameters)
        if media_range in (b"*/*", b"application/*") or _is_json(media_range):
            json_weight = max(json_weight, weight)
        elif media_range == b"application/octet-stream":
            bytes_weight = weight
    return bytes_weight > json_weight or (json_weight == 0 and any(elements))


def _weight(parameters: bytes) -> float:
    match = _WEIGHT.search(parameters)
    return float(match[1]) if match else 1.0


def _is_json(media_type: bytes) -> bool:
    return media_type == b"application/json" or media_type.endswith(b"+json")


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


def is_raw(content_type: bytes) -> bool:
    """Whether a body of this type is to be stored as it is.

    A form is not: it is what clients send that were not told what they send.
    """
    if not content_type or content_type == b"application/json":
        return False
    media_type = content_type.partition(b";")[0].strip().lower()
    return not _is_json(media_type) and media_type not in _FORMS


def check_json_body(head: RequestHead) -> None:
    """Raises :class:`UnsupportedMediaType` if the body says that it is not plain JSON."""
    content_type = head.content_type
    if content_type and content_type != b"application/json":
        media_type = content_type.partition(b";")[0].strip().lower()
        if not _is_json(media_type):
            raise UnsupportedMediaType(
                f"the body is declared as {_shown(media_type)}, but only JSON is understood; "
                "send the header Content-Type: application/json "
                "(with curl: -H 'Content-Type: application/json')"
            )
    check_encoding(head)


def check_encoding(head: RequestHead) -> None:
    """Raises :class:`UnsupportedMediaType` for a compressed body."""
    if head.content_encoding not in (b"", b"identity"):
        raise UnsupportedMediaType(
            f"the body is encoded as {_shown(head.content_encoding)}; send it plain, "
            "without Content-Encoding"
        )


def parse_media_type(text: bytes, where: str) -> str:
    """As it will be sent back; raises ``InvalidRequest`` for what is no media type."""
    text = text.strip(b" ")
    if len(text) > _MEDIA_TYPE_BYTES_MAX or not _MEDIA_TYPE.fullmatch(text):
        raise InvalidRequest(
            f"{where} {_shown(text)!r} is no media type of at most {_MEDIA_TYPE_BYTES_MAX} bytes, "
            "for example image/png"
        )
    return text.decode("ascii")


def _shown(value: bytes) -> str:
    return value[:80].decode("latin-1")


def declared_length(head: RequestHead) -> int | None:
    """Content-Length, or None for a body of unknown length; raises ``InvalidRequest``."""
    if not head.content_length:
        return None
    if not head.content_length.isdigit():
        raise InvalidRequest(f"Content-Length {_shown(head.content_length)!r} is not a number")
    return int(head.content_length[:20])
