"""When a call is sent again, where, and what it ends in."""

from dataclasses import replace

import pytest
from msgspec.structs import replace as replace_limits

from kvorum.client.attempts import Reply, Send
from kvorum.client.calls import cluster, keys
from kvorum.client.calls.posting import posting
from kvorum.client.errors import (
    Conflict,
    DeadlineExceeded,
    NotFound,
    OutcomeUnknown,
    ServerFault,
    Unavailable,
    WriteUnconfirmed,
)
from tests.unit.client.course import (
    BROKEN,
    DONE,
    LIMITS,
    NO_LEADER,
    REFUSED,
    SILENT,
    UNKNOWN,
    Course,
    answer,
    by_endpoint,
    in_turn,
    problem,
)

FOUND = answer(
    value=1, revision=3, createRevision=1, modRevision=3, version=2, isLeader=True, leaderId="A"
)


def test_a_good_answer_ends_the_call_at_the_first_endpoint() -> None:
    course = Course()
    assert course.run(keys.get("k"), in_turn(FOUND)).value == 1
    assert (course.asked, course.pauses) == (["a"], [])


@pytest.mark.parametrize("failure", [REFUSED, BROKEN, SILENT, NO_LEADER, UNKNOWN])
def test_another_endpoint_is_asked_at_once(failure: Reply) -> None:
    course = Course()
    written = course.run(keys.put("k", 1), by_endpoint(a=failure, b=DONE, c=DONE))
    assert written.revision == 1
    assert (course.asked, course.pauses) == (["a", "b"], [])


@pytest.mark.parametrize("failure", [REFUSED, BROKEN, SILENT, NO_LEADER, UNKNOWN])
def test_every_attempt_at_a_write_has_the_same_request_id(failure: Reply) -> None:
    course = Course()
    course.run(keys.put("k", 1), in_turn(failure, failure, failure, failure, DONE))
    assert len(course.sent) == 5
    ids = {dict(step.call.header_list())["idempotency-key"] for step in course.sent}
    assert len(ids) == 1


def test_the_endpoint_that_worked_is_kept() -> None:
    course = Course()
    plain = answer(value=1, revision=1)
    course.run(keys.get("k"), by_endpoint(a=REFUSED, b=plain, c=plain))
    course.now_s += 100
    course.run(keys.get("k"), by_endpoint(a=plain, b=plain, c=plain))
    assert course.asked == ["a", "b", "b"]


def test_whoever_said_when_to_come_back_is_asked_no_sooner() -> None:
    course = Course("a")
    busy = problem(429, "overloaded", retry_after="3")
    course.run(keys.get("k"), in_turn(busy, FOUND))
    assert course.pauses == [pytest.approx(3.0, abs=0.1)]


def test_a_retry_after_that_is_no_number_is_ignored() -> None:
    for text in ("Wed, 21 Oct 2015 07:28:00 GMT", "nan", "-5", "1e999"):
        course = Course("a")
        course.run(keys.get("k"), in_turn(problem(503, "no-leader", retry_after=text), FOUND))
        assert course.pauses[0] < 1, text


def test_pauses_at_a_lone_endpoint_grow_up_to_a_limit() -> None:
    course = Course("a")
    with pytest.raises(Unavailable):
        course.run(keys.get("k"), in_turn(REFUSED))
    assert course.pauses[:4] == [pytest.approx(0.05 * 2**n, abs=0.02) for n in range(4)]
    assert max(course.pauses) <= 2.0
    assert course.now_s - 1000 <= 10.0


def test_the_first_attempt_is_made_even_at_an_endpoint_that_rests_for_longer() -> None:
    course = Course("a")
    course.router.failed("a", course.now_s, retry_after_s=20)
    course.run(keys.get("k"), in_turn(FOUND), timeout_s=1.0)
    assert course.asked == ["a"]


def test_a_write_that_nobody_took_is_certainly_not_applied() -> None:
    course = Course()
    with pytest.raises(Unavailable, match="Nothing was applied") as caught:
        course.run(keys.put("k", 1), by_endpoint(a=REFUSED, b=NO_LEADER, c=NO_LEADER))
    assert not isinstance(caught.value, OutcomeUnknown)
    assert "a: cannot be reached" in str(caught.value)
    assert "b, c: 503 why" in str(caught.value)


@pytest.mark.parametrize("unsure", [BROKEN, UNKNOWN, problem(500, "internal-error"), SILENT])
def test_a_write_that_somebody_may_have_taken_stays_unknown_whatever_follows(
    unsure: Reply,
) -> None:
    course = Course()
    with pytest.raises(WriteUnconfirmed) as caught:
        course.run(keys.put("k", 1, request_id="mine"), in_turn(unsure, NO_LEADER))
    assert caught.value.request_id == "mine"
    assert isinstance(caught.value, DeadlineExceeded)
    assert isinstance(caught.value, OutcomeUnknown)


def test_a_read_without_an_answer_is_not_called_unknown() -> None:
    course = Course()
    with pytest.raises(DeadlineExceeded) as caught:
        course.run(keys.get("k"), in_turn(SILENT))
    assert not isinstance(caught.value, OutcomeUnknown | Unavailable)


