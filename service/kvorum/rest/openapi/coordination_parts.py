"""What the documents of watches, leases, locks, elections and maintenance share."""

from typing import Any

from msgspec import Struct

from kvorum.errors import (
    Conflict,
    Full,
    InvalidRequest,
    LeaseNotFound,
    NoLeader,
    OutcomeUnknown,
    Overloaded,
    TooLarge,
)
from kvorum.rest.coordination_schemas import (
    LEASE_PATTERN,
    ClaimAnswer,
    CompactAnswer,
    CompactBody,
    ElectionAnswer,
    GrantAnswer,
    GrantBody,
    KeepAliveAnswer,
    LeaderEvent,
    LeaseAnswer,
    LeasesAnswer,
    LockAnswer,
    LockBody,
    NamesAnswer,
    ProclaimBody,
    ReleaseAnswer,
    RevokeAnswer,
)
from kvorum.rest.faults import UnsupportedMediaType
from kvorum.rest.openapi.parts import JsonObject, problem_answer, ref, sends
from kvorum.rest.problems import INTERNAL, KINDS, UNEXPECTED_DETAIL
from kvorum.rest.watch_schemas import (
    StreamEvent,
    WatchBookmark,
    WatchCancelled,
    WatchChange,
    WatchOpened,
)

SCHEMAS: tuple[type[Struct], ...] = (
    GrantBody,
    LockBody,
    ProclaimBody,
    CompactBody,
    GrantAnswer,
    KeepAliveAnswer,
    RevokeAnswer,
    LeasesAnswer,
    LeaseAnswer,
    ClaimAnswer,
    LockAnswer,
    ElectionAnswer,
    NamesAnswer,
    ReleaseAnswer,
    CompactAnswer,
    StreamEvent,
    WatchOpened,
    WatchChange,
    WatchBookmark,
    WatchCancelled,
    LeaderEvent,
)

ALTERNATIVES: dict[str, tuple[str, ...]] = {
    "LockBody": ("lease", "ttlSeconds"),
    "CompactBody": ("revision", "keepRevisions"),
}
"""Exactly one of these members: what a struct cannot say."""

ID = "2a599fd1f6949ec5-1"
COMMON = {"isLeader": True, "leaderId": "Node-1", "requestId": ID}


def _query(name: str, description: str, schema: JsonObject, **more: Any) -> JsonObject:
    return {"name": name, "in": "query", "description": description, "schema": schema, **more}


def _name(subject: str, example: str) -> JsonObject:
    return {
        "name": "name",
        "in": "path",
        "required": True,
        "description": f"Of the {subject}: any UTF-8 text of at most 256 bytes, percent-encoded; "
        "a slash is `%2F`.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 256},
        "example": example,
    }


PARAMETERS: JsonObject = {
    "LeaseInPath": {
        "name": "id",
        "in": "path",
        "required": True,
        "description": "Id of the lease.",
        "schema": {"type": "string", "pattern": LEASE_PATTERN},
        "example": "worker-7",
    },
    "LeaseAfter": _query("after", "The id behind which the page begins.", {"type": "string"}),
    "LeaseOfClaim": _query(
        "lease",
        "Whose claim.",
        {"type": "string", "pattern": LEASE_PATTERN},
        required=True,
        example="worker-7",
    ),
    "NameAfter": _query("after", "The name behind which the page begins.", {"type": "string"}),
    "ListLimit": _query(
        "limit",
        "Items in the page, at most.",
        {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100},
    ),
    "KeysOfLease": _query(
        "keys",
        "Show the keys too, the first 10,000 of them.",
        {"type": "boolean", "default": False},
    ),
    "LockName": _name("lock", "reports"),
    "ElectionName": _name("election", "scheduler"),
    "WatchKey": _query("key", "Watch this key.", {"type": "string", "minLength": 1}),
    "WatchPrefix": _query(
        "prefix",
        "Watch all keys that begin with it; empty: all keys.",
        {"type": "string"},
        example="config/",
    ),
    "WatchStart": _query("start", "Watch the keys from this one on.", {"type": "string"}),
    "WatchEnd": _query("end", "Watch the keys up to, but without, this one.", {"type": "string"}),
    "FromRevision": _query(
        "fromRevision",
        "Begin with the changes of this revision; one that is still to come is waited for. "
        "Without it: what happens from now on.",
        {"type": "integer", "minimum": 1},
    ),
    "WatchPrevious": _query(
        "previous", "Tell what keys held before, too.", {"type": "boolean", "default": False}
    ),
    "WatchTypes": _query(
        "types",
        "Tell only of these.",
        {"type": "array", "items": {"type": "string", "enum": ["put", "delete"]}, "minItems": 1},
        style="form",
        explode=False,
    ),
    "HeartbeatSeconds": _query(
        "heartbeatSeconds",
        "After so long without an event a comment (or a bookmark) shows that the stream lives.",
        {"type": "integer", "minimum": 1, "maximum": 300, "default": 15},
    ),
    "Bookmarks": _query(
        "bookmarks",
        "Heartbeats are events that tell up to which revision everything was sent.",
        {"type": "boolean", "default": False},
    ),
    "LastEventId": {
        "name": "Last-Event-ID",
        "in": "header",
        "description": "Go on behind the event with this id; sent by `EventSource` when it "
        "connects again, and stronger than `fromRevision`.",
        "schema": {"type": "string", "pattern": "^[0-9]{0,18}$"},
    },
}

