"""A rollout carried out: what it says, what it tries again, and when it gives up."""

import io
import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import cast

import msgspec
import pytest
from msgspec.structs import replace

from kvorum.cli.cluster.endpoints import Failed
from kvorum.cli.console import Console
from kvorum.cli.exits import Exit
from kvorum.cli.rollout.asking import LeaderSight
from kvorum.cli.rollout.carrying import Limits, Plan, Rollout
from kvorum.cli.rollout.planning import next_after, next_before
from kvorum.cli.rollout.steps import Step
from kvorum.cli.rollout.telling import Telling
from kvorum.cli.rollout.view import View
from kvorum.rest.schemas import MembersAnswer
from tests.unit.cli.rollout.clusters import (
    ORDINALS,
    a_learner,
    an_answer,
    silent,
    to_come,
    voters,
)

LIMITS = Limits(timeout_s=60, patience_s=10, unreached_s=15, steady_s=2, way_out="THE WAY OUT.")
UNREACHED = Failed("http://kv:8081 cannot be reached", Exit.UNAVAILABLE)

Look = MembersAnswer | Failed


class FakeSight:
    """Both the sight and its cluster. ``states``: each change that is asked for leads to the next.

    ``at_first`` is what the first looks show; ``refusals`` is what the first changes meet, and
    with ``happens`` they are made all the same.
    """

    def __init__(self, states: Sequence[MembersAnswer]) -> None:
        self.states = list(states)
        self.at_first: list[Look] = []
        self.asked: list[str] = []
        self.refusals: list[Failed] = []
        self.happens = False
        self.cluster = self

    def look(self) -> MembersAnswer:
        look = self.at_first.pop(0) if self.at_first else self.states[0]
        if isinstance(look, Failed):
            raise look
        return look

    def ask(self, method: str, path: str, body: dict[str, str] | None = None) -> bytes:
        subject = next(iter(body.values())) if body else path.rpartition("members/")[2]
        self.asked.append(f"{method} {subject.partition('.')[0]}")
        refusal = self.refusals.pop(0) if self.refusals else None
        if refusal is None or self.happens:
            del self.states[0]
        if refusal is not None:
            raise refusal
        return msgspec.json.encode(self.states[0])


class Run:
    """Of one command; ``clock_s`` goes on only by its pauses."""

    def __init__(self, *states: MembersAnswer, replicas: int = 3, as_json: bool = False) -> None:
        self.sight = FakeSight(states)
        self.clock_s = 100.0
        self.out = io.StringIO()
        console = Console(io.StringIO(), self.out, io.StringIO())
        telling = Telling(
            console,
            as_json=as_json,
            now=lambda: datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC),
            clock=self._clock,
        )
        self._telling = telling
        self._replicas = replicas

    def _carry_out(self, plan: Plan, limits: Limits, *, removes: bool) -> "Run":
        Rollout(
            cast("LeaderSight", self.sight),
            ORDINALS,
            self._replicas,
            limits=limits,
            telling=self._telling,
            clock=self._clock,
            pause=self._pause,
        ).carry_out(plan, removes=removes)
        return self

    def _clock(self) -> float:
        return self.clock_s

    def _pause(self, seconds: float) -> None:
        self.clock_s += seconds

    def before(self) -> "Run":
        return self._carry_out(_before, LIMITS, removes=True)

    def after(self) -> "Run":
        return self._carry_out(next_after, replace(LIMITS, steady_s=0.0), removes=False)

    def fails(self, carry: Callable[[], object]) -> Failed:
        with pytest.raises(Failed) as caught:
            carry()
        return caught.value

    @property
    def told(self) -> list[str]:
        return [line.partition("  ")[2] for line in self.out.getvalue().splitlines()]


def _before(view: View) -> Step:
    return next_before(view, may_move_lead=True, force=False)


THREE = an_answer(*voters(0, 1, 2))


def test_each_step_is_told_with_its_time() -> None:
    run = Run(
        an_answer(*voters(0, 1, 2, 3, 4, leader=4)),
        an_answer(*voters(0, 1, 2, 3, 4)),
        an_answer(*voters(0, 1, 2, 3)),
        THREE,
    ).before()
    assert run.sight.asked == ["POST kv-0", "DELETE kv-4", "DELETE kv-3"]
    assert run.told == [
        "3 replicas are wanted; members: kv-0, kv-1, kv-2, kv-3, kv-4 (leader)",
        "kv-0 leads now",
        "kv-4 is removed: 4 voters, of which 1 may fail",
        "kv-3 is removed: 3 voters, of which 1 may fail",
        "the pods may change now: 3 voters, of which 1 may fail",
    ]
    time = run.out.getvalue().partition("  ")[0]
    assert re.fullmatch(r"\d\d:04:05\.678", time), "local time"


