"""Changing the members: joint consensus, learners, leaving (§4)."""

import pytest
from msgspec.structs import replace

from kvorum.raft.core import Core
from kvorum.raft.membership import (
    AddLearner,
    Change,
    Membership,
    Promote,
    Remove,
    Replace,
    decode_membership,
    encode_change,
    encode_membership,
)
from kvorum.raft.messages import (
    AppendEntries,
    AppendResponse,
    Propose,
    ProposeResponse,
    ReadIndex,
    ReadIndexResponse,
    RequestVote,
    TimeoutNow,
    VoteResponse,
)
from kvorum.raft.ready import EventKind, Receipt
from kvorum.raft.reconfiguration import PROMOTE_LAG_MAX
from kvorum.raft.types import Entry, EntryKind, Index, NodeId, Role, Term, Ticket
from tests.support.raft_cluster import Cluster
from tests.support.raft_cores import (
    ELECTION_TICKS_MAX,
    HEARTBEAT_TICKS,
    Collected,
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
    options,
    time_out,
    vote_answer,
    vote_request,
    voters_up_to,
)

LEARNER = NodeId("4#2")


def ids(*numbers: int) -> tuple[NodeId, ...]:
    return tuple(map(node_id, numbers))


def membership_entry(term: int, index: int, membership: Membership) -> Entry:
    return Entry(Term(term), Index(index), EntryKind.MEMBERSHIP, encode_membership(membership))


JOINT = Membership(ids(1, 4, 5), outgoing=ids(1, 2, 3))


def leader_of(membership: Membership, *answering: int, term: int = 1) -> Core:
    """A leader in this membership, its no-op (index 1) acknowledged by those who answer."""
    core = make_core(term=term - 1, membership=membership)
    elect(core)
    feed(core, *(ack(number, term=term, match=1) for number in answering))
    return core


def role(core: Core) -> Role:
    return core.state.role


def propose(core: Core, change: Change, ticket: int = 1) -> tuple[Receipt, Collected]:
    core.propose(Ticket(ticket), encode_change(change), EntryKind.MEMBERSHIP)
    out = drain(core)
    [receipt] = out.receipts
    return receipt, out


# --- which one is in force (§4.1) --------------------------------------------------------


def test_the_latest_membership_in_the_log_is_used_at_once() -> None:
    """§4.1: whether it is committed or not; whom we ask for votes shows it."""
    core = make_core()
    entries = (membership_entry(1, 1, voters_up_to(5)),)
    feed(core, replace(append_entries(2, term=1), entries=entries))
    assert (core.membership, core.state.log.commit) == (voters_up_to(5), 0)
    time_out(core)
    assert {request.to for request in drain(core).of(RequestVote)} == set(ids(2, 3, 4, 5))


def test_a_membership_that_loses_its_place_is_no_longer_in_force() -> None:
    """§4.1: the previous one in the log is, then."""
    log = (*log_of(1), membership_entry(1, 2, voters_up_to(5)))
    core = make_core(term=1, log=log)
    assert core.membership == voters_up_to(5)
    out = feed(core, append_entries(2, 2, term=2, prev=eid(1, 1)))
    assert core.membership == voters_up_to(3)
    assert [event.kind for event in out.events if event.kind is EventKind.MEMBERSHIP]


def test_what_was_in_force_at_an_index() -> None:
    """Whoever takes a snapshot needs the membership at its end (§5.1)."""
    log = (*log_of(1), membership_entry(1, 2, JOINT), membership_entry(1, 3, voters_up_to(5)))
    core = make_core(term=1, log=log)
    found = [core.membership_at(Index(index)) for index in range(4)]
    assert found == [voters_up_to(3), voters_up_to(3), JOINT, voters_up_to(5)]


def test_a_leader_that_is_no_member_is_followed() -> None:
    """§4.1: our own membership may be behind: it is the log that will tell."""
    core = make_core()
    out = feed(core, append_entries(9, 1, term=1))
    assert (core.state.leader, out.of(AppendResponse)[0].match) == ("9", 1)


def test_answers_of_strangers_do_not_count() -> None:
    """§4.2.3: whoever was removed cannot depose a leader, either."""
    leader = make_leader()
    feed(leader, ack(9, term=1, match=1), ack(9, term=7, match=1))
    assert (leader.state.role, leader.state.term, leader.state.log.commit) == (Role.LEADER, 1, 0)


def test_a_membership_that_cannot_be_read_stops_the_node() -> None:
    """To go on with the wrong members would be worse."""
    core = make_core()
    unreadable = Entry(Term(1), Index(1), EntryKind.MEMBERSHIP, b"\xff")
    with pytest.raises(ValueError, match="not a membership"):
        core.step(replace(append_entries(2, term=1), entries=(unreadable,)))
    with pytest.raises(ValueError, match="not a membership"):
        make_core(term=1, log=(unreadable,))


