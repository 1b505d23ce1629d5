"""What must be on disk before it is said (§3.8), and what need not wait (§10.2.1)."""

import pytest

from kvorum.raft.messages import AppendEntries, AppendResponse, RequestVote, VoteResponse
from kvorum.raft.types import Role, Ticket
from tests.support.raft_cluster import Cluster
from tests.support.raft_cores import (
    ack,
    append_entries,
    drain,
    eid,
    feed,
    log_of,
    make_core,
    make_leader,
    node_id,
    time_out,
    vote_answer,
    vote_request,
)


def test_a_vote_leaves_only_when_it_is_durable() -> None:
    """§3.8: otherwise a restarted voter could vote twice."""
    core = make_core()
    core.step(vote_request(2, term=1))
    ready = core.ready()
    assert ready.messages == ()
    assert ready.save is not None
    assert (ready.save.hard_state.term, ready.save.hard_state.vote) == (1, "2")
    assert [type(message) for message in ready.save.messages] == [VoteResponse]
    core.advance(ready.save)
    assert core.ready().messages == ready.save.messages


def test_a_campaign_waits_for_its_own_vote() -> None:
    """§3.8: the candidate's vote counts, so it must survive like any other."""
    core = make_core()
    time_out(core)
    drain(core)
    core.step(vote_answer(node_id(2), core, term=1, granted=True, pre=True))
    ready = core.ready()
    assert core.state.role is Role.CANDIDATE
    assert ready.messages == ()
    assert ready.save is not None
    assert ready.save.hard_state.vote == "1"
    assert {type(message) for message in ready.save.messages} == {RequestVote}


def test_entries_are_acknowledged_only_when_durable() -> None:
    """§3.8: an ack is a promise that a crash must not break."""
    core = make_core(term=1)
    core.step(append_entries(2, 1, 1, term=1))
    ready = core.ready()
    assert ready.messages == ()
    assert ready.save is not None
    assert len(ready.save.entries) == 2
    core.advance(ready.save)
    [answer] = core.ready().messages
    assert isinstance(answer, AppendResponse)
    assert (answer.success, answer.match) == (True, 2)


def test_acks_wait_for_the_save_that_holds_their_entries() -> None:
    """§3.8: entries that arrive during a save are acknowledged after the *next* one."""
    core = make_core(term=1)
    core.step(append_entries(2, 1, term=1))
    first = core.ready().save
    assert first is not None
    core.step(append_entries(2, 1, term=1, prev=eid(1, 1)))
    assert core.ready().save is None, "one save at a time"
    core.advance(first)
    ready = core.ready()
    assert [m.match for m in ready.messages if isinstance(m, AppendResponse)] == [1]
    assert ready.save is not None
    assert [m.match for m in ready.save.messages if isinstance(m, AppendResponse)] == [2]


def test_one_ack_covers_the_earlier_ones_of_the_same_save() -> None:
    """§3.5: a match index says everything before it."""
    core = make_core(term=1)
    core.step(append_entries(2, 1, term=1))
    core.step(append_entries(2, 1, term=1, prev=eid(1, 1), read_round=1))
    core.step(append_entries(2, 1, term=1, prev=eid(1, 2), read_round=1))
    answers = drain(core).of(AppendResponse)
    assert [(a.match, a.round) for a in answers] == [(3, 1)]


def test_an_ack_does_not_swallow_what_it_does_not_cover() -> None:
    """§3.5: refusals, votes and a match of another term are said on their own."""
    core = make_core(term=1)
    core.step(append_entries(2, 1, term=1))
    core.step(append_entries(2, 1, term=1, prev=eid(1, 9)))
    core.step(append_entries(3, 2, term=2, prev=eid(1, 1)))
    answers = drain(core).of(AppendResponse)
    assert [(a.to, a.term, a.success) for a in answers] == [
        ("2", 1, True),
        ("2", 1, False),
        ("3", 2, True),
    ]


def test_a_heartbeat_is_answered_at_once_with_what_is_durable() -> None:
    """§3.8, §6.2: a slow disk must not make a follower look dead."""
    core = make_core(term=1, log=log_of(1))
    core.step(append_entries(2, 1, term=1, prev=eid(1, 1)))
    assert core.ready().save is not None
    core.step(append_entries(2, term=1, prev=eid(1, 2), read_round=3))
    [answer] = core.ready().messages
    assert isinstance(answer, AppendResponse)
    assert (answer.success, answer.match, answer.round) == (True, 1, 3)


