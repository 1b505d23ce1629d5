"""One call from its first attempt to its end, as a generator without I/O.

It yields what is to be done, :class:`Send` or :class:`Pause`, and is sent what came of it. So
the same rules serve threads and event loops, and tests need neither.
"""

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from kvorum.client.answers import Verdict, error_of, problem_of, verdict_on
from kvorum.client.call import Answer, Call
from kvorum.client.errors import (
    ClientError,
    DeadlineExceeded,
    OutcomeUnknown,
    ServerFault,
    Unavailable,
    WriteUnconfirmed,
)
from kvorum.client.routing import Router

T = TypeVar("T")

FAULTS_MAX = 3
"""Attempts that may end in 500 before the call does: a fault of ours seldom goes by itself."""

RETRY_AFTER_S_MAX = 30.0

_LEADERSHIP_BYTES_MAX = 1 << 16
"""Larger answers are not read a second time for what every small one says as well."""


class Limits(Struct, frozen=True):
    """How long things may take, in seconds; ``attempt_s`` is what one node is given to answer.

    ``unreached_s`` ends a call sooner if every connection was refused and no endpoint has ever
    been reached: then a wrong address is likelier than an outage.
    """

    timeout_s: float = 15.0
    connect_s: float = 1.5
    attempt_s: float = 6.0
    unreached_s: float = math.inf


@dataclass(frozen=True, slots=True)
class Send:
    """Ask ``endpoint``; the answer is an :class:`Answer` or :class:`NoAnswer`."""

    endpoint: str
    call: Call[Any]
    connect_s: float
    total_s: float


@dataclass(frozen=True, slots=True)
class Pause:
    """Let time pass; the answer is None."""

    seconds: float


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """The connection failed; ``was_sent`` unless the request certainly did not leave.

    ``is_nobody``: there is no node at all, as far as can be told.
    """

    reason: str
    was_sent: bool
    is_nobody: bool = False


Reply = Answer | NoAnswer | None
Steps = Generator[Send | Pause, Reply, T]


class _Leadership(Struct, rename="camel"):
    is_leader: bool = False
    leader_id: str = ""


@dataclass(slots=True)
class _Course:
    """What has come of a call so far."""

    call: Call[Any]
    is_unsure: bool = False
    attempts: int = 0
    faults: int = 0
    reasons: dict[str, str] = field(default_factory=dict)

    def note(self, endpoint: str, reason: str, *, is_unsure: bool) -> None:
        self.reasons[endpoint] = reason
        self.is_unsure |= is_unsure

    def timed_out(self, took_s: float) -> ClientError:
        error = self._error(f"gave up after {took_s:.2g} s ({self._said() or 'not tried'})")
        error.reasons = dict(self.reasons)
        return error

    def _said(self) -> str:
        """What several endpoints have in common is said once."""
        by_reason: dict[str, list[str]] = {}
        for endpoint, reason in self.reasons.items():
            by_reason.setdefault(reason, []).append(endpoint)
        return "; ".join(f"{', '.join(where)}: {reason}" for reason, where in by_reason.items())

    def _error(self, what: str) -> ClientError:
        if self.is_unsure and self.call.is_write:
            return WriteUnconfirmed(
                f"{what}. It may or may not be applied: repeat it only with "
                f"request_id={self.call.request_id!r}",
                request_id=self.call.request_id,
            )
        if self.is_unsure:
            return DeadlineExceeded(what)
        return Unavailable(f"{what}. Nothing was applied" if self.call.is_write else what)


