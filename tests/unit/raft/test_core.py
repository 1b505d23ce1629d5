"""What the driver may rely on, and what it must not do."""

import pytest

from kvorum.raft.config import Membership
from kvorum.raft.core import Core
from kvorum.raft.messages import AppendEntries
from kvorum.raft.types import HardState, Role, Ticket
from tests.support.raft_cores import (
    HEARTBEAT_TICKS,
    ack,
    drain,
    feed,
    latest,
    make_core,
    make_leader,
    node_id,
    options,
)


def test_a_core_must_be_a_member() -> None:
    with pytest.raises(AssertionError, match="member of its cluster"):
        Core(options(9), Membership((node_id(1), node_id(2))), latest, HardState())


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


def test_a_node_that_recovers_is_a_follower_of_nobody() -> None:
    core = make_core(term=7, vote=1)
    assert (core.state.role, core.state.leader, core.state.term) == (Role.FOLLOWER, None, 7)
