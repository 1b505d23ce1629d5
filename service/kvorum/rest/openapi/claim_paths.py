"""``/locks…`` and ``/elections…`` in the document."""

from kvorum.errors import Conflict
from kvorum.rest.coordination_schemas import (
    ClaimAnswer,
    ElectionAnswer,
    LockAnswer,
    LockBody,
    NamesAnswer,
    ProclaimBody,
    ReleaseAnswer,
)
from kvorum.rest.openapi.coordination_parts import (
    COMMON,
    body_of,
    body_refusals,
    conflict,
    full,
    invalid,
    no_lease,
    operation,
    stream,
    too_large,
    unavailable,
    unfinished,
)
from kvorum.rest.openapi.parts import (
    JsonObject,
    json_answer,
    problem_answer,
    uses,
)
from kvorum.rest.problems import KINDS

_LOCK = "/locks/reports"
_ELECTION = "/elections/scheduler"
_OBSERVE = f"{_ELECTION}/observe"

_HOLDER = {"lease": "worker-7", "token": 42, "position": 0, "value": "w7"}
_WAITING = {"lease": "worker-9", "token": 45, "position": 1, "value": "w9"}
_CHOICE = "give either lease, the id of one that exists, or ttlSeconds, to be given a new one"
_NO_LEASE = "lease is missing: whose claim ends? Add ?lease= and its id"
_LIMIT = "limit='0' must be a whole number, 1 to 1000"
_LONG = "the name has 300 bytes; at most 256 are allowed"


def claim_paths() -> JsonObject:
    """The path items in the order they are shown."""
    return {
        "/locks": {"get": _names("locks", "listLocks", "Locks that somebody claims", "/locks")},
        "/locks/{name}": {"get": _lock(), "post": _acquire(), "delete": _release()},
        "/elections": {
            "get": _names("elections", "listElections", "Elections under way", "/elections")
        },
        "/elections/{name}": {
            "get": _election(),
            "post": _campaign(),
            "put": _proclaim(),
            "delete": _resign(),
        },
        "/elections/{name}/observe": {"get": _observe()},
    }


def _names(tag: str, name: str, summary: str, instance: str) -> JsonObject:
    example = COMMON | {"names": ["reports", "reports/daily"], "more": False}
    return operation(
        tag,
        name,
        summary,
        "A page of names, in the order of their percent-encoded form. Linearizable.",
        {
            "200": json_answer(NamesAnswer, "One page.", example),
            **invalid(instance, _LIMIT),
            **unavailable(instance),
        },
        instance=instance,
        parameters=[uses("NameAfter"), uses("ListLimit"), uses("IdempotencyKey")],
    )


def _lock() -> JsonObject:
    example = COMMON | {
        "name": "reports",
        "holder": _HOLDER,
        "queue": [_WAITING],
        "more": False,
    }
    return operation(
        "locks",
        "findLock",
        "Who holds a lock, and who waits",
        "A lock that nobody claims is free. `limit` bounds the queue that is shown. Linearizable.",
        {
            "200": json_answer(LockAnswer, "Holder and queue.", example),
            **invalid(_LOCK, _LIMIT),
            **too_large(_LOCK, _LONG),
            **unavailable(_LOCK),
        },
        instance=_LOCK,
        parameters=[uses("LockName"), uses("ListLimit"), uses("IdempotencyKey")],
    )


def _acquire() -> JsonObject:
    return _claim(
        "locks",
        "acquireLock",
        "Claim a lock",
        "First come, first served. The claim ends with its lease: keep that alive while you hold "
        "the lock, and give `token` along with everything that you do under it.",
        instance=_LOCK,
        parameter="LockName",
    )


def _campaign() -> JsonObject:
    return _claim(
        "elections",
        "campaign",
        "Stand for election",
        "The first candidate leads until it resigns or its lease ends, then the next one. "
        "`value` is what the leader proclaims.",
        instance=_ELECTION,
        parameter="ElectionName",
    )


