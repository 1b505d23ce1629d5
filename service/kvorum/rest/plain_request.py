"""Requests for keys that ask for nothing special: told apart from all others at a glance.

A client repeats its headers: but for the length of the body the same lines come with every
request of a connection. So lines that were read once, and found to say nothing special, are
recognised as a whole from then on. What is not recognised here is no error: whoever reads
requests in general takes it.
"""

import re
from typing import Final

from msgspec import Struct

from kvorum.rest.observer import BATCH_ROUTE, KEY_ROUTE, KEYS_ROUTE, TXN_ROUTE

HEADS_MAX: Final = 1024
"""Blocks of header lines that are remembered; a length of the body makes one."""
HEAD_BYTES_MAX: Final = 1024
"""Of such a block."""

_OF_ONE_KEY = re.compile(
    rb"(GET|PUT|POST|PATCH|DELETE) /key/([\w.~!$&'()*+,;=:@/-]+)(?:\?(consistency=stale))?"
    rb" HTTP/1\.1\r\n"
)
_OF_SEVERAL = re.compile(
    rb"(?:POST /(txn|batch)|GET /keys(?:\?([\w.~!$&'()*+,;=:@/?%-]*))?) HTTP/1\.1\r\n"
)
_METHODS: Final = {name.encode(): name for name in ("GET", "PUT", "POST", "PATCH", "DELETE")}
_POSTS: Final = {b"txn": TXN_ROUTE, b"batch": BATCH_ROUTE}
_LINE = re.compile(rb"([A-Za-z-]+): ?([\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)")
_LENGTH = re.compile(rb"0|[1-9][0-9]{0,8}")
_END = b"\r\n\r\n"
_TRAITS = re.compile(rb"idempotency-key|traceparent", re.IGNORECASE)
"""Of lines that differ with every request: not worth being read here."""

_SAID: Final = {
    b"accept": frozenset({b"*/*", b"application/json"}),
    b"connection": frozenset({b"keep-alive", b"Keep-Alive"}),
    b"content-type": frozenset({b"application/json"}),
}
"""What these may say; anything else is special."""
_IGNORED: Final = frozenset(
    {b"accept-encoding", b"accept-language", b"cache-control", b"host", b"pragma", b"user-agent"}
)
"""What they say means nothing here."""


class PlainRequest(Struct, frozen=True, gc=False):
    """``method`` as in the request line, ``body`` whole, if there is one.

    ``route`` is one of ``/key/{key}``, ``/keys``, ``/txn`` and ``/batch``; the first has a ``key``
    that is not empty. ``query`` is what stands behind the question mark: for a key nothing, or that
    a GET may be answered from this node's own state, and for ``/keys`` anything.
    """

    method: str
    route: str
    body: bytes
    key: bytes = b""
    query: bytes = b""


class PlainRequests:
    """Recognises them; remembers header lines."""

    def __init__(self) -> None:
        self._lengths: dict[bytes, int] = {}  # of the body, by block; -1: something special

    def read(self, data: bytes) -> PlainRequest | None:
        """``data``, which begins where a request begins, if it is one plain request as a whole."""
        request = _OF_ONE_KEY.match(data) or _OF_SEVERAL.match(data)
        if request is None:
            return None
        head_start = request.end()
        body_start = data.find(_END, head_start - 2) + 4
        head = data[head_start:body_start]
        length = self._lengths.get(head)
        if length is None:
            length = self._learn(head)
        if length != len(data) - body_start:
            return None
        body = data[body_start:]
        if request.re is not _OF_ONE_KEY:
            return _of_several(request, body)
        method, key, query = request.groups(b"")
        if query and method != b"GET":
            return None
        return PlainRequest(_METHODS[method], KEY_ROUTE, body, key, query)

    def _learn(self, head: bytes) -> int:
        if not head.endswith(_END) or len(head) > HEAD_BYTES_MAX or _TRAITS.search(head):
            return -1
        if len(self._lengths) >= HEADS_MAX:
            self._lengths.clear()
        length = self._lengths[head] = body_length(head)
        return length


def _of_several(request: re.Match[bytes], body: bytes) -> PlainRequest:
    posted, query = request.groups(b"")
    if posted:
        return PlainRequest("POST", _POSTS[posted], body)
    return PlainRequest("GET", KEYS_ROUTE, body, query=query)


def body_length(head: bytes) -> int:
    """Of the body that follows these header lines; -1 if they say something special.

    0 without Content-Length, as there can be no Transfer-Encoding (RFC 9112 §6.3).
    """
    length, seen = 0, set[bytes]()
    for text in head.split(b"\r\n"):
        if not text:
            continue
        line = _LINE.fullmatch(text)
        if line is None:
            return -1
        name, value = line[1].lower(), line[2]
        if name in seen:
            return -1
        seen.add(name)
        if name == b"content-length":
            if not _LENGTH.fullmatch(value):
                return -1
            length = int(value)
        elif name not in _IGNORED and value not in _SAID.get(name, ()):
            return -1
    return length if b"host" in seen else -1
