"""``/key/{key}`` in the document."""

from typing import Any

from kvorum.errors import (
    Compacted,
    Forbidden,
    InvalidRequest,
    NoLeader,
    OutcomeUnknown,
    Overloaded,
    TooLarge,
)
from kvorum.rest.faults import MalformedJson, UnsupportedMediaType
from kvorum.rest.openapi.coordination_parts import expired, full, no_lease
from kvorum.rest.openapi.key_bodies import body_ref
from kvorum.rest.openapi.parts import (
    JsonObject,
    SwapBody,
    json_answer,
    problem_answer,
    ref,
    sends,
    uses,
)
from kvorum.rest.problems import (
    INTERNAL,
    KEY_NOT_FOUND,
    KINDS,
    PRECONDITION_FAILED,
    UNEXPECTED_DETAIL,
    VALUE_MISMATCH,
)
from kvorum.rest.schemas import AcceptedAnswer, ReadAnswer, WriteAnswer

_ID = "2a599fd1f6949ec5-1"
_COMMON = {"isLeader": True, "leaderId": "Node-1", "requestId": _ID}
_WRITTEN = _COMMON | {"success": True, "message": "success", "revision": 42}
_READ = _WRITTEN | {
    "value": {"colour": "green"},
    "createRevision": 7,
    "modRevision": 42,
    "version": 3,
}
_UNDONE = {"requestId": _ID, "success": False, "revision": 42}

_INVALID = (
    "The key, a parameter, a header or the body cannot be understood. Nothing was applied.",
    KINDS[InvalidRequest],
    "consistency='strong' is unknown; choose linearizable or stale",
)
_MALFORMED = (
    (
        "The key, a parameter, a header or the body cannot be understood; `position` says where "
        "the body stops being JSON. Nothing was applied."
    ),
    KINDS[MalformedJson],
    (
        "the body is not valid JSON: trailing comma in object at byte 12 (line 1, column 13); "
        'expected {"value": any JSON}'
    ),
)


def key_paths() -> JsonObject:
    """The path item."""
    put = "Stores a value, whatever the key held before. Answers when the write is applied."
    raw = (
        " A body of any other type than JSON is the value itself, and is given back as it is; a "
        "form is refused."
    )
    return {
        "/key/{key}": {
            "get": _get(),
            "put": _put(
                "putKeyAgain", "Set a key (same as POST, or to bytes)", put + raw, raw=True
            ),
            "post": _put("putKey", "Set a key", put, raw=False),
            "patch": _swap(),
            "delete": _delete(),
        }
    }


def _get() -> JsonObject:
    names = ("Key", "Consistency", "AtRevision", "IfNoneMatchRead", "IdempotencyKey", "Prefer")
    return {
        "tags": ["keys"],
        "operationId": "getKey",
        "summary": "Read a key",
        "description": "Linearizable unless `consistency=stale`. With `Prefer: respond-async` the "
        "value is fetched from `/command/{requestId}` on the same node. With an `Accept` header "
        "that leaves no room for JSON, for example `application/octet-stream`, the answer is the "
        "value itself: JSON text, or the bytes with the media type under which they were stored.",
        "parameters": [uses(name) for name in names],
        "responses": {
            "200": _value(),
            "202": _accepted(),
            "304": {
                "description": "The client has this state already (`If-None-Match`).",
                "headers": {"ETag": sends("ETag")},
            },
            "400": problem_answer(*_INVALID),
            "403": _forbidden(),
            "404": _missing("key not found"),
            "410": compacted("/key/colour"),
            "413": _too_large("the key has 2048 bytes; at most 1024 are allowed"),
            **_unavailable(),
            "500": _internal(),
        },
    }


def _value() -> JsonObject:
    answer = json_answer(ReadAnswer, "The value.", _READ, {"ETag": sends("ETag")})
    answer["content"]["*/*"] = {
        "schema": {},
        "example": {"colour": "green"},
    }
    answer["headers"] |= {
        "Kvorum-Revision": sends("KeyStoreRevision"),
        "Kvorum-Mod-Revision": sends("KeyModRevision"),
        "Kvorum-Create-Revision": sends("KeyCreateRevision"),
        "Kvorum-Version": sends("KeyVersion"),
    }
    return answer


_CONDITIONS = ("IfMatch", "IfNoneMatch", "Previous", "IdempotencyKey", "Prefer")


def _put(operation: str, summary: str, description: str, *, raw: bool) -> JsonObject:
    body = _body(body_ref("PutBody"), {"value": {"colour": "green"}})
    if raw:
        body["content"]["application/octet-stream"] = {
            "schema": {"type": "string", "format": "binary"},
            "example": "any bytes",
        }
    return {
        "tags": ["keys"],
        "operationId": operation,
        "summary": summary,
        "description": description,
        "parameters": [uses(name) for name in ("Key", "LeaseOfKey", "TtlSeconds", *_CONDITIONS)],
        "requestBody": body,
        "responses": _sorted(_body_responses() | no_lease("/key/colour") | full("/key/colour")),
    }


def _swap() -> JsonObject:
    message = "old value does not match"
    extra = _UNDONE | {"message": message}
    responses = _body_responses() | {
        "404": _missing('key "colour" doesn\'t exist'),
        "409": problem_answer(
            "The key holds something else, perhaps bytes that are not JSON. Nothing was changed.",
            VALUE_MISMATCH,
            message,
            extra=extra,
        ),
        **full("/key/colour"),
    }
    return {
        "tags": ["keys"],
        "operationId": "compareAndSetKey",
        "summary": "Compare and set",
        "description": "Stores `newValue` if the key holds `oldValue`. Values are compared deeply; "
        "numbers as numbers (`1` equals `1.0`), objects whatever the order of their members. The "
        "key stays in its lease.",
        "parameters": [uses(name) for name in ("Key", *_CONDITIONS) if name != "IfNoneMatch"],
        "requestBody": _body(
            ref(SwapBody), {"oldValue": {"colour": "green"}, "newValue": {"colour": "red"}}
        ),
        "responses": _sorted(responses),
    }


