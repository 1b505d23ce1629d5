"""Ranges of keys, and what reading one gives."""

from msgspec import Struct

from kvorum.mvcc.record import Record


class KeyRange(Struct, frozen=True, gc=False, array_like=True, forbid_unknown_fields=True):
    """All keys from ``start`` up to, but without, ``end``; ``end`` None: no upper bound."""

    start: bytes
    end: bytes | None

    def __contains__(self, key: bytes) -> bool:
        return self.start <= key and (self.end is None or key < self.end)


def prefix_range(prefix: bytes) -> KeyRange:
    """All keys that begin with ``prefix``; every key for an empty one."""
    stem = prefix.rstrip(b"\xff")
    return KeyRange(prefix, stem[:-1] + bytes((stem[-1] + 1,)) if stem else None)


def single_key(key: bytes) -> KeyRange:
    """This key alone."""
    return KeyRange(key, key + b"\0")


class RangePage(Struct, frozen=True, gc=False):
    """Keys of a range as they were at ``revision``, in the order that was asked for.

    ``more``: there may be keys beyond ``last``, behind which the next page begins. That is the
    last key looked at: a page of the past may have no items at all.
    """

    revision: int
    items: tuple[tuple[bytes, Record], ...]
    more: bool
    last: bytes | None = None