def test_the_deadline_holds_whatever_is_tried() -> None:
    for behaviour in (REFUSED, BROKEN, SILENT, NO_LEADER, UNKNOWN):
        course = Course()
        with pytest.raises((DeadlineExceeded, OutcomeUnknown)):
            course.run(keys.put("k", 1), in_turn(behaviour), timeout_s=2.5)
        assert course.now_s - 1000 <= 2.5 + course.latency_s


def test_a_silent_endpoint_gets_a_part_of_the_time_if_there_are_others() -> None:
    course = Course()
    course.run(keys.get("k"), by_endpoint(a=SILENT, b=FOUND, c=FOUND), timeout_s=2.0)
    assert course.sent[0].total_s == pytest.approx(1.0)
    assert course.asked == ["a", "b"]


def test_a_lone_endpoint_gets_all_of_it() -> None:
    course = Course("a")
    course.run(keys.get("k"), in_turn(FOUND), timeout_s=2.0)
    assert course.sent[0].total_s == pytest.approx(2.0)


def test_what_a_node_holds_by_agreement_is_added_to_its_time() -> None:
    course = Course()
    call = posting("poll", "/locks/x", {}, lambda got: got.status, patience_s=60.0)
    assert course.run(call, in_turn(DONE), timeout_s=2.0) == 200
    assert course.sent[0].total_s >= 61.0


def test_a_refusal_is_final() -> None:
    course = Course()
    with pytest.raises(NotFound):
        course.run(keys.get("k"), in_turn(problem(404, "key-not-found")))
    assert course.asked == ["a"]


def test_a_read_is_repeated_after_a_fault_but_not_for_ever() -> None:
    course = Course()
    fault = problem(500, "internal-error")
    with pytest.raises(ServerFault):
        course.run(keys.get("k"), in_turn(fault))
    assert len(course.sent) == 3
    assert course.run(keys.get("k"), in_turn(fault, fault, FOUND)).value == 1


def test_a_write_after_faults_is_unknown() -> None:
    with pytest.raises(OutcomeUnknown) as caught:
        Course().run(keys.put("k", 1, request_id="mine"), in_turn(problem(500, "internal-error")))
    assert caught.value.request_id == "mine"


def test_an_outcome_that_was_forgotten_is_unknown_not_refused() -> None:
    detail = "an earlier attempt may have been applied and forgotten"
    with pytest.raises(OutcomeUnknown):
        Course().run(keys.put("k", 1), in_turn(BROKEN, problem(409, "conflict", detail=detail)))


def test_other_conflicts_are_refusals() -> None:
    with pytest.raises(Conflict):
        Course().run(keys.put("k", 1), in_turn(problem(409, "conflict")))


def test_without_a_request_id_a_broken_change_is_not_sent_twice() -> None:
    call = replace(keys.put("k", 1), is_repeatable=False, request_id="")
    for unsure in (BROKEN, UNKNOWN):
        course = Course()
        with pytest.raises(OutcomeUnknown):
            course.run(call, in_turn(unsure))
        assert len(course.sent) == 1
    course = Course()
    course.run(call, in_turn(REFUSED, NO_LEADER, DONE))
    assert len(course.sent) == 3


def test_calls_go_to_the_leader_once_it_has_shown_itself() -> None:
    course = Course()

    def follower_or_leader(step: Send) -> Reply:
        return answer(isLeader=step.endpoint == "b", leaderId="B", revision=1, requestId="r")

    for _ in range(4):
        course.run(keys.put("k", 1), follower_or_leader)
    assert course.asked == ["a", "b", "b", "b"]
    course.run(cluster.info(), lambda _step: answer(isLeader=True, leaderId="B", info={}))
    assert course.asked[-1] == "b"


def test_an_endless_timeout_is_allowed() -> None:
    course = Course("a")
    failures = [REFUSED] * 50
    course.run(keys.get("k"), in_turn(*failures, FOUND), timeout_s=float("inf"))
    assert len(course.sent) == 51


NOBODY = replace(REFUSED, is_nobody=True)


class TestNobodyThere:
    LIMITS = replace_limits(LIMITS, unreached_s=3.0)

    def test_it_is_given_up_sooner(self) -> None:
        course = Course(limits=self.LIMITS)
        with pytest.raises(Unavailable, match=r"gave up after 3[\d.]* s \(a, b, c: cannot be"):
            course.run(keys.put("k", 1), in_turn(NOBODY))
        assert 3.0 <= course.now_s - 1000 <= 5.0

    @pytest.mark.parametrize("sign_of_life", [NO_LEADER, BROKEN, REFUSED])
    def test_but_not_if_anybody_was_ever_found(self, sign_of_life: Reply) -> None:
        course = Course(limits=self.LIMITS)
        with pytest.raises(DeadlineExceeded) as caught:
            course.run(keys.get("k"), in_turn(sign_of_life, NOBODY))
        assert course.now_s - 1000 > 6.0
        assert caught.value.reasons["b"] == "cannot be reached: refused"
