"""Errors as problem details (RFC 9457): which status, which kind, which headers.

One table says it all; an exception is looked up by its class, then its bases.
"""

import math
from collections.abc import Collection, Mapping
from types import MappingProxyType

import msgspec
from msgspec import UNSET, Struct, UnsetType

from kvorum.errors import (
    Compacted,
    Conflict,
    Forbidden,
    Full,
    FutureRevision,
    InvalidRequest,
    LeaseNotFound,
    NoLeader,
    OutcomeUnknown,
    Overloaded,
    Rejected,
    TooLarge,
)
from kvorum.mvcc.outcome import Outcome, Status
from kvorum.node.views import Leadership
from kvorum.rest.answer import PROBLEM_TYPE, Answer, Headers
from kvorum.rest.faults import (
    ChangeUnconfirmed,
    MalformedJson,
    MethodNotAllowed,
    NotReady,
    UnknownMember,
    UnknownRoute,
    UnsupportedMediaType,
)
from kvorum.rest.locations import command_location
from kvorum.rest.schemas import Problem


class Kind(Struct, frozen=True):
    """A kind of problem; ``name`` ends its type URI."""

    status: int
    name: str
    title: str

    @property
    def type_uri(self) -> str:
        return f"urn:kvorum:problem:{self.name}"


INTERNAL = Kind(500, "internal-error", "Internal error")
KEY_NOT_FOUND = Kind(404, "key-not-found", "Key not found")
VALUE_MISMATCH = Kind(409, "value-mismatch", "Old value does not match")
PRECONDITION_FAILED = Kind(412, "precondition-failed", "Precondition failed")
TOO_MANY_KEYS = Kind(400, "too-many-keys", "Too many keys")

KINDS: Mapping[type[Exception], Kind] = MappingProxyType(
    {
        InvalidRequest: Kind(400, "invalid-request", "Invalid request"),
        MalformedJson: Kind(400, "malformed-json", "Malformed JSON"),
        FutureRevision: Kind(400, "future-revision", "Future revision"),
        Forbidden: Kind(403, "internal-key", "Internal key"),
        UnknownRoute: Kind(404, "unknown-route", "Unknown route"),
        UnknownMember: Kind(404, "unknown-member", "Unknown member"),
        LeaseNotFound: Kind(404, "lease-not-found", "Lease not found"),
        MethodNotAllowed: Kind(405, "method-not-allowed", "Method not allowed"),
        Conflict: Kind(409, "conflict", "Conflict"),
        Compacted: Kind(410, "compacted", "Compacted"),
        TooLarge: Kind(413, "too-large", "Too large"),
        UnsupportedMediaType: Kind(415, "unsupported-media-type", "Unsupported media type"),
        Overloaded: Kind(429, "overloaded", "Overloaded"),
        Rejected: Kind(503, "rejected", "Rejected"),
        NoLeader: Kind(503, "no-leader", "No leader"),
        NotReady: Kind(503, "not-ready", "Not ready"),
        OutcomeUnknown: Kind(504, "outcome-unknown", "Outcome unknown"),
        ChangeUnconfirmed: Kind(504, "change-unconfirmed", "Change not confirmed"),
        Full: Kind(507, "full", "Store full"),
    }
)

OUTCOME_KINDS: Mapping[Status, Kind] = MappingProxyType(
    {
        Status.KEY_NOT_FOUND: KEY_NOT_FOUND,
        Status.VALUE_MISMATCH: VALUE_MISMATCH,
        Status.EXPIRED: KINDS[Conflict],
        Status.CONFLICT: KINDS[Conflict],
        Status.OTHERWISE: PRECONDITION_FAILED,
        Status.LEASE_NOT_FOUND: KINDS[LeaseNotFound],
        Status.FULL: KINDS[Full],
        Status.TOO_MANY: TOO_MANY_KEYS,
        Status.COMPACTED: KINDS[Compacted],
        Status.FUTURE_REVISION: KINDS[FutureRevision],
    }
)
"""What a command that did not do what it was asked to is answered with."""

ALL_KINDS = (
    *KINDS.values(),
    KEY_NOT_FOUND,
    VALUE_MISMATCH,
    PRECONDITION_FAILED,
    TOO_MANY_KEYS,
    INTERNAL,
)

UNEXPECTED_DETAIL = (
    "this node met an unexpected error; it is in the node's log. A write may or may not have "
    "been applied: repeat it only under the same Idempotency-Key"
)

