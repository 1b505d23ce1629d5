"""Handing leadership over (§3.10), and giving it up."""

import pytest

from kvorum.raft.core import Core
from kvorum.raft.membership import AddLearner, Membership, encode_change
from kvorum.raft.messages import (
    AppendEntries,
    RequestVote,
    TimeoutNow,
    TransferLeadership,
    VoteResponse,
)
from kvorum.raft.ready import EventKind, Receipt
from kvorum.raft.types import EntryKind, NodeId, Role, Term, Ticket
from tests.support.raft_cluster import Cluster
from tests.support.raft_cores import (
    ELECTION_TICKS_MAX,
    HEARTBEAT_TICKS,
    ack,
    append_entries,
    drain,
    eid,
    elect,
    feed,
    log_of,
    make_core,
    make_leader,
    node_id,
    time_out,
    vote_request,
    voters_up_to,
)


def timeout_now(*, term: int, sender: int = 2) -> TimeoutNow:
    return TimeoutNow(to=node_id(1), sender=node_id(sender), term=Term(term))


def leader_heard_by(*numbers: int, match: int = 1) -> Core:
    leader = make_leader()
    feed(leader, *(ack(number, term=1, match=match) for number in numbers))
    return leader


# --- the leader's side -------------------------------------------------------------------


def test_a_target_that_has_everything_is_told_at_once() -> None:
    """§3.10: TimeoutNow."""
    leader = leader_heard_by(2, 3)
    assert leader.transfer(node_id(2)) == ""
    out = drain(leader)
    assert [(message.to, message.term) for message in out.of(TimeoutNow)] == [("2", 1)]
    assert [event.node for event in out.told(EventKind.TRANSFER)] == ["2"]


def test_a_target_first_gets_what_it_lacks() -> None:
    """§3.10: whoever lacks entries could not be elected."""
    leader = leader_heard_by(2, 3)
    leader.propose(Ticket(1), b"x")
    leader.transfer(node_id(2))
    assert drain(leader).of(TimeoutNow) == []
    assert feed(leader, ack(3, term=1, match=2)).of(TimeoutNow) == []
    assert len(feed(leader, ack(2, term=1, match=2)).of(TimeoutNow)) == 1


def test_nothing_is_proposed_meanwhile() -> None:
    """§3.10: neither batches nor changes; they may be proposed again, to the next leader."""
    leader = leader_heard_by(2, 3)
    leader.transfer(node_id(2))
    leader.propose(Ticket(1), b"x")
    leader.propose(Ticket(2), encode_change(AddLearner("4")), EntryKind.MEMBERSHIP)
    assert drain(leader).receipts == [Receipt(Ticket(1), None), Receipt(Ticket(2), None)]
    assert leader.state.log.last_index == 1


def test_reads_go_on_meanwhile() -> None:
    """§6.4: as long as a majority follows, nobody else can have decided anything."""
    leader = leader_heard_by(2, 3)
    leader.transfer(node_id(2))
    leader.read_index(Ticket(1))
    drain(leader)
    out = feed(leader, ack(3, term=1, match=1, read_round=1))
    assert [state.index for state in out.read_states] == [1]


def test_a_lost_message_is_repeated_once() -> None:
    """A third one would find the target campaigning, or nobody."""
    leader = leader_heard_by(2, 3)
    leader.transfer(node_id(2))
    told = [len(drain(leader).of(TimeoutNow))]
    for _ in range(ELECTION_TICKS_MAX - 1):
        leader.tick()
        told.append(len(feed(leader, ack(3, term=1, match=1)).of(TimeoutNow)))
    assert [tick for tick, count in enumerate(told) if count] == [0, HEARTBEAT_TICKS]


def test_a_leader_gives_up_in_time_and_goes_on_leading() -> None:
    """§3.10: after an election timeout."""
    leader = leader_heard_by(2, 3)
    leader.transfer(node_id(2))
    for _ in range(ELECTION_TICKS_MAX - 1):
        feed(leader, ack(3, term=1, match=1))
        leader.tick()
    assert leader.transfer(node_id(3)) == "leadership is being handed to 2 already"
    feed(leader, ack(3, term=1, match=1))
    leader.tick()
    out = drain(leader)
    assert [event.node for event in out.told(EventKind.TRANSFER_FAILED)] == ["2"]
    leader.propose(Ticket(1), b"x")
    assert drain(leader).receipts == [Receipt(Ticket(1), eid(1, 2))]


@pytest.mark.parametrize(
    ("target", "why"),
    [
        (node_id(1), "1 leads already"),
        (node_id(9), "9 is no voter"),
        (NodeId("4#2"), "4#2 is a learner; promote it first"),
    ],
)
def test_only_a_voter_can_take_over(target: NodeId, why: str) -> None:
    core = make_core(membership=Membership(voters_up_to(3).voters, learners=(NodeId("4#2"),)))
    elect(core)
    assert core.transfer(target) == why
    assert core.state.transfer is None


