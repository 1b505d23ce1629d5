"""A disk that is lost: its member must neither wait for ever nor vote again (§3.8)."""

from msgspec.structs import replace

from kvorum.raft.membership import Membership, Promote, encode_change
from kvorum.raft.messages import RequestVote, VoteResponse
from kvorum.raft.progress import CONTRADICTIONS_MAX
from kvorum.raft.ready import EventKind
from kvorum.raft.types import ORIGIN, EntryKind, HardState, NodeId, Term, Ticket
from tests.support.raft_cluster import Cluster, Disk
from tests.support.raft_cores import (
    HEARTBEAT_TICKS,
    ack,
    drain,
    eid,
    elect,
    feed,
    make_core,
    node_id,
)

LEARNER = NodeId("3#1")


def test_a_follower_with_an_empty_disk_gets_everything_again() -> None:
    """§3.8 forbids losing the disk; a leader notices it and says so, and does not get stuck."""
    cluster = Cluster(3)
    cluster.elect(1)
    for number in range(5):
        cluster.propose(1, b"%d" % number)
        cluster.settle()
    cluster.crash(3)
    cluster[3].disk = Disk(HardState(), ())
    cluster.restart(3)
    for _ in range(2 * CONTRADICTIONS_MAX):
        cluster.tick(1, count=cluster[1].running.state.options.heartbeat_ticks)
        cluster.settle()
    assert cluster[3].data == cluster[1].data
    assert EventKind.LOST_ENTRIES in {event.kind for event in cluster[1].events}
    assert cluster.leaders == [1]


def test_a_learner_votes_only_once_its_data_directory_is_known() -> None:
    """§3.8: else an empty one could take its id, and forget what it voted."""
    introduced: set[NodeId] = set()
    membership = Membership((node_id(1), node_id(2)), learners=(LEARNER,))
    leader = make_core(membership=membership, is_introduced=introduced.__contains__)
    elect(leader)
    feed(leader, ack(2, term=1, match=1), replace(ack(3, term=1, match=1), sender=LEARNER))
    promotion = encode_change(Promote(LEARNER))
    leader.propose(Ticket(1), promotion, EntryKind.MEMBERSHIP)
    [receipt] = drain(leader).receipts
    assert receipt.entry is None
    assert f"{LEARNER} has not introduced itself yet" in receipt.refusal
    introduced.add(LEARNER)
    leader.propose(Ticket(2), promotion, EntryKind.MEMBERSHIP)
    [receipt] = drain(leader).receipts
    assert receipt.entry is not None


def test_an_heir_waits_until_its_data_directory_is_known() -> None:
    introduced: set[NodeId] = set()
    voters = (node_id(1), node_id(2))
    leader = make_core(
        membership=Membership(voters, learners=(LEARNER,), heirs=(LEARNER,)),
        is_introduced=introduced.__contains__,
    )
    elect(leader)
    feed(leader, ack(2, term=1, match=1), replace(ack(3, term=1, match=1), sender=LEARNER))
    for _ in range(3 * HEARTBEAT_TICKS):
        leader.tick()
    assert LEARNER not in leader.membership.voters
    introduced.add(LEARNER)
    for _ in range(HEARTBEAT_TICKS):
        leader.tick()
    assert LEARNER in leader.membership.voters


def test_a_node_without_a_past_elects_nobody_who_has_a_log() -> None:
    """§3.8: it may have lost its disk, and with it entries that the candidate never got."""
    for pre in (True, False):
        core = make_core(voters=3)
        ask = RequestVote(to=core.state.node, sender=node_id(2), term=Term(5), last=eid(4, 9))
        [answer] = feed(core, replace(ask, pre=pre)).of(VoteResponse)
        assert not answer.granted
        assert core.state.term == 0, "it does not count as having a past by that"


def test_a_node_without_a_past_gets_one_by_asking() -> None:
    """It may be needed: one of those who elected the first leader may be gone for good."""
    core = make_core(voters=3)
    own, other = core.state.node, node_id(2)
    feed(core, VoteResponse(to=own, sender=other, term=Term(5), granted=False, pre=True))
    ask = RequestVote(to=own, sender=other, term=Term(6), last=eid(4, 9))
    [answer] = feed(core, ask).of(VoteResponse)
    assert answer.granted


def test_nodes_without_a_past_elect_each_other() -> None:
    core = make_core(voters=3)
    ask = RequestVote(to=core.state.node, sender=node_id(2), term=Term(1), last=ORIGIN)
    [answer] = feed(core, ask).of(VoteResponse)
    assert answer.granted


def test_a_node_that_took_part_in_an_election_elects_whoever_has_the_longer_log() -> None:
    """Otherwise a cluster of which few got the first entry might never have a leader again."""
    core = make_core(voters=3, term=1)
    ask = RequestVote(to=core.state.node, sender=node_id(2), term=Term(2), last=eid(1, 1))
    [answer] = feed(core, ask).of(VoteResponse)
    assert answer.granted
