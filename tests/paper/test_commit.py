"""Commitment: §3.6.2, Figure 8 of the Raft paper, and whose disk counts (§3.8, §10.2.1)."""

import pytest

from kvorum.raft.core import COMMITTED_MAX
from kvorum.raft.messages import AppendEntries, Propose
from kvorum.raft.types import EntryKind, HardState, Index, Term, Ticket
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
)


def test_a_term_begins_with_a_no_op() -> None:
    """§3.6.2, §6.4: so that entries of earlier terms commit without waiting for a client."""
    leader = make_leader(term=3, log=log_of(1, 2))
    entry = leader.state.log.page(Index(3), 1)[0]
    assert (entry.term, entry.index, entry.kind, entry.data) == (3, 3, EntryKind.NOOP, b"")


@pytest.mark.parametrize(("voters", "acks"), [(2, 1), (3, 1), (4, 2), (5, 2), (7, 3)])
def test_a_majority_commits(voters: int, acks: int) -> None:
    """§3.6.2: stored on a majority, the leader included; one ack less is not enough."""
    leader = make_leader(voters=voters)
    for sender in range(2, acks + 1):
        feed(leader, ack(sender, term=1, match=1))
    assert leader.state.log.commit == 0
    committed = feed(leader, ack(acks + 1, term=1, match=1)).committed
    assert [entry.index for entry in committed] == [1]


def test_the_same_ack_twice_is_one_ack() -> None:
    """§3.6.2: servers are counted, not messages."""
    leader = make_leader(voters=5)
    feed(leader, *[ack(2, term=1, match=1)] * 4)
    assert leader.state.log.commit == 0


def test_an_old_entry_is_not_committed_by_counting() -> None:
    """Raft paper Figure 8, §3.6.2: a majority of an earlier term's entry decides nothing."""
    leader = make_leader(term=4, log=log_of(1, 2), voters=5)
    feed(leader, *(ack(sender, term=4, match=2) for sender in (2, 3, 4, 5)))
    assert leader.state.log.commit == 0
    committed = feed(leader, *(ack(sender, term=4, match=3) for sender in (2, 3))).committed
    assert [entry.index for entry in committed] == [1, 2, 3], "its own entry carries them along"


@pytest.mark.parametrize("own_entry_arrives", [False, True])
def test_figure_8(own_entry_arrives: bool) -> None:
    """Raft paper Figure 8: (d) the entry on a majority is replaced, or (e) it cannot be."""
    past = {
        1: (HardState(Term(3)), log_of(1, 2)),
        2: (HardState(Term(3)), log_of(1)),
        3: (HardState(Term(3)), log_of(1)),
        4: (HardState(Term(3)), log_of(1)),
        5: (HardState(Term(3)), log_of(1, 3)),
    }
    cluster = Cluster(5, disks=past)
    cluster.net.partition((1, 2, 3))
    if not own_entry_arrives:
        cluster.net.hold(
            lambda m: isinstance(m, AppendEntries) and any(e.term == 4 for e in m.entries)
        )
    cluster.elect(1)
    if not own_entry_arrives:  # hand the old entry over by itself
        for number in (2, 3):
            append = append_entries(1, 2, to=number, term=4, prev=eid(1, 1))
            cluster.net.send([append])
        cluster.settle()
        assert [cluster[number].terms for number in (1, 2, 3)] == [[1, 2, 4], [1, 2], [1, 2]]
        assert cluster[1].commit == 0
    else:
        assert cluster[1].commit == 3

    cluster.crash(1)
    cluster.net.drop()
    cluster.net.partition((2, 3, 4, 5))
    cluster.quiet()
    cluster.timeout(5)
    cluster.settle()
    cluster.timeout(5)
    cluster.settle()
    assert cluster.leaders == ([] if own_entry_arrives else [5])
    if not own_entry_arrives:
        assert cluster[2].terms == [1, 3, 5]


def test_the_leaders_own_disk_counts_only_what_it_holds() -> None:
    """§3.8, §10.2.1: the leader's vote for an entry is its own fsync."""
    leader = make_leader(voters=3)
    feed(leader, ack(2, term=1, match=1))
    leader.propose(Ticket(1), b"x")
    ready = leader.ready()
    assert ready.save is not None
    leader.step(ack(2, term=1, match=2))
    assert leader.ready().committed == (), "one of three has it on disk"
    leader.advance(ready.save)
    assert [entry.data for entry in leader.ready().committed] == [b"x"]


