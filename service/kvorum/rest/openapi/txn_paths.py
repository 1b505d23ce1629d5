"""``/txn`` and ``/batch`` in the document."""

from msgspec import Struct

from kvorum.errors import Forbidden
from kvorum.rest.openapi.coordination_parts import (
    COMMON,
    body_refusals,
    expired,
    full,
    no_lease,
    operation,
    unfinished,
)
from kvorum.rest.openapi.key_bodies import body_ref
from kvorum.rest.openapi.parts import JsonObject, json_answer, problem_answer, uses
from kvorum.rest.problems import KINDS
from kvorum.rest.range_schemas import BatchAnswer, TxnAnswer

TXN_SCHEMAS: tuple[type[Struct], ...] = (TxnAnswer, BatchAnswer)

_TXN = "/txn"
_BATCH = "/batch"


def txn_paths() -> JsonObject:
    """The path items in the order they are shown."""
    return {_TXN: {"post": _txn()}, _BATCH: {"post": _batch()}}


def _txn() -> JsonObject:
    request = {
        "compare": [
            {"key": "stock/nuts", "target": "value", "op": ">", "value": 0},
            {"key": "orders/4711", "target": "exists", "value": False},
        ],
        "then": [
            {"put": {"key": "orders/4711", "value": {"nuts": 1}}},
            {"get": {"key": "stock/nuts"}},
        ],
        "else": [{"get": {"prefix": "stock/", "limit": 10}}],
    }
    item = {
        "key": "stock/nuts",
        "value": 12,
        "createRevision": 7,
        "modRevision": 42,
        "version": 3,
    }
    answer = COMMON | {
        "succeeded": True,
        "revision": 43,
        "results": [{"put": {}}, {"get": {"items": [item], "more": False}}],
    }
    return operation(
        "keys",
        "txn",
        "Compare, then write and read",
        "If all comparisons hold, the operations of `then` are done, otherwise those of `else`: "
        "all of them, at one revision, or none. Reads show the store before the writes, as the "
        "comparisons saw it. Both ends are answered with 200: `succeeded` tells.",
        {
            "200": json_answer(TxnAnswer, "Applied.", answer),
            **_refusals(_TXN, "then[3].put.ttlSeconds must be a number, not a string"),
        },
        instance=_TXN,
        parameters=[uses("IdempotencyKey")],
        body=_body("TxnBody", request),
    )


def _batch() -> JsonObject:
    request = {
        "operations": [
            {"put": {"key": "config/colour", "value": "green"}},
            {"put": {"key": "sessions/7", "value": {}, "ttlSeconds": 30}},
            {"delete": {"prefix": "drafts/"}},
        ]
    }
    answer = COMMON | {"revision": 43, "changed": 3}
    return operation(
        "keys",
        "batch",
        "Write several keys at once",
        "All of the operations, at one revision, or none.",
        {
            "200": json_answer(BatchAnswer, "Applied.", answer),
            **_refusals(_BATCH, "operations[1].put.ttlSeconds must be a number, not a string"),
        },
        instance=_BATCH,
        parameters=[uses("IdempotencyKey")],
        body=_body("BatchBody", request),
    )


def _body(name: str, example: JsonObject) -> JsonObject:
    return {
        "required": True,
        "description": "At most 512 comparisons and 512 operations in each branch; the body may "
        "have twice VALUE_BYTES_MAX bytes and 1 MiB more.",
        "content": {"application/json": {"schema": body_ref(name), "example": example}},
    }


def _refusals(instance: str, detail: str) -> JsonObject:
    return {
        **body_refusals(instance, detail),
        "403": problem_answer(
            "A key is the store's own (EXECUTED_COMMANDS_KEY).",
            KINDS[Forbidden],
            "cannot get value of internal key",
            instance=instance,
        ),
        **no_lease(instance),
        **expired(instance),
        **unfinished(instance),
        **full(instance),
    }
