"""Paths as they stand in a request line: which key or request id they name.

Taken from ``raw_path``, because frameworks normalise the decoded path: to them
``a//b`` and ``a/b`` are one, here they are two keys.
"""

import re
from urllib.parse import quote, unquote_to_bytes

from kvorum.errors import InvalidRequest, TooLarge
from kvorum.rest.faults import UnknownRoute
from kvorum.rest.headers import parse_request_id

KEY_PREFIX = b"/key/"
COMMAND_PREFIX = b"/command/"

_KEY_START = len(KEY_PREFIX)
_BROKEN_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def command_location(request_id: str) -> str:
    """Where the outcome of a request is found."""
    return f"/command/{quote(request_id, safe='')}"


def shown_path(raw_path: bytes) -> str:
    """The path as sent, as a URI reference for ``instance``."""
    return quote(raw_path, safe="/%:@!$&'()*+,;=~-._")


def parse_key(raw_path: bytes, key_bytes_max: int) -> bytes:
    """The key that ``/key/…`` names, any UTF-8 as it was sent: ``/``, ``//``, control characters.

    Raises ``InvalidRequest`` for an empty key, broken escapes or bytes that are not
    UTF-8, and ``TooLarge``.
    """
    plain = b"%" not in raw_path and raw_path.startswith(KEY_PREFIX)
    key = raw_path[_KEY_START:] if plain else _decoded(raw_path, KEY_PREFIX)
    if not key:
        raise InvalidRequest("the key is empty; name one, as in /key/colour")
    if len(key) > key_bytes_max:
        raise TooLarge(f"the key has {len(key)} bytes; at most {key_bytes_max} are allowed")
    if not key.isascii():
        try:
            key.decode()
        except UnicodeDecodeError as error:
            raise InvalidRequest(
                f"the key is not UTF-8 at byte {error.start}; "
                "percent-encode the UTF-8 form of the key"
            ) from error
    return key


def broken_escape(text: bytes) -> int | None:
    """Where a percent sign stands that two hexadecimal digits do not follow; None if nowhere."""
    broken = _BROKEN_ESCAPE.search(text)
    return broken.start() if broken else None


def parse_command(raw_path: bytes) -> str:
    """The request id that ``/command/…`` names; raises ``InvalidRequest``."""
    return parse_request_id(_decoded(raw_path, COMMAND_PREFIX), "the request id")


def _decoded(raw_path: bytes, prefix: bytes) -> bytes:
    if not raw_path.startswith(prefix):
        if raw_path == prefix[:-1]:
            return b""
        raise UnknownRoute("there is nothing at this path")
    rest = raw_path[len(prefix) :]
    if b"%" not in rest:
        return rest
    broken = broken_escape(rest)
    if broken is not None:
        raise InvalidRequest(
            f"the path has a % at byte {len(prefix) + broken} that two hexadecimal "
            "digits do not follow; write %25 for a percent sign"
        )
    return unquote_to_bytes(rest)
