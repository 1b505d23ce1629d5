"""Members that leave, the leader among them (§4.2.2)."""

from msgspec.structs import replace

from kvorum.raft.membership import (
    NOBODY,
    Membership,
    Remove,
)
from kvorum.raft.messages import (
    AppendEntries,
    RequestVote,
    TimeoutNow,
)
from kvorum.raft.ready import EventKind, Receipt
from kvorum.raft.types import NodeId, Role, Ticket
from tests.paper.test_membership import ids, leader_of, membership_entry, propose, role
from tests.support.raft_cores import (
    HEARTBEAT_TICKS,
    ack,
    append_entries,
    drain,
    eid,
    feed,
    log_of,
    make_core,
    node_id,
    options,
    time_out,
    vote_answer,
    voters_up_to,
)


def test_a_leader_that_is_leaving_does_not_count_itself() -> None:
    """§4.2.2: it may even decide an entry that its own disk does not have yet."""
    leader = leader_of(voters_up_to(3), 2, 3)
    propose(leader, Remove(node_id(1)))
    feed(leader, ack(2, term=1, match=2))
    assert leader.state.log.commit == 1, "1 and 2 are only one of the new voters"
    feed(leader, ack(3, term=1, match=2))
    assert leader.membership == Membership(ids(2, 3))
    feed(leader, ack(2, term=1, match=3))
    assert leader.state.log.commit == 2
    feed(leader, ack(3, term=1, match=3))
    assert leader.state.log.commit == 3


def test_a_leader_that_has_left_tells_everyone_and_hands_over() -> None:
    """§4.2.2: it leads until the final membership is committed, and not longer."""
    leader = leader_of(voters_up_to(3), 2, 3)
    propose(leader, Remove(node_id(1)))
    feed(leader, *(ack(n, term=1, match=2) for n in (2, 3)))
    out = feed(leader, *(ack(n, term=1, match=3) for n in (2, 3)))
    assert leader.state.role is Role.FOLLOWER
    assert {m.to: m.commit for m in out.of(AppendEntries)} == {"2": 3, "3": 3}
    [handover] = out.of(TimeoutNow)
    assert out.messages.index(handover) == len(out.messages) - 1, "after the news"
    assert [event.kind for event in out.events if event.kind is EventKind.REMOVED]
    time_out(leader)
    assert drain(leader).of(RequestVote) == [], "it does not campaign any more"


def test_a_leader_that_is_leaving_takes_no_proposals_behind_its_removal() -> None:
    """They may be proposed again elsewhere."""
    leader = leader_of(voters_up_to(3), 2, 3)
    propose(leader, Remove(node_id(1)))
    feed(leader, *(ack(n, term=1, match=2) for n in (2, 3)))
    for number in (2, 3):
        leader.step(ack(number, term=1, match=3))
    leader.propose(Ticket(7), b"x")
    assert Receipt(Ticket(7), None) in drain(leader).receipts


def test_a_removed_follower_is_told_once_that_its_removal_is_decided() -> None:
    """It could not know otherwise: nobody talks to it any more."""
    leader = leader_of(voters_up_to(3), 2, 3)
    propose(leader, Remove(node_id(3)))
    feed(leader, *(ack(n, term=1, match=2) for n in (2, 3)))
    feed(leader, ack(3, term=1, match=3))
    out = feed(leader, ack(2, term=1, match=3))
    assert [m.commit for m in out.of(AppendEntries) if m.to == "3"] == [3]
    for _ in range(HEARTBEAT_TICKS):
        leader.tick()
    assert {m.to for m in drain(leader).of(AppendEntries)} == {"2"}


def test_a_removed_node_says_so_once_and_stops_campaigning() -> None:
    """§4.2.3: and again after a restart, because it looks to its log."""
    final = Membership(ids(2, 3))
    log = (membership_entry(1, 1, Membership(ids(2, 3), outgoing=ids(1, 2, 3))),)
    core = make_core(term=1, log=(*log, membership_entry(1, 2, final)))
    assert core.state.may_campaign(), "as long as that is not decided"
    out = feed(core, append_entries(2, term=1, prev=eid(1, 2), commit=2))
    assert len(out.told(EventKind.REMOVED)) == 1
    out = feed(core, append_entries(2, 1, term=1, prev=eid(1, 2), commit=3))
    assert (out.told(EventKind.REMOVED), core.state.is_removed) == ([], True)
    time_out(core)
    assert drain(core).messages == []

    again = make_core(term=1, commit=2, log=(*log, membership_entry(1, 2, final)))
    assert len(drain(again).told(EventKind.REMOVED)) == 1


def test_who_is_still_to_be_added_was_not_removed() -> None:
    """A new member gets a log in which it does not occur at first."""
    core = make_core(core_options=replace(options(), node=NodeId("4#3")), membership=NOBODY)
    log = (membership_entry(1, 1, voters_up_to(2)), *log_of(1, first=2))
    message = replace(append_entries(2, term=1, commit=2), to=NodeId("4#3"), entries=log)
    out = feed(core, message)
    assert (core.state.log.commit, out.told(EventKind.REMOVED)) == (2, [])


def test_a_voter_that_is_leaving_may_still_be_elected() -> None:
    """§4.2.2: perhaps nobody else has the last entry of the change. It does not count itself."""
    log = (membership_entry(1, 1, Membership(ids(2, 3), outgoing=ids(1, 2, 3))),)
    core = make_core(term=1, log=(*log, membership_entry(1, 2, Membership(ids(2, 3)))))
    time_out(core)
    assert {request.to for request in drain(core).of(RequestVote)} == set(ids(2, 3))
    feed(core, vote_answer(node_id(2), core, term=2, granted=True, pre=True))
    assert role(core) is Role.PRE_CANDIDATE
    feed(core, vote_answer(node_id(3), core, term=2, granted=True, pre=True))
    feed(core, *(vote_answer(node_id(n), core, term=2, granted=True) for n in (2, 3)))
    assert role(core) is Role.LEADER
