"""Plays a cluster to one call: virtual time, and endpoints that answer as they are told."""

import json
from collections.abc import Callable
from typing import Any, TypeVar

from kvorum.client.attempts import Limits, NoAnswer, Pause, Reply, Send, attempts
from kvorum.client.call import Answer, Call
from kvorum.client.routing import Router

T = TypeVar("T")

LIMITS = Limits(timeout_s=10.0, connect_s=1.0, attempt_s=4.0)


def answer(status: int = 200, *, headers: dict[str, str] | None = None, **fields: Any) -> Answer:
    return Answer(status, headers or {}, json.dumps(fields).encode(), "http://x")


def problem(
    status: int, kind: str, *, retry_after: str = "", detail: str = "why", **fields: Any
) -> Answer:
    headers = {"retry-after": retry_after} if retry_after else {}
    return answer(
        status, headers=headers, type=f"urn:kvorum:problem:{kind}", detail=detail, **fields
    )


DONE = answer(revision=1, requestId="r")
NO_LEADER = problem(503, "no-leader")
UNKNOWN = problem(504, "outcome-unknown")
REFUSED = NoAnswer("cannot be reached: refused", was_sent=False)
BROKEN = NoAnswer("the connection broke", was_sent=True)

Behaviour = Callable[[Send], Reply]


class Course:
    """One clock, one router; ``sent`` and ``pauses`` say what calls did."""

    def __init__(self, *endpoints: str, limits: Limits = LIMITS) -> None:
        self.limits = limits
        self.router = Router(endpoints or ("a", "b", "c"), jitter=lambda: 1.0)
        self.now_s = 1000.0
        self.sent: list[Send] = []
        self.pauses: list[float] = []
        self.latency_s = 0.01

    @property
    def asked(self) -> list[str]:
        return [step.endpoint for step in self.sent]

    def clock(self) -> float:
        return self.now_s

    def run(self, call: Call[T], behaviour: Behaviour, timeout_s: float | None = None) -> T:
        steps = attempts(call, self.router, self.limits, self.clock, timeout_s)
        reply: Reply = None
        try:
            while True:
                step = steps.send(reply)
                reply = (
                    self._pause(step) if isinstance(step, Pause) else self._send(step, behaviour)
                )
        except StopIteration as end:
            result: T = end.value
            return result

    def _pause(self, step: Pause) -> Reply:
        assert step.seconds > 0
        self.now_s += step.seconds
        self.pauses.append(step.seconds)
        return None

    def _send(self, step: Send, behaviour: Behaviour) -> Reply:
        assert len(self.sent) < 10_000, "it never ends"
        self.sent.append(step)
        reply = behaviour(step)
        took_s = step.total_s if reply is SILENT else self.latency_s
        self.now_s += took_s
        return reply


SILENT = NoAnswer("no answer in time", was_sent=True)


def by_endpoint(**replies: Reply) -> Behaviour:
    return lambda step: replies[step.endpoint]


def in_turn(*replies: Reply) -> Behaviour:
    """One after the other; the last one for ever."""
    left = list(replies)
    return lambda _step: left.pop(0) if len(left) > 1 else left[0]