def attempts(
    call: Call[T],
    router: Router,
    limits: Limits,
    clock: Callable[[], float],
    timeout_s: float | None = None,
) -> Steps[T]:
    """Until an answer is final, or the time is over; returns what the call reads from it.

    Raises what ``errors`` lists. Broken connections and 504 are repeated under the same request
    id; whoever says 503 or 429 is asked again only when its Retry-After is over.
    """
    allowed_s = (limits.timeout_s if timeout_s is None else timeout_s) + call.patience_s
    begun_s = clock()
    deadline_s = begun_s + allowed_s
    course = _Course(call)
    while True:
        left_s = deadline_s - clock()
        choice = router.choose(clock(), prefers_leader=call.prefers_leader)
        if left_s <= 0 or (choice.wait_s >= left_s and course.attempts):
            raise course.timed_out(clock() - begun_s)
        if 0 < choice.wait_s < left_s:
            yield Pause(choice.wait_s)
            continue
        course.attempts += 1
        budget_s = _budget_s(call, limits, left_s, len(router.endpoints))
        reply = yield Send(choice.endpoint, call, min(limits.connect_s, left_s), budget_s)
        assert reply is not None, "the answer to Send is no pause"
        if isinstance(reply, Answer) and _is_final(reply, choice.endpoint, router, clock, course):
            return _result(call, reply)
        if isinstance(reply, NoAnswer):
            _note_broken(reply, choice.endpoint, router, clock(), course)
        if not router.was_reached and clock() - begun_s >= limits.unreached_s:
            raise course.timed_out(clock() - begun_s)


def _budget_s(call: Call[Any], limits: Limits, left_s: float, endpoints: int) -> float:
    """What this attempt may take: not all that is left, if others could be asked."""
    if endpoints > 1 and call.is_repeatable:
        left_s = max(left_s / 2 + call.patience_s / 2, min(left_s, 1.0))
    return min(left_s, limits.attempt_s + call.patience_s)


def _is_final(
    answer: Answer, endpoint: str, router: Router, clock: Callable[[], float], course: _Course
) -> bool:
    """Whether to ask nobody else; raises if the outcome cannot be learnt by asking again."""
    router.reached()
    _learn_leader(answer, endpoint, router)
    verdict = verdict_on(answer)
    if verdict is Verdict.DONE:
        router.served(endpoint)
        return True
    problem = problem_of(answer)
    is_unsure = verdict is Verdict.UNSURE
    course.note(endpoint, f"{answer.status} {problem.detail}", is_unsure=is_unsure)
    router.failed(endpoint, clock(), retry_after_s(answer))
    if is_unsure and course.call.is_write and not course.call.is_repeatable:
        raise OutcomeUnknown(problem.detail, problem=problem)
    if answer.status == 500:
        course.faults += 1
        if course.faults >= FAULTS_MAX:
            raise _fault(course.call, answer)
    return False


def _fault(call: Call[Any], answer: Answer) -> ClientError:
    problem = problem_of(answer)
    if call.is_write:
        return OutcomeUnknown(problem.detail, request_id=call.request_id, problem=problem)
    return ServerFault(problem.detail, problem=problem)


def _note_broken(
    broken: NoAnswer, endpoint: str, router: Router, now_s: float, course: _Course
) -> None:
    course.note(endpoint, broken.reason, is_unsure=broken.was_sent)
    if not broken.is_nobody:
        router.reached()
    router.failed(endpoint, now_s)
    call = course.call
    if broken.was_sent and call.is_write and not call.is_repeatable:
        raise OutcomeUnknown(
            f"{endpoint}: {broken.reason}. It may or may not be done: look before you ask again"
        )


def _result(call: Call[T], answer: Answer) -> T:
    if answer.status < 400:
        return call.read(answer)
    error = error_of(answer, call)
    if call.forgive is not None:
        return call.forgive(error)
    raise error


def _learn_leader(answer: Answer, endpoint: str, router: Router) -> None:
    """From any JSON answer; streams and raw bodies say nothing."""
    if not answer.body.startswith(b"{") or len(answer.body) > _LEADERSHIP_BYTES_MAX:
        return
    try:
        said = msgspec.json.decode(answer.body, type=_Leadership)
    except msgspec.DecodeError:
        return  # whoever reads the answer will say that it is no JSON
    if said.leader_id or said.is_leader:
        router.told(endpoint, is_leader=said.is_leader, leader_id=said.leader_id)


def retry_after_s(answer: Answer) -> float:
    """Retry-After in seconds (RFC 9110 §10.2.3); 0 if it is missing or a date."""
    try:
        seconds = float(answer.headers.get("retry-after", "0"))
    except ValueError:
        return 0.0
    return min(max(seconds, 0.0), RETRY_AFTER_S_MAX) if math.isfinite(seconds) else 0.0
