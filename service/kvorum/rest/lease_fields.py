"""``lease`` and ``ttlSeconds`` as requests give them."""

import re

from msgspec import UNSET, UnsetType

from kvorum.errors import InvalidRequest

TTL_S_MAX = 31_536_000
"""A year."""

_LEASE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SECONDS = re.compile(rb"[0-9]{1,8}(?:\.[0-9]{1,6})?")
_SHOWN_MAX = 80  # characters of what the client sent


def valid_lease(lease: str, place: str) -> str:
    """``place`` names the field in the error; raises ``InvalidRequest``."""
    if not _LEASE_ID.fullmatch(lease):
        raise InvalidRequest(
            f"{place} {lease[:_SHOWN_MAX]!r} is no id of a lease: 1 to 64 letters, digits, dots, "
            "underscores or dashes"
        )
    return lease


def valid_ttl_ms(ttl_seconds: float, place: str) -> int:
    """In milliseconds; raises ``InvalidRequest``."""
    if not 1 <= ttl_seconds <= TTL_S_MAX:
        raise InvalidRequest(f"{place} must be 1 to {TTL_S_MAX} seconds, not {ttl_seconds:g}")
    return round(ttl_seconds * 1000)


def keeping(
    lease: str | UnsetType, ttl_seconds: float | UnsetType, place: str = ""
) -> tuple[str, int]:
    """Lease ("" for none) and time to live in milliseconds (0 for none) of a key to be put.

    ``place`` ends in a dot unless it is empty. Raises ``InvalidRequest``.
    """
    if lease is not UNSET and ttl_seconds is not UNSET:
        raise InvalidRequest(
            f"{place}lease and {place}ttlSeconds exclude each other: a key ends with a lease, or "
            "by itself"
        )
    return (
        "" if lease is UNSET else valid_lease(lease, f"{place}lease"),
        0 if ttl_seconds is UNSET else valid_ttl_ms(ttl_seconds, f"{place}ttlSeconds"),
    )


def query_lease(text: bytes | None) -> str | UnsetType:
    """``lease`` of a query."""
    return UNSET if text is None else text.decode("utf-8")


def query_ttl_seconds(text: bytes | None) -> float | UnsetType:
    """``ttlSeconds`` of a query; raises ``InvalidRequest``."""
    if text is None:
        return UNSET
    if not _SECONDS.fullmatch(text):
        shown = text[:_SHOWN_MAX].decode("utf-8", "replace")
        raise InvalidRequest(f"ttlSeconds={shown!r} must be a number of seconds, 1 to {TTL_S_MAX}")
    return float(text)
