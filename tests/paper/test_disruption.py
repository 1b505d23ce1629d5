"""Who may disturb whom: live leaders (§4.2.3), pre-vote (§9.6), CheckQuorum (§6.2)."""

import pytest

from kvorum.raft.messages import AppendResponse, RequestVote, VoteResponse
from kvorum.raft.ready import EventKind
from kvorum.raft.types import Role
from tests.support.raft_cluster import Cluster
from tests.support.raft_cores import (
    ELECTION_TICKS_MAX,
    ELECTION_TICKS_MIN,
    ack,
    append_entries,
    drain,
    eid,
    feed,
    log_of,
    make_core,
    make_leader,
    node_id,
    refusal,
    time_out,
    vote_answer,
    vote_request,
)


@pytest.mark.parametrize("pre", [False, True])
def test_a_vote_is_refused_while_a_leader_is_alive(pre: bool) -> None:
    """§4.2.3: within the minimum election timeout neither vote nor term is given."""
    core = make_core(term=1)
    feed(core, append_entries(2, 1, term=1))
    for _ in range(ELECTION_TICKS_MIN - 1):
        core.tick()
    [answer] = feed(core, vote_request(3, term=2, last=eid(1, 9), pre=pre)).of(VoteResponse)
    assert (answer.granted, answer.term, core.state.term) == (False, 1, 1)

    core.tick()  # now it is silent for the minimum timeout
    [answer] = feed(core, vote_request(3, term=2, last=eid(1, 9), pre=pre)).of(VoteResponse)
    assert (answer.granted, answer.term) == (True, 2)


@pytest.mark.parametrize("pre", [False, True])
def test_a_leader_is_not_deposed_by_a_vote_request(pre: bool) -> None:
    """§4.2.3: a leader that has its followers counts as alive for itself."""
    leader = make_leader(term=1)
    [answer] = feed(leader, vote_request(3, term=9, last=eid(9, 9), pre=pre)).of(VoteResponse)
    assert (answer.granted, answer.term) == (False, 1)
    assert leader.state.role is Role.LEADER


def test_pre_vote_changes_nothing() -> None:
    """§9.6: neither asking nor granting touches term, vote or disk."""
    asking, asked = make_core(term=4), make_core(2, term=4)
    time_out(asking)
    out = drain(asking)
    assert (asking.state.term, asking.state.vote, out.saves) == (4, None, [])
    assert {(r.term, r.pre) for r in out.of(RequestVote)} == {(5, True)}

    answered = feed(asked, out.of(RequestVote)[0])
    [answer] = answered.of(VoteResponse)
    assert (answer.granted, answer.pre, answer.term) == (True, True, 5)
    assert (asked.state.term, asked.state.vote, answered.saves) == (4, None, [])


def test_several_may_get_a_pre_vote() -> None:
    """§9.6: it is not a vote; each is told what would be true."""
    core = make_core(term=4)
    requests = [vote_request(sender, term=5, pre=True) for sender in (2, 3)]
    assert [a.granted for a in feed(core, *requests).of(VoteResponse)] == [True, True]


def test_no_campaign_without_a_majority_of_pre_votes() -> None:
    """§9.6: the term is incremented only when a majority would vote."""
    core = make_core(voters=5, term=4)
    time_out(core)
    drain(core)
    feed(core, vote_answer(node_id(2), core, term=5, granted=True, pre=True))
    assert (core.state.role, core.state.term) == (Role.PRE_CANDIDATE, 4)
    feed(core, vote_answer(node_id(3), core, term=5, granted=True, pre=True))
    assert (core.state.role, core.state.term) == (Role.CANDIDATE, 5)


def test_pre_votes_granted_to_an_earlier_term_do_not_count() -> None:
    """§9.6: the question was about another election."""
    core = make_core(voters=3, term=4)
    time_out(core)
    drain(core)
    feed(core, vote_answer(node_id(2), core, term=4, granted=True, pre=True))
    assert core.state.role is Role.PRE_CANDIDATE


def test_pre_votes_are_not_votes() -> None:
    """§9.6: a late pre-vote must not help to win the real election, nor the other way round."""
    core = make_core(voters=5, term=0)
    time_out(core)
    drain(core)
    feed(core, vote_answer(node_id(2), core, term=1, granted=True, pre=True))
    feed(core, vote_answer(node_id(3), core, term=1, granted=True, pre=True))
    assert core.state.role is Role.CANDIDATE
    for sender in (4, 5):
        feed(core, vote_answer(node_id(sender), core, term=1, granted=True, pre=True))
    assert core.state.role is Role.CANDIDATE