# --- both majorities (§4.3) --------------------------------------------------------------


def test_a_joint_membership_decides_with_both_majorities() -> None:
    """§4.3: a majority of all five is not enough if it is none of the old or of the new."""
    leader = leader_of(JOINT)
    feed(leader, ack(2, term=1, match=1), ack(3, term=1, match=1))
    assert leader.state.log.commit == 0, "1, 2 and 3 are only one of the new voters"
    feed(leader, ack(4, term=1, match=1))
    assert leader.state.log.commit == 1


def test_a_joint_election_needs_both_majorities() -> None:
    """§4.3: and asks every voter of either."""
    core = make_core(membership=JOINT)
    time_out(core)
    assert {request.to for request in drain(core).of(RequestVote)} == set(ids(2, 3, 4, 5))
    feed(core, *(vote_answer(node_id(n), core, term=1, granted=True, pre=True) for n in (4, 5)))
    assert role(core) is Role.PRE_CANDIDATE
    feed(core, vote_answer(node_id(2), core, term=1, granted=True, pre=True))
    assert role(core) is Role.CANDIDATE
    feed(core, *(vote_answer(node_id(n), core, term=1, granted=True) for n in (2, 3)))
    assert role(core) is Role.CANDIDATE
    feed(core, vote_answer(node_id(5), core, term=1, granted=True))
    assert role(core) is Role.LEADER


def test_a_joint_election_is_lost_with_either_majority() -> None:
    """§4.3: two refusals among the three new voters decide it, though the old ones agree."""
    core = make_core(membership=JOINT)
    time_out(core)
    drain(core)
    feed(core, *(vote_answer(node_id(n), core, term=1, granted=True, pre=True) for n in (2, 3)))
    feed(core, *(vote_answer(node_id(n), core, term=0, granted=False, pre=True) for n in (4, 5)))
    assert core.state.role is Role.FOLLOWER


def test_a_read_needs_both_majorities() -> None:
    """§6.4 with §4.3."""
    leader = leader_of(JOINT, 2, 4)
    leader.read_index(Ticket(1))
    drain(leader)
    out = feed(leader, *(ack(n, term=1, match=1, read_round=1) for n in (2, 3)))
    assert out.read_states == []
    out = feed(leader, ack(5, term=1, match=1, read_round=1))
    assert [state.index for state in out.read_states] == [1]


def test_a_leader_needs_to_hear_both_majorities() -> None:
    """§6.2 with §4.3."""
    leader = leader_of(JOINT, 2, 4)
    for _ in range(2):
        feed(leader, *(ack(n, term=1, match=1) for n in (2, 3)))
        for _ in range(ELECTION_TICKS_MAX):
            leader.tick()
    assert leader.state.role is Role.FOLLOWER


def test_the_joint_membership_is_left_as_soon_as_it_is_committed() -> None:
    """§4.3: the leader appends the final one."""
    leader = leader_of(voters_up_to(3), 2)
    receipt, _ = propose(leader, Remove(node_id(3)))
    assert receipt.entry == eid(1, 2)
    assert leader.membership == Membership(ids(1, 2), outgoing=ids(1, 2, 3))
    out = feed(leader, ack(2, term=1, match=2))
    assert leader.membership == Membership(ids(1, 2))
    [entry] = [e for message in out.of(AppendEntries) if message.to == "2" for e in message.entries]
    assert (entry.index, decode_membership(entry.data)) == (3, Membership(ids(1, 2)))


def test_the_joint_membership_stays_until_it_is_committed_itself() -> None:
    """§4.3: an entry before it does not count."""
    leader = leader_of(voters_up_to(3), 2)
    leader.propose(Ticket(9), b"x")
    drain(leader)
    propose(leader, Remove(node_id(3)))
    feed(leader, ack(2, term=1, match=2))
    assert (leader.state.log.commit, leader.membership.is_joint) == (2, True)
    feed(leader, ack(2, term=1, match=3))
    assert (leader.state.log.commit, leader.membership.is_joint) == (3, False)


def test_a_new_leader_leaves_a_joint_membership_that_was_committed_before() -> None:
    """§4.3: whoever leads completes the change, once it has committed an entry of its own."""
    core = make_core(term=1, commit=1, log=(membership_entry(1, 1, JOINT),))
    elect(core)
    assert core.membership == JOINT
    feed(core, *(ack(n, term=2, match=2) for n in (2, 4)))
    assert core.membership == Membership(JOINT.voters)


# --- what is refused ---------------------------------------------------------------------