def test_a_heartbeat_acknowledges_no_more_than_it_names() -> None:
    """§3.5: what lies behind ``prev`` may not agree with this leader."""
    core = make_core(term=2, log=log_of(1, 1, 2, 2))
    [answer] = feed(core, append_entries(2, term=3, prev=eid(1, 2))).of(AppendResponse)
    assert answer.match == 2


def test_an_answer_in_a_new_term_waits_for_the_term() -> None:
    """§3.8: a node that says "term 3" must still be in term 3 after a crash."""
    core = make_core(term=2, log=log_of(1))
    core.step(append_entries(2, term=3, prev=eid(1, 1)))
    ready = core.ready()
    assert ready.messages == ()
    assert ready.save is not None
    assert ready.save.hard_state.term == 3


def test_a_leader_sends_before_its_own_disk_is_done() -> None:
    """§10.2.1: writing in parallel; its own term and vote are durable already."""
    leader = make_leader()
    feed(leader, ack(2, term=1, match=1))
    leader.propose(Ticket(1), b"x")
    ready = leader.ready()
    assert ready.save is not None
    assert any(isinstance(m, AppendEntries) and m.entries for m in ready.messages)


def test_everything_proposed_during_a_save_goes_into_the_next() -> None:
    """§10.2.2 batching: one write for all that waited."""
    leader = make_leader()
    leader.propose(Ticket(1), b"a")
    first = leader.ready().save
    for ticket in (2, 3, 4):
        leader.propose(Ticket(ticket), b"b")
        assert leader.ready().save is None
    assert first is not None
    leader.advance(first)
    second = leader.ready().save
    assert second is not None
    assert [entry.index for entry in second.entries] == [3, 4, 5]


def test_a_save_that_was_overtaken_makes_nothing_stable() -> None:
    """§3.5: entries replaced during their own save are not what the disk now holds."""
    core = make_core(term=1)
    core.step(append_entries(2, 1, 1, term=1))
    first = core.ready().save
    assert first is not None
    core.step(append_entries(3, 2, term=2))
    core.advance(first)
    assert core.state.log.stable == 0
    second = core.ready().save
    assert second is not None
    assert second.entries == log_of(2)


def test_the_commit_hint_never_exceeds_what_the_save_makes_durable() -> None:
    """§3.8: recovery trusts it."""
    leader = make_leader()
    feed(leader, ack(2, term=1, match=1))
    leader.propose(Ticket(1), b"x")
    first = leader.ready().save
    leader.step(ack(2, term=1, match=2))
    leader.step(ack(3, term=1, match=2))
    leader.propose(Ticket(2), b"y")
    assert first is not None
    assert first.hard_state.commit <= first.entries[-1].index
    leader.advance(first)
    second = leader.ready().save
    assert second is not None
    assert second.hard_state.commit == 2

    follower = make_core(2, term=1, log=log_of(1))
    follower.step(append_entries(1, 1, to=2, term=1, prev=eid(1, 1), commit=2))
    assert follower.ready().save is not None
    follower.step(append_entries(1, to=2, term=1, prev=eid(1, 2), commit=2))
    follower.step(vote_request(3, to=2, term=1))
    assert follower.state.log.commit == 2


def test_nothing_is_saved_when_nothing_changed() -> None:
    """§3.8: a commit index alone is no reason to write."""
    core = make_core(term=1, log=log_of(1, 1))
    assert feed(core, append_entries(2, term=1, prev=eid(1, 2), commit=2)).saves == []


def test_a_crash_between_vote_and_disk_leaves_the_vote_free() -> None:
    """§3.8, both ways: a lost vote was never heard, a heard vote is never lost."""
    cluster = Cluster(3)
    cluster.slow_disk(3)
    cluster.net.cut(1, 2)
    cluster.timeout(1)
    cluster.settle()
    votes = [cluster[3].running.state.vote]
    cluster.crash(3)
    cluster.restart(3)
    votes.append(cluster[3].running.state.vote)
    assert votes == ["1", None]
    cluster.settle()
    assert cluster.leaders == [], "nobody heard of it"


def test_saves_become_durable_in_order() -> None:
    """The driver's contract: only the save that is out may be reported."""
    core = make_core(term=1)
    core.step(append_entries(2, 1, term=1))
    save = core.ready().save
    assert save is not None
    core.advance(save)
    with pytest.raises(AssertionError, match="one at a time"):
        core.advance(save)
