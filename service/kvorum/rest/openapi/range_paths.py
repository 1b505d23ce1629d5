"""``/keys`` in the document."""

from msgspec import Struct

from kvorum.rest.openapi.coordination_parts import (
    COMMON,
    expired,
    invalid,
    operation,
    too_large,
    unavailable,
    unfinished,
)
from kvorum.rest.openapi.key_paths import compacted
from kvorum.rest.openapi.parts import JsonObject, json_answer, problem_answer, ref, uses
from kvorum.rest.problems import TOO_MANY_KEYS
from kvorum.rest.range_schemas import CountAnswer, KeysAnswer, KeysDeletedAnswer

RANGE_SCHEMAS: tuple[type[Struct], ...] = (KeysAnswer, CountAnswer, KeysDeletedAnswer)

_KEYS = "/keys"
_SELECTORS = ("SelectKey", "SelectPrefix", "SelectStart", "SelectEnd")
_ITEMS = [
    {
        "key": "config/colour",
        "value": {"colour": "green"},
        "createRevision": 7,
        "modRevision": 42,
        "version": 3,
    },
    {
        "key": "config/logo",
        "valueBase64": "iVBORw0KGgo=",
        "contentType": "image/png",
        "createRevision": 40,
        "modRevision": 40,
        "version": 1,
        "lease": "worker-7",
    },
]


def range_paths() -> JsonObject:
    """One path item."""
    return {"/keys": {"get": _list(), "delete": _delete()}}


def _list() -> JsonObject:
    page = COMMON | {
        "items": _ITEMS,
        "more": True,
        "cursor": "lQEqksQHY29uZmlnL8QHY29uZmlnMMLEC2NvbmZpZy9sb2dv",
        "revision": 42,
    }
    shown = json_answer(KeysAnswer, "A page; with `countOnly` the number of keys.", page)
    shown["content"]["application/json"]["schema"] = {"anyOf": [ref(KeysAnswer), ref(CountAnswer)]}
    names = (
        *_SELECTORS,
        "PageLimit",
        "PageCursor",
        "Reverse",
        "KeysOnly",
        "CountOnly",
        "AtRevision",
        "Consistency",
        "IdempotencyKey",
    )
    return operation(
        "keys",
        "listKeys",
        "List keys in order",
        "Page by page: `cursor` leads to the next page, and all pages of a listing show the store "
        "at one revision, whatever is written meanwhile and on whichever node they are read. Say "
        "which keys by at most one of `key`, `prefix` and `start`/`end`; without them: all.",
        {
            "200": shown,
            **invalid(_KEYS, "limit='0' must be a whole number, 1 to 10000"),
            "410": compacted(_KEYS),
            **too_large(_KEYS, "prefix has 2048 bytes; at most 1024 are allowed"),
            **unavailable(_KEYS),
        },
        instance=_KEYS,
        parameters=[uses(name) for name in names],
    )


def _delete() -> JsonObject:
    example = COMMON | {"deleted": 2, "more": False, "revision": 43}
    too_many = (
        "more than 10000 keys: nothing was deleted; give limit=10000 or less, and repeat the "
        "request while the answer says that there are more"
    )
    responses = {
        "200": json_answer(KeysDeletedAnswer, "Deleted, at one revision.", example),
        "400": problem_answer(
            "The request cannot be understood, or would delete too many keys at once. Nothing was "
            "applied.",
            TOO_MANY_KEYS,
            too_many,
            instance=_KEYS,
        ),
        **expired(_KEYS),
        **too_large(_KEYS, "prefix has 2048 bytes; at most 1024 are allowed"),
        **unfinished(_KEYS),
    }
    return operation(
        "keys",
        "deleteKeys",
        "Delete a range of keys",
        "All of them, or the first `limit`, at one revision. Say which by exactly one of `key`, "
        "`prefix` and `start`/`end`; every key of the store only with `all=true`.",
        responses,
        instance=_KEYS,
        parameters=[
            uses(name) for name in (*_SELECTORS, "DeleteLimit", "DeleteAll", "IdempotencyKey")
        ],
    )
