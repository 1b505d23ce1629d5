"""The reusable parts of the document: schemas, parameters, headers, answers."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from kvorum.rest.problems import ALL_KINDS, Kind
from kvorum.rest.schemas import (
    AcceptedAnswer,
    ClusterInfoAnswer,
    ClusterLogAnswer,
    CommandAnswer,
    Index,
    JsonText,
    LeadershipAnswer,
    MembersAnswer,
    Problem,
    ReadAnswer,
    WriteAnswer,
)

JsonObject = dict[str, Any]


class SwapBody(Struct, rename="camel"):
    """What the key must hold, compared deeply, numbers as numbers; and what to store then."""

    old_value: JsonText
    new_value: JsonText


class MemberBody(Struct):
    """Where the other nodes will reach the new member (its SELF_ADDRESS)."""

    address: Annotated[str, Meta(examples=["localhost:8006"])]


class TransferBody(Struct):
    """Who shall lead: a voter's id, address or name; null for whoever is fit."""

    target: Annotated[str | None, Meta(examples=["Node-2"])] = None


_SCHEMAS = (
    SwapBody,
    MemberBody,
    TransferBody,
    AcceptedAnswer,
    WriteAnswer,
    ReadAnswer,
    CommandAnswer,
    ClusterInfoAnswer,
    ClusterLogAnswer,
    MembersAnswer,
    LeadershipAnswer,
    Problem,
    Index,
)


def schemas(*more: type[Struct]) -> JsonObject:
    """JSON Schema (2020-12, as in OpenAPI 3.1) of every body: those here and ``more``."""
    _, components = msgspec.json.schema_components(
        (*_SCHEMAS, *more), ref_template="#/components/schemas/{name}"
    )
    return {name: components[name] for name in sorted(components)}


def ref(schema: type[Struct]) -> JsonObject:
    return {"$ref": f"#/components/schemas/{schema.__name__}"}


def _header(description: str, example: str, kind: str = "string") -> JsonObject:
    value = int(example) if kind == "integer" else example
    return {"description": description, "schema": {"type": kind}, "example": value}


HEADERS: JsonObject = {
    "Location": _header(
        "Where the outcome of the request is found.", "/command/2a599fd1f6949ec5-1"
    ),
    "PreferenceApplied": _header("The preference that was honoured (RFC 7240).", "respond-async"),
    "RetryAfter": _header("Seconds to wait before trying again.", "1", "integer"),
    "Allow": _header("Methods that the resource knows.", "GET, OPTIONS"),
}


def parameters() -> JsonObject:
    """Reusable parameters by name."""
    return {
        "Key": _KEY,
        "RequestIdInPath": _REQUEST_ID,
        "MemberInPath": _MEMBER,
        "Consistency": _CONSISTENCY,
        "CommandConsistency": _COMMAND_CONSISTENCY,
        "IdempotencyKey": _IDEMPOTENCY_KEY,
        "Prefer": _PREFER,
        "LogFrom": _log_parameter("from", _FROM, 1, 1, None),
        "LogLimit": _log_parameter("limit", "Log entries in the page, at most.", 100, 1, 1000),
        "Verbose": {
            "name": "verbose",
            "in": "query",
            "description": "Say more than `ok`.",
            "allowEmptyValue": True,
            "schema": {"type": "string"},
            "example": "",
        },
    }


