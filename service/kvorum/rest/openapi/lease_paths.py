"""``/leases…`` in the document."""

from kvorum.errors import Full
from kvorum.mvcc.outcome import LEASES_FULL_MESSAGE
from kvorum.rest.coordination_schemas import (
    GrantAnswer,
    GrantBody,
    KeepAliveAnswer,
    LeaseAnswer,
    LeasesAnswer,
    RevokeAnswer,
)
from kvorum.rest.openapi.coordination_parts import (
    COMMON,
    body_of,
    body_refusals,
    conflict,
    expired,
    invalid,
    no_lease,
    operation,
    unavailable,
    unfinished,
)
from kvorum.rest.openapi.parts import JsonObject, json_answer, problem_answer, sends, uses
from kvorum.rest.problems import KINDS

_ALL = "/leases"
_ONE = "/leases/worker-7"
_ALIVE = f"{_ONE}/keepalive"
_WRONG_ID = (
    "the id in the path 'a b' is no id of a lease: 1 to 64 letters, digits, dots, underscores or "
    "dashes"
)
_LEASE = {"id": "worker-7", "ttlSeconds": 10, "remainingSeconds": 7.5}


def lease_paths() -> JsonObject:
    """The path items in the order they are shown."""
    return {
        "/leases": {"get": _list(), "post": _grant()},
        "/leases/{id}": {"get": _find(), "delete": _revoke()},
        "/leases/{id}/keepalive": {"post": _keep_alive()},
    }


def _grant() -> JsonObject:
    example = COMMON | {"id": "worker-7", "ttlSeconds": 10, "revision": 42}
    location = {"Location": sends("LeaseLocation")}
    return operation(
        "leases",
        "grantLease",
        "Grant a lease",
        "Keys that are put with it are deleted when it ends: `ttlSeconds` after it was granted or "
        "kept alive, in the cluster's own time, or when it is revoked.",
        {
            "201": json_answer(GrantAnswer, "Granted.", example, location),
            **body_refusals(_ALL, "ttlSeconds must be 1 to 31536000 seconds, not 0.5"),
            "404": no_lease(_ALL)["404"]
            | {"description": "It repeats a request (Idempotency-Key) whose lease has ended."},
            **conflict(_ALL, "There is a lease of this id.", "there is a lease of this id"),
            **unfinished(_ALL),
            "507": problem_answer(
                "There are as many leases as there may be.",
                KINDS[Full],
                LEASES_FULL_MESSAGE,
                instance=_ALL,
            ),
        },
        instance=_ALL,
        parameters=[uses("IdempotencyKey")],
        body=body_of(GrantBody, {"ttlSeconds": 10, "id": "worker-7"}),
    )


def _list() -> JsonObject:
    example = COMMON | {"leases": [_LEASE | {"keyCount": 3}], "more": False}
    return operation(
        "leases",
        "listLeases",
        "All leases, page by page",
        "Ordered by id; go on behind the last one here with `after`. Linearizable.",
        {
            "200": json_answer(LeasesAnswer, "One page.", example),
            **invalid(_ALL, "limit='0' must be a whole number, 1 to 1000"),
            **unavailable(_ALL),
        },
        instance=_ALL,
        parameters=[uses("LeaseAfter"), uses("ListLimit"), uses("IdempotencyKey")],
    )


def _find() -> JsonObject:
    example = COMMON | _LEASE | {"keyCount": 1, "keys": ["services/web/7"]}
    return operation(
        "leases",
        "findLease",
        "One lease",
        "How long it still lives, and the keys that end with it. Linearizable.",
        {
            "200": json_answer(LeaseAnswer, "It lives.", example),
            **invalid(_ONE, _WRONG_ID),
            **no_lease(_ONE),
            **unavailable(_ONE),
        },
        instance=_ONE,
        parameters=[uses("LeaseInPath"), uses("KeysOfLease"), uses("IdempotencyKey")],
    )


def _keep_alive() -> JsonObject:
    example = COMMON | _LEASE | {"remainingSeconds": 10}
    return operation(
        "leases",
        "keepLeaseAlive",
        "Keep a lease alive",
        "Its time to live begins anew. Once it has ended, it cannot be revived.",
        {
            "200": json_answer(KeepAliveAnswer, "It lives on.", example),
            **invalid(_ALIVE, _WRONG_ID),
            **no_lease(_ALIVE),
            **expired(_ALIVE),
            **unfinished(_ALIVE),
        },
        instance=_ALIVE,
        parameters=[uses("LeaseInPath"), uses("IdempotencyKey")],
    )


def _revoke() -> JsonObject:
    return operation(
        "leases",
        "revokeLease",
        "End a lease",
        "At once; its keys are deleted, all at one revision.",
        {
            "200": json_answer(RevokeAnswer, "Ended.", COMMON | {"revision": 43, "deleted": 3}),
            **invalid(_ONE, _WRONG_ID),
            **no_lease(_ONE),
            **expired(_ONE),
            **unfinished(_ONE),
        },
        instance=_ONE,
        parameters=[uses("LeaseInPath"), uses("IdempotencyKey")],
    )
