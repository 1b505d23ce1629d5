"""Which lock or election a path names: one segment, whose name may hold an encoded slash."""

from urllib.parse import unquote_to_bytes

from kvorum.errors import InvalidRequest, TooLarge
from kvorum.rest.faults import UnknownRoute
from kvorum.rest.locations import broken_escape

NAME_BYTES_MAX = 256
"""Of names as they are; in their keys each byte takes up to three."""


def parse_name(raw_path: bytes, prefix: bytes, suffix: bytes = b"") -> str:
    """What stands between ``prefix`` and ``suffix``, decoded.

    Raises ``UnknownRoute`` if that is not one segment, ``InvalidRequest`` and ``TooLarge``.
    """
    name = raw_path[len(prefix) :].removesuffix(suffix).removesuffix(b"/")
    if not name or b"/" in name:
        raise UnknownRoute(
            "there is nothing at this path; write a slash within a name as %2F, "
            "as in /locks/reports%2Fdaily"
        )
    if broken_escape(name) is not None:
        raise InvalidRequest(
            "the name has a % that two hexadecimal digits do not follow; "
            "write %25 for a percent sign"
        )
    decoded = unquote_to_bytes(name)
    if len(decoded) > NAME_BYTES_MAX:
        raise TooLarge(f"the name has {len(decoded)} bytes; at most {NAME_BYTES_MAX} are allowed")
    try:
        return decoded.decode()
    except UnicodeDecodeError as error:
        raise InvalidRequest(
            f"the name is not UTF-8 at byte {error.start}; percent-encode its UTF-8 form"
        ) from error
