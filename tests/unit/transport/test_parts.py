"""The small parts: back-off, repeated warnings, pairing of unary calls, options."""

import logging
from random import Random

import pytest

from kvorum.raft.messages import AppendEntries, AppendResponse, RequestVote, VoteResponse
from kvorum.raft.types import ORIGIN, Index, NodeId, Term
from kvorum.transport.backoff import Backoff
from kvorum.transport.complaints import Complaints
from kvorum.transport.directory import Directory
from kvorum.transport.unary import UnaryCalls

ONE, TWO, THREE = (NodeId(f"localhost:800{n}") for n in (1, 2, 3))


def test_back_off_doubles_up_to_its_limit_with_jitter() -> None:
    backoff = Backoff(min_s=0.05, max_s=1.0, random=Random(7))
    delays = [backoff.next_s() for _ in range(8)]
    for delay, step in zip(delays, [0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.0], strict=True):
        assert step / 2 <= delay <= step
    assert delays[6] != delays[7]
    backoff.reset()
    assert backoff.next_s() <= 0.05


class Complainer:
    """Complaints with a clock that the test moves."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self.now_s = 0.0
        self._caplog = caplog
        self.complaints = Complaints(logging.getLogger("test"), lambda: self.now_s, quiet_s=30)

    def said(self) -> list[str]:
        texts = [record.getMessage() for record in self._caplog.records]
        self._caplog.clear()
        return texts


@pytest.fixture
def complainer(caplog: pytest.LogCaptureFixture) -> Complainer:
    return Complainer(caplog)


def test_a_lasting_problem_is_repeated_seldom(complainer: Complainer) -> None:
    warn = complainer.complaints.warn
    for second in range(61):
        complainer.now_s = second
        warn("a", "trouble")
    assert complainer.said() == ["trouble"] * 3
    warn("b", "trouble elsewhere")
    assert complainer.said() == ["trouble elsewhere"]


def test_a_changed_text_is_news_unless_a_stranger_may_change_it(complainer: Complainer) -> None:
    warn = complainer.complaints.warn
    warn("a", "one")
    warn("a", "two")
    warn("b", "one", repeat_if_changed=False)
    warn("b", "two", repeat_if_changed=False)
    assert complainer.said() == ["one", "two", "one"]


def test_a_settled_problem_is_news_again(complainer: Complainer) -> None:
    complainer.complaints.warn("a", "trouble")
    complainer.complaints.settle("a")
    complainer.complaints.settle("never said")
    complainer.complaints.warn("a", "trouble")
    assert complainer.said() == ["trouble"] * 2


def test_the_directory_knows_itself_first() -> None:
    directory = Directory(ONE, "Node-1")
    assert directory.id_of(ONE) == "Node-1"
    assert directory.id_of(TWO) is None
    directory.learn(TWO, "Node-2")
    directory.learn(TWO, "Node-2")
    assert directory.member_of("Node-2") == TWO


def test_an_id_moves_to_the_next_member_at_its_address() -> None:
    """That is a replacement; both names are known until the replaced one has left."""
    directory = Directory(ONE, "Node-1")
    successor = NodeId(f"{TWO}#1f")
    directory.learn(TWO, "Node-2")
    assert directory.may_use(successor, "Node-2")
    assert not directory.may_use(THREE, "Node-2")
    directory.learn(successor, "Node-2")
    assert directory.member_of("Node-2") == successor
    assert directory.id_of(TWO) == "Node-2"
    directory.keep([successor])
    assert directory.id_of(TWO) is None
    assert directory.member_of("Node-2") == successor


def test_the_id_of_somebody_who_left_is_free_again() -> None:
    directory = Directory(ONE, "Node-1")
    directory.learn(TWO, "Node-2")
    directory.keep([THREE])
    assert directory.may_use(THREE, "Node-2")
    assert directory.id_of(ONE) == "Node-1", "this node stays, whoever the members are"
    assert not directory.may_use(THREE, "Node-1")


def vote_request(pre: bool = False) -> RequestVote:
    return RequestVote(to=ONE, sender=TWO, term=Term(3), last=ORIGIN, pre=pre)


def vote(to: NodeId = TWO, pre: bool = False, term: int = 3) -> VoteResponse:
    return VoteResponse(to=to, sender=ONE, term=Term(term), granted=True, pre=pre)


def append_request() -> AppendEntries:
    return AppendEntries(to=ONE, sender=TWO, term=Term(3), prev=ORIGIN, commit=Index(0))


def ack() -> AppendResponse:
    return AppendResponse(to=TWO, sender=ONE, term=Term(3), success=True)


async def test_a_call_gets_only_the_kind_of_answer_it_waits_for() -> None:
    calls = UnaryCalls(calls_max=8)
    real, pre, append = vote_request(), vote_request(pre=True), append_request()
    answers = {id(each): calls.expect(each) for each in (real, pre, append)}
    assert not calls.resolve(vote(to=THREE))
    assert calls.resolve(vote(pre=True))
    assert calls.resolve(ack())
    assert not calls.resolve(append)
    first = answers[id(real)]
    assert first is not None
    assert not first.done()
    assert calls.resolve(vote())
    assert first.result() == vote()


async def test_calls_are_answered_oldest_first_and_once() -> None:
    calls = UnaryCalls(calls_max=8)
    request = vote_request()
    first, second = calls.expect(request), calls.expect(request)
    assert first is not None
    assert second is not None
    assert calls.resolve(vote(term=3))
    assert calls.resolve(vote(term=4))
    assert not calls.resolve(vote(term=5))
    assert (first.result().term, second.result().term) == (3, 4)


async def test_waiting_calls_are_bounded_and_forgotten() -> None:
    calls = UnaryCalls(calls_max=1)
    request = vote_request()
    answer = calls.expect(request)
    assert answer is not None
    assert calls.expect(request) is None
    calls.forget(request, answer)
    calls.forget(request, answer)
    assert calls.waiting == 0
    assert not calls.resolve(vote())
    assert calls.expect(request) is not None