def test_refused_pre_votes_end_the_attempt() -> None:
    """§9.6: back to following; the next timeout asks again."""
    core = make_core(term=4)
    time_out(core)
    drain(core)
    for sender in (2, 3):
        feed(core, vote_answer(node_id(sender), core, term=4, granted=False, pre=True))
    assert (core.state.role, core.state.term) == (Role.FOLLOWER, 4)


def test_a_refused_pre_vote_teaches_the_current_term() -> None:
    """§9.6, §3.3: who missed a term learns it from the refusal and may then ask for the next."""
    behind, ahead = make_core(1, term=2, log=log_of(1)), make_core(2, term=7)
    time_out(behind)
    question = next(r for r in drain(behind).of(RequestVote) if r.to == "2")
    [answer] = feed(ahead, question).of(VoteResponse)
    assert (answer.granted, answer.term) == (False, 7)
    feed(behind, answer)
    assert (behind.state.term, behind.state.role) == (7, Role.FOLLOWER)


def test_an_isolated_node_does_not_inflate_its_term() -> None:
    """§9.6: it can time out as often as it likes."""
    cluster = Cluster(3)
    cluster.elect(1)
    cluster.net.isolate(3)
    for _ in range(10):
        cluster.timeout(3)
        cluster.settle()
    assert cluster[3].running.state.term == 1


def test_a_rejoining_node_does_not_depose_the_leader() -> None:
    """§9.6: the leader stays, its term stays, the node catches up."""
    cluster = Cluster(3)
    cluster.elect(1)
    cluster.net.isolate(3)
    cluster.propose(1, b"x")
    cluster.timeout(3)
    cluster.settle()
    cluster.net.heal()
    cluster.timeout(3)
    cluster.settle()
    assert (cluster.leaders, cluster[1].running.state.term) == ([1], 1)
    cluster.tick(1, count=2)
    cluster.settle()
    assert cluster[3].data == [b"x"]


def test_a_leader_behind_in_term_is_told() -> None:
    """§9.6: with pre-vote a node of a later term does not campaign it away, its answers do."""
    core = make_core(2, term=5)
    leader = make_leader(term=3)
    heartbeat = append_entries(1, to=2, term=3)
    feed(leader, *feed(core, heartbeat).messages)
    assert (leader.state.role, leader.state.term) == (Role.FOLLOWER, 5)


def test_a_leader_without_a_majority_steps_down() -> None:
    """§6.2: no majority heard for an election timeout; requests are refused from then on."""
    leader = make_leader(voters=5)
    for _ in range(2 * ELECTION_TICKS_MAX):
        feed(leader, ack(2, term=1, match=1))
        leader.tick()
    assert (leader.state.role, leader.state.leader) == (Role.FOLLOWER, None)
    assert leader.state.term == 1
    [stepped_down] = drain(leader).told(EventKind.STEP_DOWN)
    assert "silent" in stepped_down.why


@pytest.mark.parametrize("answer", [ack(3, term=1, match=0), refusal(3, term=1, rejected=9)])
def test_any_answer_of_a_majority_keeps_a_leader(answer: AppendResponse) -> None:
    """§6.2: a follower that disagrees about its log is alive nevertheless."""
    leader = make_leader(voters=5)
    for _ in range(5 * ELECTION_TICKS_MAX):
        feed(leader, ack(2, term=1, match=1), answer)
        leader.tick()
    assert leader.state.role is Role.LEADER


def test_a_cut_off_leader_is_replaced_and_returns_as_a_follower() -> None:
    """§6.2: both sides agree in the end, and what the old leader could not commit is gone."""
    cluster = Cluster(5)
    cluster.elect(1)
    cluster.net.partition((1, 2), (3, 4, 5))
    doomed = cluster.propose(1, b"doomed")
    cluster.settle()
    cluster.elect(4)
    cluster.propose(4, b"kept")
    cluster.settle()
    assert cluster.leaders == [1, 4]
    cluster.net.heal()
    cluster.tick(count=2)
    cluster.settle()
    assert cluster.leaders == [4]
    assert all(member.data == [b"kept"] for member in cluster.members.values())
    appended = cluster[1].receipts[doomed]
    assert appended is not None
    assert cluster[1].applied[appended.index - 1].term != appended.term, "its asker can tell"
