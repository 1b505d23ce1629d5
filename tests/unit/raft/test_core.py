"""What the driver may rely on, and what it must not do."""

from kvorum.raft.core import Core
from kvorum.raft.membership import NOBODY, Membership
from kvorum.raft.messages import AppendEntries
from kvorum.raft.types import HardState, Role, Ticket
from tests.support.raft_cores import (
    ELECTION_TICKS_MAX,
    HEARTBEAT_TICKS,
    ack,
    append_entries,
    drain,
    eid,
    elect,
    feed,
    latest,
    make_core,
    make_leader,
    node_id,
    options,
    time_out,
    vote_answer,
)


def test_a_core_may_be_told_of_nobody() -> None:
    """A node that is to join waits for a leader, and does not campaign (§4.2.1)."""
    core = Core(options(9), NOBODY, latest, HardState())
    time_out(core)
    assert (core.state.role, drain(core).messages) == (Role.FOLLOWER, [])
    feed(core, append_entries(2, 1, to=9, term=1))
    assert (core.state.leader, core.state.log.last_index) == ("2", 1)


def test_peers_keep_their_order() -> None:
    membership = Membership(tuple(node_id(number) for number in (3, 1, 2)))
    assert membership.peers_of(node_id(1)) == ("3", "2")


def test_a_new_core_has_nothing_to_do() -> None:
    out = drain(make_core())
    assert (out.messages, out.saves, out.committed, out.events) == ([], [], [], [])


def test_each_ready_hands_out_everything_once() -> None:
    leader = make_leader()
    leader.propose(Ticket(1), b"x")
    first, second = leader.ready(), leader.ready()
    assert first.receipts
    assert (second.messages, second.receipts, second.events, second.save) == ((), (), (), None)


def test_a_leader_beats_at_its_interval() -> None:
    leader = make_leader()
    for sender in (2, 3):
        feed(leader, ack(sender, term=1, match=1))
    for _ in range(HEARTBEAT_TICKS):
        leader.tick()
    drain(leader)
    beats = []
    for _ in range(3 * HEARTBEAT_TICKS):
        leader.tick()
        beats.append(len(drain(leader).of(AppendEntries)))
    assert beats == [0, 2] * 3


def test_a_commit_is_announced_at_the_next_tick() -> None:
    leader = make_leader()
    for sender in (2, 3):
        feed(leader, ack(sender, term=1, match=1))
    assert drain(leader).of(AppendEntries) == [], "not in a message of its own"
    leader.tick()
    assert [append.commit for append in drain(leader).of(AppendEntries)] == [1, 1]


def test_while_something_is_undecided_commits_are_announced_with_appends_and_heartbeats() -> None:
    """A leader that is busy would send as many messages again, which say nothing else."""
    leader = make_leader()
    for sender in (2, 3):
        feed(leader, ack(sender, term=1, match=1))
    leader.tick()
    drain(leader)
    for data in (b"1", b"2"):
        leader.propose(Ticket(1), data)
        drain(leader)
    feed(leader, ack(2, term=1, match=2))
    assert (leader.state.log.commit, leader.state.log.last_index) == (2, 3)
    leader.state.heartbeat_elapsed = 0
    leader.tick()
    assert drain(leader).of(AppendEntries) == []
    leader.propose(Ticket(2), b"3")
    assert {append.commit for append in drain(leader).of(AppendEntries)} == {2}
    feed(leader, ack(2, term=1, match=3))
    leader.tick()
    assert {append.commit for append in drain(leader).of(AppendEntries)} == {3}, "a heartbeat"


def test_a_new_leader_has_the_whole_timeout_to_hear_a_majority() -> None:
    """Ticks of its campaign do not count, nor does a beat begun in an earlier term."""
    core = make_core()
    time_out(core)
    drain(core)
    feed(core, vote_answer(node_id(2), core, term=1, granted=True, pre=True))
    for _ in range(ELECTION_TICKS_MAX - 1):
        core.tick()
    feed(core, vote_answer(node_id(2), core, term=1, granted=True))
    roles = []
    for _ in range(2 * ELECTION_TICKS_MAX):
        core.tick()
        roles.append(core.state.role)
    assert roles[:-1] == [Role.LEADER] * (2 * ELECTION_TICKS_MAX - 1)
    assert roles[-1] is Role.FOLLOWER


def test_the_first_beat_of_a_second_term_comes_after_a_whole_interval() -> None:
    leader = make_leader()
    leader.tick()  # half an interval
    feed(leader, append_entries(2, 2, term=2, prev=eid(1, 1)))
    elect(leader)
    for sender in (2, 3):
        feed(leader, ack(sender, term=3, match=3))
    leader.tick()
    drain(leader)
    for sender in (2, 3):
        feed(leader, ack(sender, term=3, match=3))
    assert leader.state.heartbeat_elapsed == 1


def test_a_node_that_recovers_is_a_follower_of_nobody() -> None:
    core = make_core(term=7, vote=1)
    assert (core.state.role, core.state.leader, core.state.term) == (Role.FOLLOWER, None, 7)
