"""What a request for ``/keys`` asks for."""

from msgspec import Struct

from kvorum.errors import InvalidRequest
from kvorum.mvcc.query import KeyRange
from kvorum.node.reading import RANGE_KEYS_MAX
from kvorum.rest.cursor import Cursor, parse_cursor
from kvorum.rest.query import Query
from kvorum.rest.selection import EVERYTHING, Selection

LIMIT = 100

_LIST_KNOWN = (
    "there are key, prefix, start, end, limit, cursor, reverse, keysOnly, countOnly, revision and "
    "consistency"
)
_DELETE_KNOWN = "there are key, prefix, start, end, limit and all"


class ListRequest(Struct, frozen=True, gc=False):
    """``whole`` is the range of the listing, ``keys`` what is left of it for this page."""

    whole: KeyRange
    keys: KeyRange
    revision: int  # 0: now
    reverse: bool
    limit: int
    keys_only: bool
    count_only: bool
    stale: bool


class DeleteRequest(Struct, frozen=True, gc=False):
    """``limit`` 0: all of them."""

    selection: Selection
    limit: int


def parse_list(raw: bytes, key_bytes_max: int) -> ListRequest:
    """Raises ``InvalidRequest`` and ``TooLarge``."""
    query = Query(raw)
    count_only = query.flag("countOnly")
    if count_only:
        query.refuse(
            "limit", "cursor", "reverse", "keysOnly", instead="countOnly counts the whole range"
        )
    selection = query.selection(key_bytes_max)
    text = query.take("cursor")
    cursor = parse_cursor(text) if text else None
    reverse = query.optional_flag("reverse")
    whole, keys, revision, direction = _listing(
        selection, cursor, query.revision(), reverse=reverse
    )
    parsed = ListRequest(
        whole=whole,
        keys=keys,
        revision=revision,
        reverse=direction,
        limit=query.whole("limit", 1, RANGE_KEYS_MAX) or LIMIT,
        keys_only=query.flag("keysOnly"),
        count_only=count_only,
        stale=query.is_stale(),
    )
    query.refuse_others(_LIST_KNOWN)
    return parsed


def _listing(
    selection: Selection | None, cursor: Cursor | None, revision: int, *, reverse: bool | None
) -> tuple[KeyRange, KeyRange, int, bool]:
    """Range, what is left of it, revision and direction; a cursor fixes them."""
    if cursor is None:
        keys = (selection or EVERYTHING).range
        return keys, keys, revision, bool(reverse)
    repeated = (
        ("the keys", None if selection is None else selection.range, cursor.keys),
        ("revision", revision or None, cursor.revision),
        ("reverse", reverse, cursor.reverse),
    )
    for name, given, fixed in repeated:
        if given not in (None, fixed):
            raise InvalidRequest(
                f"the cursor belongs to another listing: {name} must be as in its first request, "
                "or left out"
            )
    return cursor.keys, cursor.rest, cursor.revision, cursor.reverse


def parse_delete(raw: bytes, key_bytes_max: int) -> DeleteRequest:
    """Raises ``InvalidRequest`` and ``TooLarge``."""
    query = Query(raw)
    selection, everything = query.selection(key_bytes_max), query.flag("all")
    limit = query.whole("limit", 1, RANGE_KEYS_MAX) or 0
    query.refuse_others(_DELETE_KNOWN)
    if everything and selection is not None and not selection.is_everything:
        raise InvalidRequest("all=true deletes every key; leave it out to delete only some")
    if not everything and (selection is None or selection.is_everything):
        raise InvalidRequest(
            "this would delete every key; give key, prefix, or start and end, or say all=true if "
            "you mean it"
        )
    return DeleteRequest(selection or EVERYTHING, limit)