HEADERS: JsonObject = {
    "LeaseLocation": {
        "description": "Path of the lease.",
        "schema": {"type": "string"},
        "example": "/leases/worker-7",
    },
    "ContentDisposition": {
        "description": "A name for the file.",
        "schema": {"type": "string"},
        "example": 'attachment; filename="kvorum-118.snapshot"',
    },
    "KvorumRevision": {
        "description": "Revision of the store; the backup holds that much at least.",
        "schema": {"type": "integer"},
        "example": 42,
    },
}


def operation(
    tag: str,
    name: str,
    summary: str,
    description: str,
    responses: JsonObject,
    *,
    instance: str,
    parameters: list[JsonObject] | None = None,
    body: JsonObject | None = None,
) -> JsonObject:
    """One operation; ``responses`` without the 500 that every one has."""
    internal = problem_answer(
        "A defect of this node.", INTERNAL, UNEXPECTED_DETAIL, instance=instance
    )
    found: JsonObject = {
        "tags": [tag],
        "operationId": name,
        "summary": summary,
        "description": description,
        "responses": dict(sorted((responses | {"500": internal}).items())),
    }
    if parameters:
        found["parameters"] = parameters
    if body:
        found["requestBody"] = body
    return found


def body_of(schema: type[Struct], example: Any) -> JsonObject:
    return {
        "required": True,
        "content": {"application/json": {"schema": ref(schema), "example": example}},
    }


def stream(example: JsonObject) -> JsonObject:
    """An answer of events; its schema and its ``example`` are those of one."""
    content = {"text/event-stream": {"schema": ref(StreamEvent), "example": example}}
    return {"description": "A stream that stays open.", "content": content}


def invalid(instance: str, detail: str) -> JsonObject:
    return {
        "400": problem_answer(
            "The request cannot be understood; `detail` names the field. Nothing was applied.",
            KINDS[InvalidRequest],
            detail,
            instance=instance,
        )
    }


def body_refusals(instance: str, detail: str) -> JsonObject:
    """Of a body that cannot be used."""
    return {
        **invalid(instance, detail),
        **too_large(instance, "the body is larger than 4096 bytes, the most this node reads"),
        "415": problem_answer(
            "The body is not declared as JSON.",
            KINDS[UnsupportedMediaType],
            "the body is declared as text/plain, but only JSON is understood",
            instance=instance,
        ),
    }


def too_large(instance: str, detail: str) -> JsonObject:
    return {
        "413": problem_answer(
            "A name, a key, a value or the body is over its limit. Nothing was applied.",
            KINDS[TooLarge],
            detail,
            instance=instance,
        )
    }


def no_lease(instance: str) -> JsonObject:
    message = "there is no lease 'worker-7': it never was, or it has ended"
    return {
        "404": problem_answer(
            "There is no such lease, or it has ended.",
            KINDS[LeaseNotFound],
            message,
            instance=instance,
        )
    }


def conflict(instance: str, description: str, detail: str) -> JsonObject:
    return {"409": problem_answer(description, KINDS[Conflict], detail, instance=instance)}


def expired(instance: str) -> JsonObject:
    """Of a write that may have been applied under this id, and been forgotten."""
    return conflict(
        instance,
        "It is unknown what became of an earlier attempt under the same Idempotency-Key. Nothing "
        "was applied now.",
        "an earlier attempt may have been applied and forgotten",
    )


def unavailable(instance: str) -> JsonObject:
    """Of everything that needs a leader: certainly not applied."""
    retry = {"Retry-After": sends("RetryAfter")}
    return {
        "429": problem_answer(
            "Too many requests are waiting on this node. Certainly not applied: retry freely.",
            KINDS[Overloaded],
            "10000 writes are waiting already; try again later",
            instance=instance,
            headers=retry,
        ),
        "503": problem_answer(
            "No leader, or no majority to lead. Certainly not applied: retry freely.",
            KINDS[NoLeader],
            "no leader is known; a majority of the nodes must be running",
            instance=instance,
            extra={"isLeader": False, "leaderId": ""},
            headers=retry,
        ),
    }


def unfinished(instance: str) -> JsonObject:
    """Of every write."""
    detail = (
        "no answer within 5000 ms. It may or may not be applied. Find out with GET "
        f"/command/{ID}, or send the same request again with the header Idempotency-Key: {ID} "
        "- it is applied once at most"
    )
    return {
        **unavailable(instance),
        "504": problem_answer(
            "The outcome is unknown: the write may yet be applied. `detail` says how to find out.",
            KINDS[OutcomeUnknown],
            detail,
            instance=instance,
            extra={"requestId": ID},
            headers={"Location": sends("Location")},
        ),
    }


def full(instance: str) -> JsonObject:
    return {
        "507": problem_answer(
            "The store is at its quota, or there is no room for this much. `detail` says how much "
            "is used. Nothing was changed.",
            KINDS[Full],
            "the write does not fit: 2,040 of 2,048 MiB are used (QUOTA_BYTES); write less, "
            "delete keys, or raise the store's quota",
            instance=instance,
        )
    }