def _claim(
    tag: str, name: str, summary: str, description: str, *, instance: str, parameter: str
) -> JsonObject:
    held = COMMON | {"name": instance.rpartition("/")[2], "held": True} | _HOLDER
    return operation(
        tag,
        name,
        summary,
        f"{description} With `waitSeconds` the answer comes when the claim holds, or when that "
        "time is over: then the claim waits in the queue as long as its lease lives, and whoever "
        "asks again with the same lease keeps the place. With `ttlSeconds` a lease is made.",
        {
            "200": json_answer(ClaimAnswer, "The claim and its place; see `held`.", held),
            **body_refusals(instance, _CHOICE),
            **no_lease(instance),
            **conflict(
                instance,
                "Taken (with `queue: false`), or the claim ended while it waited.",
                "'reports' is taken by lease worker-9 (token 41)",
            ),
            **unfinished(instance),
            **full(instance),
        },
        instance=instance,
        parameters=[uses(parameter), uses("IdempotencyKey")],
        body=body_of(LockBody, {"ttlSeconds": 30, "value": "w7", "waitSeconds": 10}),
    )


def _release() -> JsonObject:
    return _end(
        "locks",
        "releaseLock",
        "Release a lock",
        "Ends the claim of a lease, whether it holds or waits. The lease lives on.",
        instance=_LOCK,
        parameter="LockName",
    )


def _resign() -> JsonObject:
    return _end(
        "elections",
        "resign",
        "Resign",
        "Ends the candidacy of a lease, whether it leads or not. The lease lives on.",
        instance=_ELECTION,
        parameter="ElectionName",
    )


def _end(
    tag: str, name: str, summary: str, description: str, *, instance: str, parameter: str
) -> JsonObject:
    return operation(
        tag,
        name,
        summary,
        description,
        {
            "200": json_answer(
                ReleaseAnswer, "There is no such claim any more.", COMMON | {"released": True}
            ),
            **invalid(instance, _NO_LEASE),
            **too_large(instance, _LONG),
            **unfinished(instance),
        },
        instance=instance,
        parameters=[uses(parameter), uses("LeaseOfClaim"), uses("IdempotencyKey")],
    )


def _election() -> JsonObject:
    example = COMMON | {
        "name": "scheduler",
        "leader": _HOLDER,
        "queue": [_WAITING],
        "more": False,
    }
    return operation(
        "elections",
        "findElection",
        "Who leads, and who would",
        "`limit` bounds the queue that is shown. Linearizable.",
        {
            "200": json_answer(ElectionAnswer, "Leader and candidates.", example),
            **invalid(_ELECTION, _LIMIT),
            **too_large(_ELECTION, _LONG),
            **unavailable(_ELECTION),
        },
        instance=_ELECTION,
        parameters=[uses("ElectionName"), uses("ListLimit"), uses("IdempotencyKey")],
    )


def _proclaim() -> JsonObject:
    example = COMMON | {"name": "scheduler", "held": True} | _HOLDER | {"value": "w7, busy"}
    detail = "the lease worker-9 does not hold 'scheduler': only its holder may speak"
    return operation(
        "elections",
        "proclaim",
        "Say something as the leader",
        "Changes the leader's `value`, which observers are told at once; its token stays.",
        {
            "200": json_answer(ClaimAnswer, "Said.", example),
            **body_refusals(_ELECTION, "value: the body is missing it"),
            **no_lease(_ELECTION),
            "409": problem_answer(
                "The lease does not lead.", KINDS[Conflict], detail, instance=_ELECTION
            ),
            **unfinished(_ELECTION),
            **full(_ELECTION),
        },
        instance=_ELECTION,
        parameters=[uses("ElectionName"), uses("IdempotencyKey")],
        body=body_of(ProclaimBody, {"lease": "worker-7", "value": "w7, busy"}),
    )


def _observe() -> JsonObject:
    example = (
        '{"name":"scheduler","leader":{"lease":"worker-7","token":42,"position":0,"value":"w7"}}'
    )
    return operation(
        "elections",
        "observeElection",
        "Follow who leads",
        "Server-sent events: `leader` with who leads now (data: `LeaderEvent`) at the start and "
        "whenever that changes, and `cancelled` at the end, as in `/watch`. The first event shows "
        "everything that was acknowledged before the request.",
        {
            "200": stream({"event": "leader", "data": example, "retry": 1000}),
            **invalid(_OBSERVE, "heartbeatSeconds='0' must be a whole number, 1 to 300"),
            **too_large(_OBSERVE, _LONG),
            **unavailable(_OBSERVE),
        },
        instance=_OBSERVE,
        parameters=[uses("ElectionName"), uses("HeartbeatSeconds")],
    )