def test_a_majority_of_others_may_commit_before_the_leaders_disk() -> None:
    """§10.2.1: the leader may count its followers before itself."""
    leader = make_leader(voters=3)
    feed(leader, ack(2, term=1, match=1))
    leader.propose(Ticket(1), b"x")
    ready = leader.ready()
    assert ready.save is not None
    assert ready.save.entries[0].data == b"x"
    leader.step(ack(2, term=1, match=2))
    leader.step(ack(3, term=1, match=2))
    assert [entry.data for entry in leader.ready().committed] == [b"x"]
    assert leader.state.log.stable == 1


def test_a_single_node_commits_only_what_is_durable() -> None:
    """§3.8: with one voter the disk *is* the majority."""
    core = make_core(voters=1)
    time_out(core)
    drain(core)
    core.propose(Ticket(1), b"x")
    ready = core.ready()
    assert ready.save is not None
    assert [r.entry for r in ready.receipts] == [eid(1, 2)]
    assert ready.committed == ()
    core.propose(Ticket(2), b"y")
    assert core.ready().committed == ()
    core.advance(ready.save)
    assert [entry.data for entry in core.ready().committed] == [b"x"], "y is in the next save"


def test_followers_learn_the_commit_index_within_a_tick() -> None:
    """§3.6.2 lets it wait for the next message; without traffic that is not longer than a tick."""
    leader = make_leader()
    appends = feed(leader, ack(2, term=1, match=1)).of(AppendEntries)
    leader.tick()
    appends += drain(leader).of(AppendEntries)
    assert [a.commit for a in appends if a.to == "2" and not a.entries] == [1]


def test_a_follower_whose_client_waits_learns_the_commit_index_at_once() -> None:
    """A write through a follower is answered when *that* node has applied it."""
    leader = make_leader()
    feed(leader, ack(2, term=1, match=1), ack(3, term=1, match=1))
    feed(
        leader,
        Propose(to=node_id(1), sender=node_id(2), term=Term(1), ticket=Ticket(1), data=b"x"),
    )
    appends = feed(leader, ack(3, term=1, match=2)).of(AppendEntries)
    assert [a.commit for a in appends if a.to == "2"] == [2]


def test_followers_learn_the_commit_index_with_the_next_entries() -> None:
    """§3.6.2: no extra message while there is traffic."""
    leader = make_leader()
    feed(leader, ack(2, term=1, match=1))
    leader.propose(Ticket(1), b"x")
    [append] = [a for a in drain(leader).of(AppendEntries) if a.to == "2"]
    assert (append.commit, len(append.entries)) == (1, 1)


def test_a_follower_remembers_how_far_its_leader_is() -> None:
    """§3.6.2: also when it cannot follow yet; a stale read says by how much it may lag."""
    core = make_core(term=1, log=log_of(1))
    feed(core, append_entries(2, term=1, prev=eid(1, 7), commit=7))
    assert (core.state.leader_commit, core.state.log.commit) == (7, 0)


def test_the_match_index_comes_from_the_ack_alone() -> None:
    """§3.5: not from what was sent meanwhile."""
    leader = make_leader()
    feed(leader, ack(2, term=1, match=1))
    for ticket in range(3):
        leader.propose(Ticket(ticket), b"x")
        drain(leader)
    feed(leader, ack(2, term=1, match=2))
    progress = leader.state.progress[node_id(2)]
    assert (progress.match, progress.next, leader.state.log.commit) == (2, 5, 2)
    feed(leader, ack(2, term=1, match=1))
    assert progress.match == 2, "an older ack takes nothing back"


def test_acks_that_do_not_belong_are_ignored() -> None:
    """§3.3: of an earlier term, of a stranger, or of entries that were never sent."""
    leader = make_leader(term=2, log=log_of(1))
    feed(leader, ack(2, term=1, match=2), ack(9, term=2, match=2), ack(3, term=2, match=99))
    assert leader.state.log.commit == 0
    assert all(progress.match == 0 for progress in leader.state.progress.values())


def test_committed_entries_come_in_bounded_batches() -> None:
    """A replay must yield to other work: each Ready has a limit, ``has_more`` tells of the rest."""
    core = make_core(term=1, commit=2 * COMMITTED_MAX + 1, log=log_of(*[1] * (3 * COMMITTED_MAX)))
    sizes = []
    while core.has_more():
        sizes.append(len(core.ready().committed))
    assert sizes == [COMMITTED_MAX, COMMITTED_MAX, 1]
    assert core.ready().committed == ()


def test_a_recovered_commit_hint_hands_entries_out_again() -> None:
    """§3.8: the state machine is volatile; the log is applied anew from its beginning."""
    core = make_core(term=1, commit=2, log=log_of(1, 1, 1))
    assert [entry.index for entry in drain(core).committed] == [1, 2]