def test_no_change_before_an_entry_of_the_own_term_is_committed() -> None:
    """§4.1: an earlier leader's change may still be undecided."""
    leader = make_leader()
    receipt, _ = propose(leader, AddLearner("4"))
    assert receipt == Receipt(Ticket(1), None), "it may be proposed again"
    feed(leader, ack(2, term=1, match=1))
    receipt, _ = propose(leader, AddLearner("4"))
    assert receipt == Receipt(Ticket(1), eid(1, 2))


def test_one_change_at_a_time() -> None:
    """§4.3: the next one waits until the final membership is committed."""
    leader = leader_of(voters_up_to(3), 2)
    propose(leader, Remove(node_id(3)))
    refusals = []
    for match in (2, 3):
        refusals.append(propose(leader, AddLearner("5"))[0].refusal)
        feed(leader, ack(2, term=1, match=match))
    assert ["under way" in refusal for refusal in refusals] == [True, True]
    assert propose(leader, AddLearner("5"))[0].entry is not None


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (AddLearner("2"), "address of member 2"),
        (Promote(node_id(2)), "voter already"),
        (Promote(NodeId("9")), "no member"),
        (Remove(NodeId("9")), "no member"),
        (Replace(NodeId("9")), "no member"),
        (Replace(node_id(1)), "running"),
        (Replace(node_id(2)), "running"),
        (Replace(node_id(3)), "may be running"),
    ],
)
def test_a_change_that_makes_no_sense_is_refused_for_ever(change: Change, why: str) -> None:
    leader = leader_of(voters_up_to(3), 2)
    receipt, _ = propose(leader, change)
    assert (receipt.entry, why in receipt.refusal) == (None, True), receipt
    assert leader.state.log.last_index == 1


def test_the_last_voter_stays() -> None:
    leader = leader_of(voters_up_to(1))
    receipt, _ = propose(leader, Remove(node_id(1)))
    assert "last voter" in receipt.refusal


def test_a_change_that_nobody_could_decide_is_refused_with_those_missing() -> None:
    """Without 2 the majority of 1 and 3 would need 3, which was not heard yet."""
    leader = leader_of(voters_up_to(3), 2)
    receipt, _ = propose(leader, Remove(node_id(2)))
    assert "3 does not answer" in receipt.refusal
    feed(leader, ack(3, term=1, match=1))
    assert propose(leader, Remove(node_id(2)))[0].entry is not None


def test_who_was_silent_for_an_election_timeout_does_not_count_as_present() -> None:
    leader = leader_of(voters_up_to(3), 2, 3)
    for _ in range(ELECTION_TICKS_MAX - 1):
        leader.tick()
    assert propose(leader, Remove(node_id(2)))[0].entry is not None, "3 was heard just in time"

    leader = leader_of(voters_up_to(3), 2, 3)
    for _ in range(ELECTION_TICKS_MAX):
        feed(leader, ack(2, term=1, match=1))
        leader.tick()
    assert "3 does not answer" in propose(leader, Remove(node_id(2)))[0].refusal


def test_bytes_that_are_no_change_are_refused() -> None:
    """They come from another release; in the log they would stop every node."""
    leader = leader_of(voters_up_to(3), 2)
    leader.propose(Ticket(1), b"\x00", EntryKind.MEMBERSHIP)
    [receipt] = drain(leader).receipts
    assert (receipt.entry, "not a change" in receipt.refusal) == (None, True)


def test_a_follower_forwards_a_change_and_the_refusal_comes_back() -> None:
    """§6.2: like any proposal."""
    cluster = Cluster(3)
    cluster.elect(1)
    accepted = cluster.change(2, AddLearner("4"))
    cluster.settle()
    refused = cluster.change(3, AddLearner("2"))
    cluster.settle()
    assert cluster[2].receipts[accepted] == eid(1, 2)
    assert "address of member 2" in cluster[3].refusals[refused]


def test_strangers_may_ask_for_nothing() -> None:
    """Who was removed learns that its requests are in vain; they may be made elsewhere."""
    leader = leader_of(voters_up_to(3), 2)
    me, stranger, term, ticket = node_id(1), node_id(9), Term(1), Ticket(5)
    out = feed(
        leader,
        Propose(to=me, sender=stranger, term=term, ticket=ticket, data=b"x"),
        ReadIndex(to=me, sender=stranger, term=term, ticket=ticket),
    )
    assert [answer.entry for answer in out.of(ProposeResponse)] == [None]
    assert [answer.index for answer in out.of(ReadIndexResponse)] == [None]
    assert leader.state.log.last_index == 1


# --- learners (§4.2.1) -------------------------------------------------------------------

WITH_LEARNER = Membership(ids(1, 2, 3), learners=(LEARNER,))


