"""``/compact`` and ``/snapshot`` in the document."""

from kvorum.errors import Compacted
from kvorum.rest.coordination_schemas import CompactAnswer, CompactBody
from kvorum.rest.openapi.coordination_parts import (
    COMMON,
    body_of,
    body_refusals,
    expired,
    operation,
    unavailable,
    unfinished,
)
from kvorum.rest.openapi.parts import JsonObject, json_answer, problem_answer, sends, uses
from kvorum.rest.problems import KINDS

_COMPACT = "/compact"
_SNAPSHOT = "/snapshot"


def maintenance_paths() -> JsonObject:
    """The path items in the order they are shown."""
    return {"/compact": {"post": _compact()}, "/snapshot": {"get": _snapshot()}}


def _compact() -> JsonObject:
    detail = "revision 12 is compacted already; the oldest one is 9000"
    return operation(
        "operations",
        "compact",
        "Forget history",
        "What the store held before `revision` can be neither read nor watched any more; the "
        "revision itself stays readable. History is also bounded by itself (HISTORY_…): nobody "
        "has to call this.",
        {
            "200": json_answer(CompactAnswer, "Done.", COMMON | {"compactedRevision": 9000}),
            **body_refusals(_COMPACT, "give either revision, the oldest to keep, or keepRevisions"),
            **expired(_COMPACT),
            "410": problem_answer(
                "That was forgotten before.",
                KINDS[Compacted],
                detail,
                instance=_COMPACT,
                extra={"oldestRevision": 9000},
            ),
            **unfinished(_COMPACT),
        },
        instance=_COMPACT,
        parameters=[uses("IdempotencyKey")],
        body=body_of(CompactBody, {"keepRevisions": 1000}),
    )


def _snapshot() -> JsonObject:
    file: JsonObject = {
        "description": "A snapshot file.",
        "headers": {
            "Content-Disposition": sends("ContentDisposition"),
            "Kvorum-Revision": sends("KvorumRevision"),
        },
        "content": {
            "application/octet-stream": {
                "schema": {"type": "string", "format": "binary"},
                "example": "the bytes of the file",
            }
        },
    }
    return operation(
        "operations",
        "snapshot",
        "Back up the whole store",
        "A file with all keys, leases and the history that is kept, at least as of everything "
        "that was acknowledged before the request. `kvorum snapshot restore` makes a new cluster "
        "of it. An answer that ends before its `Content-Length` is no backup.",
        {"200": file, **unavailable(_SNAPSHOT)},
        instance=_SNAPSHOT,
    )
