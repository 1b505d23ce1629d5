"""Which keys a request is about: one, those with a prefix, or a range."""

from msgspec import UNSET, Struct, UnsetType

from kvorum.errors import InvalidRequest, TooLarge
from kvorum.mvcc.query import KeyRange, prefix_range, single_key

CHOICES = "key, prefix, or start and end"
_EVERYTHING = KeyRange(b"", None)


class SelectionFields(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """In JSON. Absent, not empty: an empty prefix means every key."""

    key: str | UnsetType = UNSET
    prefix: str | UnsetType = UNSET
    start: str | UnsetType = UNSET
    end: str | UnsetType = UNSET


class Selection(Struct, frozen=True, gc=False):
    """The keys in ``range``; ``is_single`` if it was given as one key."""

    range: KeyRange
    is_single: bool = False

    @property
    def is_everything(self) -> bool:
        return self.range == _EVERYTHING

    @property
    def end(self) -> bytes | None:
        """As in :class:`kvorum.mvcc.command.DeleteOp`: None for one key, b"" without bound."""
        return None if self.is_single else self.range.end or b""


EVERYTHING = Selection(_EVERYTHING)


def select(
    *,
    key: bytes | None,
    prefix: bytes | None,
    start: bytes | None,
    end: bytes | None,
    key_bytes_max: int,
    place: str = "",
) -> Selection | None:
    """None if nothing is given. ``place`` ("" or with a dot at its end) is for errors.

    Raises ``InvalidRequest`` and ``TooLarge``.
    """
    if prefix is None and start is None and end is None:  # most often
        return None if key is None else _single(key, key_bytes_max, place)
    for name, bound in (("key", key), ("prefix", prefix), ("start", start), ("end", end)):
        if bound is not None:
            _check_length(name, bound, key_bytes_max, place)
    by_range = start is not None or end is not None
    if (key is not None) + (prefix is not None) + by_range > 1:
        where = f"{place[:-1]} names" if place else "the request names"
        raise InvalidRequest(f"{where} its keys in several ways; give {CHOICES}")
    if prefix is not None:
        return Selection(prefix_range(prefix))
    return Selection(_range(start or b"", end or None, place))


def _single(key: bytes, key_bytes_max: int, place: str) -> Selection:
    _check_length("key", key, key_bytes_max, place)
    if not key:
        raise InvalidRequest(f"{place}key is empty; for all keys give an empty prefix")
    return Selection(single_key(key), is_single=True)


def _check_length(name: str, bound: bytes, key_bytes_max: int, place: str) -> None:
    if len(bound) > key_bytes_max:
        raise TooLarge(f"{place}{name} has {len(bound)} bytes; at most {key_bytes_max} are allowed")


def _range(start: bytes, end: bytes | None, place: str) -> KeyRange:
    if end is not None and start >= end:
        raise InvalidRequest(
            f"{place}start is not before {place}end: the range is empty (end itself is not in it)"
        )
    return KeyRange(start, end)


def select_fields(fields: SelectionFields, place: str, key_bytes_max: int) -> Selection:
    """Raises as :func:`select`, and ``InvalidRequest`` if nothing is given."""
    selection = select(
        key=_encoded(fields.key),
        prefix=_encoded(fields.prefix),
        start=_encoded(fields.start),
        end=_encoded(fields.end),
        key_bytes_max=key_bytes_max,
        place=place,
    )
    if selection is None:
        raise InvalidRequest(f"{place[:-1]} does not say which keys; give {CHOICES}")
    return selection


def _encoded(text: str | UnsetType) -> bytes | None:
    return None if text is UNSET else text.encode()
