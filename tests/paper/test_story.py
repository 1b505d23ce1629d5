"""The events tell an election truthfully: operators read nothing else."""

from kvorum.raft.messages import RequestVote
from kvorum.raft.ready import EventKind
from kvorum.raft.types import Role
from tests.support.raft_cores import (
    append_entries,
    drain,
    eid,
    feed,
    log_of,
    make_core,
    node_id,
    time_out,
    vote_answer,
    vote_request,
)


def test_who_leads_is_told_once_a_term() -> None:
    """Not with every heartbeat, but again when the same node leads a later term."""
    core = make_core()
    told = feed(core, append_entries(2, 1, term=1), append_entries(2, term=1, prev=eid(1, 1)))
    assert [(e.node, e.term) for e in told.told(EventKind.FOLLOW)] == [("2", 1)]
    told = feed(core, append_entries(2, 3, term=3, prev=eid(1, 1)))
    assert [(e.node, e.term) for e in told.told(EventKind.FOLLOW)] == [("2", 3)]


def test_a_campaign_is_told() -> None:
    core = make_core(term=4)
    time_out(core)
    assert [e.kind for e in drain(core).events] == [EventKind.PRE_CAMPAIGN]
    told = feed(core, vote_answer(node_id(2), core, term=5, granted=True, pre=True))
    assert [(e.kind, e.term) for e in told.events] == [(EventKind.CAMPAIGN, 5)]
    told = feed(core, vote_answer(node_id(2), core, term=5, granted=True))
    assert [(e.kind, e.term) for e in told.events] == [(EventKind.LEADER, 5)]


def refusal_of(request: RequestVote, **state: int) -> str:
    core = make_core(**state, log=log_of(1, 1))  # type: ignore[arg-type]  # numbers only
    [event] = feed(core, request).told(EventKind.REFUSE_VOTE)
    return event.why


def test_the_reason_of_a_refusal_is_the_real_one() -> None:
    assert "voted for 3" in refusal_of(vote_request(2, term=1, last=eid(1, 2)), term=1, vote=3)
    assert "log is behind" in refusal_of(vote_request(2, term=2, last=eid(1, 1)), term=1)
    assert "term is old" in refusal_of(vote_request(2, term=1, last=eid(1, 2)), term=2)


def test_a_pre_vote_for_the_current_term_is_refused_for_its_term() -> None:
    """§9.6: whom the node voted for or follows has nothing to do with it."""
    core = make_core(term=4, vote=3, log=log_of(1))
    request = vote_request(2, term=4, last=eid(1, 1), pre=True)
    [event] = feed(core, request).told(EventKind.REFUSE_VOTE)
    assert "term is old" in event.why


def test_granting_a_vote_ends_an_own_attempt() -> None:
    """§3.4: who helps to elect another stops running; its late pre-votes must not start a race."""
    core = make_core(term=4, voters=5)
    time_out(core)
    drain(core)
    feed(core, vote_request(2, term=4))
    assert core.state.vote == "2"
    assert core.state.role is Role.FOLLOWER
    for sender in (3, 4):
        feed(core, vote_answer(node_id(sender), core, term=5, granted=True, pre=True))
    assert core.state.term == 4