def test_nothing_is_done_before_all_have_been_well_for_a_while() -> None:
    """A leader takes one that died a moment ago for active."""
    run = Run(an_answer(*voters(0, 1), silent(2)), replicas=4)
    run.sight.at_first = [THREE] * 5
    failed = run.fails(run.before)
    assert run.sight.asked == []
    assert run.clock_s == pytest.approx(111.5, abs=0.5)
    assert "kv-2 does not answer" in str(failed)
    assert "Nothing was changed." in str(failed)
    assert "kubectl -n db logs kv-2" in str(failed)
    assert "THE WAY OUT." in str(failed)
    assert failed.code == Exit.FAILED


def test_it_is_silent_about_what_passes_at_once_and_tells_the_rest_now_and_then() -> None:
    run = Run(THREE)
    run.sight.at_first = [*[UNREACHED] * 2, *[an_answer(*voters(0, 1), silent(2))] * 25]
    run.before()
    waits = [line for line in run.told if line.startswith("waiting")]
    assert waits == ["waiting: of the voters that stay, kv-2 does not answer"] * 2


def test_a_cluster_that_cannot_be_asked_is_given_up() -> None:
    run = Run(THREE)
    run.sight.at_first = [UNREACHED] * 1000
    failed = run.fails(run.before)
    assert "the release or the namespace is called otherwise, or the first install failed" in (
        str(failed)
    )
    assert failed.code == Exit.UNAVAILABLE
    assert "bring back a majority first" in str(failed)
    assert run.clock_s == pytest.approx(115, abs=0.5)


def test_what_no_retry_helps_ends_it_at_once() -> None:
    run = Run(THREE)
    run.sight.at_first = [Failed("this is no answer of a kvorum node")]
    assert run.fails(run.before).code == Exit.FAILED
    assert run.clock_s == 100


GROWN = an_answer(*voters(0, 1, 2), to_come(3))


@pytest.mark.parametrize("code", [Exit.UNAVAILABLE, Exit.UNKNOWN, Exit.FAILED])
def test_a_change_that_failed_is_asked_for_again_if_it_is_still_due(code: Exit) -> None:
    run = Run(THREE, GROWN, replicas=4)
    run.sight.refusals = [Failed("the leader changed", code)] * 3
    run.before()
    assert run.sight.asked == ["POST kv-3"] * 4
    assert run.told[-1].startswith("the pods may change now")


def test_one_that_came_to_pass_although_nobody_knew_is_not() -> None:
    run = Run(THREE, GROWN, replicas=4)
    run.sight.refusals, run.sight.happens = [Failed("who knows", Exit.UNKNOWN)], True
    run.before()
    assert run.sight.asked == ["POST kv-3"]
    assert run.told[-1].startswith("the pods may change now")


def test_a_change_that_is_refused_for_ever_is_given_up_with_its_reason() -> None:
    run = Run(THREE, GROWN, replicas=4)
    run.sight.refusals = [Failed("no majority could decide this now")] * 1000
    failed = run.fails(run.before)
    assert failed.code == Exit.FAILED
    assert run.clock_s == pytest.approx(160, abs=3)
    assert str(failed).startswith("no majority could decide this now")


def test_after_waits_as_long_as_it_may_and_says_who_is_missing() -> None:
    run = Run(an_answer(*voters(0, 1, 2), silent(3, "learner")), replicas=4)
    failed = run.fails(run.after)
    assert run.clock_s == pytest.approx(160, abs=1)
    assert str(failed).startswith("not ready in time: kv-3 does not answer")
    assert "kubectl -n db describe pod kv-3" in str(failed)
    assert 10 < len([line for line in run.told if line.startswith("waiting")]) < 14


def test_after_lets_learners_vote_one_by_one() -> None:
    run = Run(
        an_answer(*voters(0, 1, 2), a_learner(3), a_learner(4)),
        an_answer(*voters(0, 1, 2, 3), a_learner(4)),
        an_answer(*voters(0, 1, 2, 3, 4)),
        replicas=5,
    ).after()
    assert run.sight.asked == ["POST kv-3", "POST kv-4"]
    assert run.told[1:] == [
        "kv-3 votes now: 4 voters, of which 1 may fail",
        "kv-4 votes now: 5 voters, of which 2 may fail",
        "all 5 vote and have caught up: 5 voters, of which 2 may fail",
    ]


def test_members_that_stay_as_they_are_are_named() -> None:
    elsewhere = replace(silent(9), id="vm:8001", address="vm:8001")
    run = Run(an_answer(*voters(0, 1, 2, 3), elsewhere)).after()
    assert run.told[1:3] == [
        "vm:8001 fits no number of the pattern: it stays as it is",
        "kv-3 is still a member, beyond 3 replicas: `kvorum rollout before` removes it",
    ]


def test_as_json_each_step_is_an_object() -> None:
    run = Run(an_answer(*voters(0, 1), a_learner(2)), THREE, as_json=True).after()
    lines = [json.loads(line) for line in run.out.getvalue().splitlines()]
    assert [line["step"] for line in lines] == ["begin", "promote", "done"]
    assert lines[1] == {
        "time": "2026-01-02T03:04:05.678Z",
        "elapsedSeconds": 0.0,
        "step": "promote",
        "text": "kv-2 votes now: 3 voters, of which 1 may fail",
        "member": ORDINALS.address(2),
    }
