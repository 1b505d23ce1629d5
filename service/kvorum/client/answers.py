"""What an answer that is no success means: which error it is, and whether to ask again."""

import json
from collections.abc import Callable, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Any

from kvorum.client.call import Answer, Call
from kvorum.client.errors import (
    ClientError,
    Compacted,
    Conflict,
    Forbidden,
    Full,
    FutureRevision,
    InvalidRequest,
    LeaseNotFound,
    NotFound,
    OutcomeUnknown,
    PreconditionFailed,
    Problem,
    Refused,
    TooLarge,
    UnexpectedAnswer,
    ValueMismatch,
)

_URN = "urn:kvorum:problem:"


class Verdict(Enum):
    """What to do after an answer."""

    DONE = "it is the answer, or a refusal that stays one"
    NOT_APPLIED = "ask again: this attempt did nothing"
    UNSURE = "ask again under the same id: this attempt may have been applied"


_VERDICTS: Mapping[int, Verdict] = MappingProxyType(
    {
        408: Verdict.NOT_APPLIED,
        429: Verdict.NOT_APPLIED,
        500: Verdict.UNSURE,
        502: Verdict.UNSURE,  # of a proxy, as 504 can be too
        503: Verdict.NOT_APPLIED,
        504: Verdict.UNSURE,
    }
)


def verdict_on(answer: Answer) -> Verdict:
    return _VERDICTS.get(answer.status, Verdict.DONE)


Maker = Callable[[str, Problem], ClientError]


def _plain(kind: type[ClientError]) -> Maker:
    return lambda detail, problem: kind(detail, problem=problem)


def _compacted(detail: str, problem: Problem) -> ClientError:
    oldest = problem.number("oldestRevision")
    return Compacted(detail, oldest_revision=oldest, problem=problem)


_BY_KIND: Mapping[str, Maker] = MappingProxyType(
    {
        "key-not-found": _plain(NotFound),
        "lease-not-found": _plain(LeaseNotFound),
        "value-mismatch": _plain(ValueMismatch),
        "conflict": _plain(Conflict),
        "internal-key": _plain(Forbidden),
        "future-revision": _plain(FutureRevision),
        "precondition-failed": _plain(PreconditionFailed),
        "compacted": _compacted,
        "full": _plain(Full),
        "too-large": _plain(TooLarge),
    }
)

_BY_STATUS: Mapping[int, Maker] = MappingProxyType(
    {
        403: _plain(Forbidden),
        409: _plain(Conflict),
        410: _compacted,
        412: _plain(PreconditionFailed),
        413: _plain(TooLarge),
        507: _plain(Full),
    }
)


def error_of(answer: Answer, call: Call[Any]) -> ClientError:
    """The refusal that a 4xx or 507 stands for."""
    problem = problem_of(answer)
    if not problem.kind and answer.status not in _BY_STATUS:
        return UnexpectedAnswer(
            f"{answer.endpoint} answered {answer.status} without saying why in kvorum's way: "
            f"{problem.detail[:200]}",
            problem=problem,
        )
    if _is_forgotten(problem):
        return OutcomeUnknown(problem.detail, request_id=call.request_id, problem=problem)
    make = _BY_KIND.get(problem.kind) or _BY_STATUS.get(answer.status)
    if make is None:
        make = _plain(InvalidRequest if answer.status < 500 else Refused)
    return make(problem.detail, problem)


def _is_forgotten(problem: Problem) -> bool:
    """An earlier attempt under this id may have been applied; its outcome is not kept any more."""
    return problem.kind in ("expired", "outcome-forgotten") or (
        "may have been applied and forgotten" in problem.detail
    )


def problem_of(answer: Answer) -> Problem:
    """What the body says; of a body that is no problem, its beginning is the detail."""
    try:
        fields = json.loads(answer.body)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        text = answer.body[:500].decode(errors="replace").strip()
        return Problem(answer.status, "", text or f"HTTP status {answer.status}", answer.endpoint)
    kind = str(fields.get("type", ""))
    return Problem(
        status=answer.status,
        kind=kind.removeprefix(_URN) if kind.startswith(_URN) else "",
        detail=str(fields.get("detail") or fields.get("error") or f"status {answer.status}"),
        endpoint=answer.endpoint,
        request_id=str(fields.get("requestId") or ""),
        fields=fields,
    )