def from_learner(match: int, read_round: int = 0) -> AppendResponse:
    return AppendResponse(
        to=node_id(1),
        sender=LEARNER,
        term=Term(1),
        success=True,
        match=Index(match),
        round=read_round,
    )


def test_a_learner_gets_the_log_and_counts_nowhere() -> None:
    """§4.2.1: neither for commitment nor reads nor the leader's quorum."""
    leader = leader_of(WITH_LEARNER, 2)
    leader.propose(Ticket(1), b"x")
    leader.read_index(Ticket(2))
    out = drain(leader)
    assert LEARNER in {message.to for message in out.of(AppendEntries)}
    out = feed(leader, from_learner(2, read_round=1))
    assert (leader.state.log.commit, out.read_states) == (1, [])
    for _ in range(2 * ELECTION_TICKS_MAX):
        feed(leader, from_learner(2))
        leader.tick()
    assert leader.state.role is Role.FOLLOWER


def test_a_learner_is_not_asked_for_its_vote_and_its_vote_does_not_count() -> None:
    """§4.2.1: it does not vote."""
    core = make_core(membership=WITH_LEARNER)
    time_out(core)
    assert {request.to for request in drain(core).of(RequestVote)} == set(ids(2, 3))
    feed(core, vote_answer(LEARNER, core, term=1, granted=True, pre=True))
    assert core.state.role is Role.PRE_CANDIDATE


def test_a_learner_never_campaigns() -> None:
    """§4.2.1: neither when it hears nobody nor when it is told to (§3.10)."""
    core = make_core(core_options=replace(options(), node=LEARNER), membership=WITH_LEARNER, term=1)
    time_out(core)
    assert (core.state.role, drain(core).messages) == (Role.FOLLOWER, [])
    feed(core, TimeoutNow(to=LEARNER, sender=node_id(1), term=Term(2)))
    assert (core.state.role, core.state.term) == (Role.FOLLOWER, 2)


def test_a_learner_votes_when_it_is_asked() -> None:
    """§4.1: it may have been promoted without having heard of it."""
    core = make_core(core_options=replace(options(), node=LEARNER), membership=WITH_LEARNER)
    [answer] = feed(core, replace(vote_request(2, term=1), to=LEARNER)).of(VoteResponse)
    assert answer.granted


def test_a_silent_leader_is_forgotten_by_those_who_cannot_follow_it_up() -> None:
    """Otherwise a learner would send requests to nobody for ever."""
    core = make_core(core_options=replace(options(), node=LEARNER), membership=WITH_LEARNER)
    feed(core, replace(append_entries(1, 1, term=1), to=LEARNER))
    assert core.state.leader == "1"
    time_out(core)
    assert core.state.leader is None


def test_a_learner_is_promoted_only_once_it_has_caught_up() -> None:
    """§4.2.1: a voter that lacks much of the log would hold up what needs its vote."""
    leader = leader_of(WITH_LEARNER, 2, 3)
    assert "does not answer" in propose(leader, Promote(LEARNER))[0].refusal
    for _ in range(PROMOTE_LAG_MAX):
        leader.propose(Ticket(9), b"x")
    drain(leader)
    feed(leader, ack(2, term=1, match=PROMOTE_LAG_MAX + 1), from_learner(0))
    assert "has not caught up" in propose(leader, Promote(LEARNER))[0].refusal
    feed(leader, from_learner(1))
    assert propose(leader, Promote(LEARNER))[0].entry is not None
    assert leader.membership == Membership((*ids(1, 2, 3), LEARNER), outgoing=ids(1, 2, 3))


def test_a_voter_that_lost_its_disk_is_replaced_by_a_learner_that_inherits_its_vote() -> None:
    """§3.8 forbids to forget: so who comes back with nothing is somebody else.

    The leader promotes the heir by itself as soon as it has caught up.
    """
    cluster = Cluster(3)
    cluster.elect(1)
    cluster.propose(1, b"x")
    cluster.settle()
    cluster.crash(3)
    early = cluster.change(1, Replace(node_id(3)))
    assert "running" in cluster[1].refusals[early]
    for _ in range(ELECTION_TICKS_MAX):
        cluster.tick(1, 2)
        cluster.settle()
    late = cluster.change(1, Replace(node_id(3)))
    cluster.settle()
    entry = cluster[1].receipts[late]
    assert entry is not None
    heir = NodeId(f"3#{entry.index:x}")
    assert cluster[1].running.membership == Membership(ids(1, 2), learners=(heir,), heirs=(heir,))
    cluster.join(3)
    for _ in range(3 * HEARTBEAT_TICKS):
        cluster.tick()
        cluster.settle()
    assert cluster[3].running.membership == Membership((*ids(1, 2), heir))
    assert cluster[3].data == [b"x"]