def test_a_silent_target_is_refused() -> None:
    """It would cost an election timeout without writes for nothing."""
    leader = leader_heard_by(2)
    for _ in range(ELECTION_TICKS_MAX):
        feed(leader, ack(2, term=1, match=1))
        leader.tick()
    assert leader.transfer(node_id(3)) == "3 does not answer"


def test_the_best_voter_is_the_one_with_the_most_of_the_log() -> None:
    """§3.10: among those that answer."""
    leader = make_leader(voters=5)
    assert leader.transfer(None) == "no other voter answers"
    feed(leader, ack(2, term=1, match=0), ack(3, term=1, match=1), ack(4, term=1, match=0))
    assert leader.transfer(None) == ""
    assert [message.to for message in drain(leader).of(TimeoutNow)] == ["3"]


def test_a_follower_asks_its_leader() -> None:
    """And nobody, if it knows of none."""
    core = make_core()
    assert core.transfer(None) == "no leader is known"
    feed(core, append_entries(2, term=1))
    assert core.transfer(node_id(3)) == ""
    [asked] = drain(core).of(TransferLeadership)
    assert (asked.to, asked.target) == ("2", "3")


def test_a_leader_does_what_a_follower_asks_it() -> None:
    leader = leader_heard_by(2, 3)
    request = TransferLeadership(to=node_id(1), sender=node_id(2), term=Term(1))
    assert [message.to for message in feed(leader, request).of(TimeoutNow)] == ["2"]


# --- the target's side -------------------------------------------------------------------


def test_the_target_campaigns_at_once_and_without_pre_vote() -> None:
    """§3.10, §9.6: its followers still hear a leader, so nobody would say yes."""
    core = make_core(term=1, log=log_of(1))
    requests = feed(core, timeout_now(term=1)).of(RequestVote)
    assert {(r.to, r.term, r.pre, r.transfer) for r in requests} == {
        ("2", 2, False, True),
        ("3", 2, False, True),
    }


def test_a_late_message_does_not_start_a_campaign() -> None:
    """Somebody else was elected meanwhile, or we were."""
    core = make_core(term=2)
    feed(core, timeout_now(term=1))
    assert (core.state.role, core.state.term) == (Role.FOLLOWER, 2)
    leader = make_leader(term=2)
    feed(leader, timeout_now(term=2))
    assert (leader.state.role, leader.state.term) == (Role.LEADER, 2)


def test_votes_are_given_although_a_leader_is_alive() -> None:
    """§4.2.3: it asked for this itself."""
    core = make_core(3)
    feed(core, append_entries(1, 1, to=3, term=1))
    request = vote_request(2, to=3, term=2, last=eid(1, 1))
    assert not feed(core, request).of(VoteResponse)[0].granted
    asked_for = RequestVote(
        to=node_id(3), sender=node_id(2), term=Term(2), last=eid(1, 1), transfer=True
    )
    assert feed(core, asked_for).of(VoteResponse)[0].granted


def test_the_old_leader_gives_its_vote_too() -> None:
    """§3.10: it follows the later term at once."""
    leader = leader_heard_by(2, 3)
    leader.transfer(node_id(2))
    request = RequestVote(
        to=node_id(1), sender=node_id(2), term=Term(2), last=eid(1, 1), transfer=True
    )
    [answer] = feed(leader, request).of(VoteResponse)
    assert (answer.granted, leader.state.role) == (True, Role.FOLLOWER)
    assert leader.state.transfer is None


def test_no_timeout_passes() -> None:
    """§3.10: the next leader is there after one round of votes."""
    cluster = Cluster(5)
    cluster.elect(1)
    cluster.transfer(1, 4)
    cluster.settle()
    assert cluster.leaders == [4]


# --- giving up (§6.2) --------------------------------------------------------------------


def test_a_leader_steps_down_when_it_is_told_to() -> None:
    """Its disk or its event loop stalls: others must not wait for it."""
    leader = leader_heard_by(2, 3)
    leader.step_down("the disk stalls")
    out = drain(leader)
    assert [event.why for event in out.told(EventKind.STEP_DOWN)] == ["the disk stalls"]
    assert (leader.state.role, leader.state.leader, leader.state.term) == (Role.FOLLOWER, None, 1)


def test_a_node_that_is_not_fit_to_lead_does_not_campaign() -> None:
    """Neither by itself nor when it is told to; it votes and follows as ever."""
    core = make_core()
    core.set_able(False)
    time_out(core)
    feed(core, timeout_now(term=1))
    assert (core.state.role, drain(core).of(RequestVote)) == (Role.FOLLOWER, [])
    [answer] = feed(core, vote_request(2, term=2)).of(VoteResponse)
    assert answer.granted
    core.set_able(True)
    time_out(core)
    assert core.state.role is Role.PRE_CANDIDATE


def test_a_leader_that_is_no_longer_fit_steps_down() -> None:
    leader = leader_heard_by(2, 3)
    leader.set_able(False)
    assert leader.state.role is Role.FOLLOWER
    assert drain(leader).of(AppendEntries) == []