def _delete() -> JsonObject:
    responses = {
        "200": json_answer(WriteAnswer, "Applied.", _WRITTEN),
        "202": _accepted(),
        "400": problem_answer(*_INVALID),
        "403": _forbidden(),
        "404": _missing('key "colour" doesn\'t exist'),
        **expired("/key/colour"),
        "412": _unmet(),
        "413": _too_large("the key has 2048 bytes; at most 1024 are allowed"),
        **_unavailable(),
        "500": _internal(),
        "504": _unknown(),
    }
    return {
        "tags": ["keys"],
        "operationId": "deleteKey",
        "summary": "Delete a key",
        "description": "Answers when the deletion is applied.",
        "parameters": [uses(name) for name in ("Key", *_CONDITIONS)],
        "responses": responses,
    }


def _sorted(responses: JsonObject) -> JsonObject:
    return dict(sorted(responses.items()))


def _body(schema: JsonObject, example: Any) -> JsonObject:
    return {
        "required": True,
        "description": "JSON in UTF-8 (RFC 8259); a value may have VALUE_BYTES_MAX bytes (1.5 MiB "
        "unless configured) and 100 levels of nesting. It is stored as it was sent.",
        "content": {"application/json": {"schema": schema, "example": example}},
    }


def _body_responses() -> JsonObject:
    unsupported = (
        "the body is declared as application/x-www-form-urlencoded, but only JSON is understood; "
        "send the header Content-Type: application/json "
        "(with curl: -H 'Content-Type: application/json')"
    )
    position = {"position": {"byte": 12, "line": 1, "column": 13}}
    return {
        "200": json_answer(WriteAnswer, "Applied.", _WRITTEN),
        "202": _accepted(),
        "400": problem_answer(*_MALFORMED, extra=position),
        "403": _forbidden(),
        **expired("/key/colour"),
        "412": _unmet(),
        "413": _too_large("value has 2000000 bytes; a value may have at most 1572864"),
        "415": problem_answer(
            "The body is of a type, or encoded in a way, that is not understood here. Nothing was "
            "applied.",
            KINDS[UnsupportedMediaType],
            unsupported,
        ),
        **_unavailable(),
        "500": _internal(),
        "504": _unknown(),
    }


def _accepted() -> JsonObject:
    headers = {"Location": sends("Location"), "Preference-Applied": sends("PreferenceApplied")}
    description = "Taken, because of `Prefer: respond-async`; not yet committed."
    return json_answer(AcceptedAnswer, description, _COMMON, headers)


def _forbidden() -> JsonObject:
    return problem_answer(
        "The key is the store's own (EXECUTED_COMMANDS_KEY).",
        KINDS[Forbidden],
        "cannot get value of internal key",
        instance="/key/_executed",
    )


def _missing(message: str) -> JsonObject:
    extra = _UNDONE | {"message": message}
    return problem_answer("There is no such key.", KEY_NOT_FOUND, message, extra=extra)


def _unmet() -> JsonObject:
    message = "If-Match or If-None-Match does not hold: the key exists, last written at revision 42"
    return problem_answer(
        "If-Match or If-None-Match does not hold. Nothing was changed.",
        PRECONDITION_FAILED,
        message,
        extra=_UNDONE | {"message": message, "modRevision": 42},
    )


def compacted(instance: str) -> JsonObject:
    """410: what the store held then is forgotten."""
    return problem_answer(
        "The state of that revision is forgotten; `oldestRevision` is the first that is left.",
        KINDS[Compacted],
        "revision 12 is compacted; the oldest one left is 9001",
        instance=instance,
        extra={"oldestRevision": 9001},
    )


def _too_large(detail: str) -> JsonObject:
    description = "The key, the body or a value is over its limit. Nothing was applied."
    return problem_answer(description, KINDS[TooLarge], detail)


def _unavailable() -> JsonObject:
    retry = {"Retry-After": sends("RetryAfter")}
    extra = {"requestId": _ID}
    return {
        "429": problem_answer(
            "Too many requests are waiting on this node. Certainly not applied: retry freely.",
            KINDS[Overloaded],
            "10000 writes are waiting already; try again later",
            extra=extra,
            headers=retry,
        ),
        "503": problem_answer(
            "No leader, or no majority to lead. Certainly not applied: retry freely.",
            KINDS[NoLeader],
            "no leader is known; a majority of the nodes must be running",
            extra=extra | {"isLeader": False, "leaderId": ""},
            headers=retry,
        ),
    }


def _unknown() -> JsonObject:
    detail = (
        "no answer within 5000 ms. It may or may not be applied. Find out with GET "
        f"/command/{_ID}, or send the same request again with the header Idempotency-Key: {_ID} "
        "- it is applied once at most"
    )
    return problem_answer(
        "The outcome is unknown: the write may yet be applied. `detail` says how to find out.",
        KINDS[OutcomeUnknown],
        detail,
        extra={"requestId": _ID},
        headers={"Location": sends("Location")},
    )


def _internal() -> JsonObject:
    return problem_answer(
        "A defect of this node; the outcome of a write is unknown.", INTERNAL, UNEXPECTED_DETAIL
    )
