"""Parameters and headers of the routes of keys in the document."""

from typing import Any

from kvorum.rest.coordination_schemas import LEASE_PATTERN
from kvorum.rest.lease_fields import TTL_S_MAX
from kvorum.rest.openapi.parts import JsonObject
from kvorum.rest.query import REVISION_MAX


def _query(name: str, description: str, schema: JsonObject, **more: Any) -> JsonObject:
    return {"name": name, "in": "query", "description": description, "schema": schema, **more}


def _flag(name: str, description: str) -> JsonObject:
    return _query(name, description, {"type": "boolean", "default": False})


def _condition(name: str, description: str, *, is_strict: bool = True) -> JsonObject:
    """Where it is not strict, what is no entity tag simply matches nothing."""
    pattern = {"pattern": '^([*]|"[1-9][0-9]{0,17}")?$'} if is_strict else {}
    return {
        "name": name,
        "in": "header",
        "description": description,
        "schema": {"type": "string", **pattern},
        # The page fills in the first example: most requests have no condition.
        "examples": {
            "none": {"summary": "no condition", "value": ""},
            "any": {"summary": "any state of the key", "value": "*"},
            "one": {"summary": "the state with this modRevision", "value": '"42"'},
        },
    }


PARAMETERS: JsonObject = {
    "AtRevision": _query(
        "revision",
        "Show the state as of this revision of the store; by default the present one.",
        {"type": "integer", "minimum": 1, "maximum": REVISION_MAX},
    ),
    "IfNoneMatchRead": _condition(
        "If-None-Match",
        "Answer 304, without a body, if this is the ETag still.",
        is_strict=False,
    ),
    "IfMatch": _condition(
        "If-Match", "Write only if this is the ETag (the `modRevision`) still; `*`: if it exists."
    ),
    "IfNoneMatch": _condition(
        "If-None-Match", "`*`: write only if the key does not exist; an ETag: if that is not it."
    ),
    "Previous": _flag("previous", "Show what the key held before."),
    "LeaseOfKey": _query(
        "lease",
        "For a value that is sent as it is: the key is deleted when this lease ends.",
        {"type": "string", "pattern": LEASE_PATTERN},
    ),
    "TtlSeconds": _query(
        "ttlSeconds",
        "For a value that is sent as it is: the key is deleted after so long, unless it is "
        "written again. Not with `lease`.",
        {"type": "number", "minimum": 1, "maximum": TTL_S_MAX},
    ),
    "SelectKey": _query("key", "This key only.", {"type": "string", "minLength": 1}),
    "SelectPrefix": _query(
        "prefix",
        "All keys that begin with it; empty: every key.",
        {"type": "string"},
        example="config/",
    ),
    "SelectStart": _query("start", "All keys from this one on.", {"type": "string"}),
    "SelectEnd": _query("end", "All keys up to, but without, this one.", {"type": "string"}),
    "PageLimit": _query(
        "limit",
        "Keys in the page, at most; a page of large values ends earlier.",
        {"type": "integer", "minimum": 1, "maximum": 10_000, "default": 100},
    ),
    "PageCursor": _query(
        "cursor",
        "Of the page before. It fixes keys, revision and direction, which may be repeated or "
        "left out.",
        {"type": "string"},
        examples={"first": {"summary": "the first page", "value": ""}},
    ),
    "Reverse": _flag("reverse", "Last key first."),
    "KeysOnly": _flag("keysOnly", "Leave the values out."),
    "CountOnly": _flag("countOnly", "Only count the keys; not with parameters of pages."),
    "DeleteLimit": _query(
        "limit",
        "Delete the first so many keys. Without it: all, which fails if they are more than 10,000.",
        {"type": "integer", "minimum": 1, "maximum": 10_000},
    ),
    "DeleteAll": _flag("all", "Say so if every key of the store is to be deleted."),
}


def _header(description: str, example: int | str) -> JsonObject:
    kind = "integer" if isinstance(example, int) else "string"
    return {"description": description, "schema": {"type": kind}, "example": example}


HEADERS: JsonObject = {
    "ETag": _header("The `modRevision` in quotes, for If-Match and If-None-Match.", '"42"'),
    "KeyStoreRevision": _header("With the bytes: revision of the store.", 42),
    "KeyModRevision": _header("With the bytes: revision of the last write.", 42),
    "KeyCreateRevision": _header("With the bytes: revision that created the key.", 7),
    "KeyVersion": _header("With the bytes: writes since the key was created.", 3),
}