_FROM = "Index of the first entry. Below `firstIndex` the page begins with the first one there is."
_KEY: JsonObject = {
    "name": "key",
    "in": "path",
    "required": True,
    "description": "Any UTF-8 text, percent-encoded; at most KEY_BYTES_MAX bytes (1024 unless "
    "configured) once decoded. It may contain `/`, encoded or not, and is never normalised: "
    "`a//b` and `a/b` are two keys.",
    "schema": {"type": "string", "minLength": 1},
    "example": "colour",
}
_REQUEST_ID: JsonObject = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "The `requestId` of an answer, or the Idempotency-Key of a request; "
    "percent-encoded.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 128},
    "example": "order-4711-put",
}
_MEMBER: JsonObject = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "Id, address or name (SELF_ID) of a member, percent-encoded: `#` is `%23`. An "
    "address or a name must fit one member only.",
    "schema": {"type": "string", "minLength": 1},
    "example": "Node-3",
}
_CONSISTENCY: JsonObject = {
    "name": "consistency",
    "in": "query",
    "description": "`linearizable`: sees every write acknowledged before the request began; costs "
    "one round trip to a majority. `stale`: what this node has now; the answer says how far behind "
    "that may be.",
    "schema": {"type": "string", "enum": ["linearizable", "stale"], "default": "linearizable"},
}
_COMMAND_CONSISTENCY: JsonObject = _CONSISTENCY | {
    "description": "`linearizable`: a node that does not know the request catches up before it "
    "says so. `stale`: only what this node knows now.",
}
_IDEMPOTENCY_KEY: JsonObject = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "The request id: 1 to 128 visible ASCII characters, quoted or bare. A write "
    "with an id that was used before applies nothing and gets the first outcome again, on any "
    "node, while outcomes are kept (OUTCOMES_COUNT_MAX, OUTCOMES_AGE_S_MAX).",
    "schema": {"type": "string", "minLength": 1, "maxLength": 130},
    # The page fills in the first example: an id would make the second try a repetition.
    "examples": {
        "none": {"summary": "a new request", "value": ""},
        "chosen": {"summary": "a request that may be repeated", "value": "order-4711-put"},
    },
}
_PREFER: JsonObject = {
    "name": "Prefer",
    "in": "header",
    "description": "`respond-async` (RFC 7240): answer 202 at once; the outcome is then found at "
    "`/command/{requestId}`.",
    "schema": {"type": "string"},
    "examples": {
        "wait": {"summary": "wait for the outcome", "value": ""},
        "async": {"summary": "answer at once", "value": "respond-async"},
    },
}


def _log_parameter(
    name: str, description: str, default: int, low: int, high: int | None
) -> JsonObject:
    schema: JsonObject = {"type": "integer", "minimum": low, "default": default}
    if high is not None:
        schema["maximum"] = high
    return {"name": name, "in": "query", "description": description, "schema": schema}


def uses(name: str) -> JsonObject:
    return {"$ref": f"#/components/parameters/{name}"}


def sends(name: str) -> JsonObject:
    return {"$ref": f"#/components/headers/{name}"}


def json_answer(
    schema: type[Struct], description: str, example: Any, headers: JsonObject | None = None
) -> JsonObject:
    """An answer of ``application/json``."""
    answer: JsonObject = {
        "description": description,
        "content": {"application/json": {"schema": ref(schema), "example": example}},
    }
    return answer | ({"headers": headers} if headers else {})


def text_answer(description: str, media_type: str, example: str) -> JsonObject:
    """An answer that is not JSON."""
    content = {media_type: {"schema": {"type": "string"}, "example": example}}
    return {"description": description, "content": content}


def problem_answer(
    description: str,
    kind: Kind,
    detail: str,
    *,
    instance: str = "/key/colour",
    extra: JsonObject | None = None,
    headers: JsonObject | None = None,
) -> JsonObject:
    """An answer of ``application/problem+json``; ``extra`` adds fields to the example."""
    example: JsonObject = {
        "type": kind.type_uri,
        "title": kind.title,
        "status": kind.status,
        "detail": detail,
        "instance": instance,
        "error": detail,
        "isLeader": True,
        "leaderId": "Node-1",
    }
    answer: JsonObject = {
        "description": description,
        "content": {
            "application/problem+json": {
                "schema": ref(Problem),
                "example": example | (extra or {}),
            }
        },
    }
    return answer | ({"headers": headers} if headers else {})


def problem_table() -> str:
    """Every kind of problem as a Markdown table."""
    rows = sorted((kind.status, kind.type_uri, kind.title) for kind in ALL_KINDS)
    lines = [f"| {status} | `{uri}` | {title} |" for status, uri, title in rows]
    return "\n".join(["| status | type | title |", "|---|---|---|", *lines])