_encode = msgspec.json.Encoder().encode


class Context(Struct, frozen=True, gc=False):
    """What a problem says about the request it ended; ``request_id`` "" if it had none."""

    path: str
    leadership: Leadership
    request_id: str = ""


def kind_of(error: Exception) -> Kind:
    """The kind of the error's class or its nearest base; ``INTERNAL`` for what nobody expected."""
    for base in type(error).__mro__:
        kind = KINDS.get(base)
        if kind is not None:
            return kind
    return INTERNAL


def problem_of(error: Exception, context: Context) -> Answer:
    """The answer to a request that ended in ``error``."""
    kind = kind_of(error)
    problem = Problem(
        type=kind.type_uri,
        title=kind.title,
        status=kind.status,
        detail=(detail := _detail(error, kind)),
        error=detail,
        instance=context.path,
        is_leader=context.leadership.is_leader,
        leader_id=context.leadership.leader_id,
        request_id=_request_id(error, context) or UNSET,
        position=error.position if isinstance(error, MalformedJson) else UNSET,
        oldest_revision=error.oldest_revision if isinstance(error, Compacted) else UNSET,
    )
    return encoded(problem, _headers(error))


def refusal_of(
    outcome: Outcome,
    context: Context,
    *,
    message: str = "",
    detail: str = "",
    kind: Kind | None = None,
    mod_revision: int | UnsetType = UNSET,
    possible: Collection[Status] = tuple(Status),
) -> Answer:
    """The answer to a write that ended in another status than SUCCESS.

    ``kind`` and ``message`` are the outcome's own unless given; ``detail`` says more than the
    message. In another status than those ``possible`` ended a request of another kind, which
    had the same id.
    """
    kind = kind or OUTCOME_KINDS[outcome.status]
    message = message or outcome.message
    if outcome.status not in possible:
        kind, detail = KINDS[Conflict], _another_request(outcome)
    problem = Problem(
        type=kind.type_uri,
        title=kind.title,
        status=kind.status,
        detail=(detail := detail or message),
        error=detail,
        instance=context.path,
        is_leader=context.leadership.is_leader,
        leader_id=context.leadership.leader_id,
        request_id=outcome.request_id,
        success=False,
        message=message,
        revision=outcome.revision,
        mod_revision=mod_revision,
    )
    return encoded(problem)


def _another_request(outcome: Outcome) -> str:
    return (
        f"a request of another kind used the Idempotency-Key {outcome.request_id} before; it "
        f"ended so: {outcome.message}. Nothing was applied now: choose a new key"
    )


def encoded(problem: Problem, headers: Headers = ()) -> Answer:
    """The problem as it goes over the wire."""
    return Answer(problem.status, _encode(problem), PROBLEM_TYPE, headers)


def framework_problem(status: int, title: str, detail: str, context: Context) -> Answer:
    """An error that the framework found: the table has no row for it."""
    leadership = context.leadership
    return encoded(
        Problem(
            type="about:blank",
            title=title,
            status=status,
            detail=detail,
            error=detail,
            instance=context.path,
            is_leader=leadership.is_leader,
            leader_id=leadership.leader_id,
        )
    )


def _detail(error: Exception, kind: Kind) -> str:
    if kind is INTERNAL:
        return UNEXPECTED_DETAIL
    if isinstance(error, OutcomeUnknown):
        return (
            f"{error}. It may or may not be applied. Find out with "
            f"GET {command_location(error.request_id)}, or send the same request again with the "
            f"header Idempotency-Key: {error.request_id} - it is applied once at most"
        )
    return str(error)


def _request_id(error: Exception, context: Context) -> str:
    return error.request_id if isinstance(error, OutcomeUnknown) else context.request_id


def _headers(error: Exception) -> Headers:
    if isinstance(error, Rejected):
        retry = (b"retry-after", b"%d" % max(1, math.ceil(error.retry_after_s)))
        if isinstance(error, NoLeader | Overloaded):
            return (retry,)
        # "Ask another one": behind a load balancer only a new connection leads to another one.
        return (retry, (b"connection", b"close"))
    if isinstance(error, NotReady):
        return ((b"retry-after", b"1"),)
    if isinstance(error, MethodNotAllowed):
        return ((b"allow", error.allowed.encode("ascii")),)
    if isinstance(error, OutcomeUnknown):
        return ((b"location", command_location(error.request_id).encode("ascii")),)
    return ()
