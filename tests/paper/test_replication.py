"""Replication: the log's properties and its repair (§3.5; Raft paper Figures 3 and 7)."""

from collections.abc import Sequence

import pytest

from kvorum.raft.core import Core
from kvorum.raft.messages import AppendEntries, AppendResponse
from kvorum.raft.ready import EventKind
from kvorum.raft.types import Entry, HardState, Index, Term, Ticket
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
    refusal,
    time_out,
    vote_answer,
)
from tests.support.raft_invariants import log_matching
from tests.support.raft_trace import kind_of


def past(term: int, *terms: int) -> tuple[HardState, Sequence[Entry]]:
    return HardState(Term(term)), log_of(*terms)


def terms_of(log: Sequence[Entry]) -> list[int]:
    return [entry.term for entry in log]


def test_a_leader_only_appends() -> None:
    """Figure 3, "Leader Append-Only": nothing that followers answer changes what it has."""
    leader = make_leader(term=4, log=log_of(1, 1, 3))
    log = leader.state.log
    before = log.page(Index(1), 9)
    feed(
        leader,
        refusal(2, term=4, rejected=3, conflict=eid(2, 1)),
        refusal(3, term=4, rejected=3, conflict=eid(0, 1)),
        append_entries(2, 2, term=3, prev=eid(1, 1)),
        append_entries(2, 4, term=4, prev=eid(1, 1)),
    )
    assert log.page(Index(1), 9) == before
    with pytest.raises(AssertionError):
        log.append(log_of(4)[0])


def test_log_matching() -> None:
    """Figure 3, "Log Matching": after any repair, equal terms at an index mean equal prefixes."""
    cluster = Cluster(3, disks={1: past(3, 1, 1, 3), 2: past(2, 1, 1, 2, 2), 3: past(1, 1)})
    cluster.elect(1)
    cluster.propose(1, b"x")
    cluster.settle()
    log_matching(cluster.running)
    assert {tuple(member.terms) for member in cluster.members.values()} == {(1, 1, 3, 4, 4)}


def test_the_consistency_check_refuses_a_gap() -> None:
    """§3.5: no entry before the previous one is known to agree."""
    core = make_core(term=1, log=log_of(1, 1))
    [answer] = feed(core, append_entries(2, 1, term=1, prev=eid(1, 5))).of(AppendResponse)
    assert (answer.success, answer.match) == (False, 0)
    assert (answer.rejected, answer.conflict) == (5, eid(0, 3)), "our log ends at 2: try 3"
    assert core.state.log.last_index == 2


def test_the_consistency_check_refuses_another_term() -> None:
    """§3.5: the refusal names the term that is here and where it begins."""
    core = make_core(term=2, log=log_of(1, 2, 2, 2))
    [answer] = feed(core, append_entries(2, 3, term=3, prev=eid(1, 4))).of(AppendResponse)
    assert (answer.success, answer.conflict) == (False, eid(2, 2))
    assert core.state.log.last_index == 4, "a failed check removes nothing"


def test_a_conflict_removes_it_and_all_that_follow() -> None:
    """§3.5: and only those; the story says from where."""
    core = make_core(term=2, log=log_of(1, 2, 2, 2))
    out = feed(core, append_entries(2, 2, 3, term=3, prev=eid(1, 1)))
    assert terms_of(core.state.log.page(Index(1), 9)) == [1, 2, 3]
    assert [event.why for event in out.told(EventKind.TRUNCATE)] == ["from index 3"]
    assert out.saves[0].entries == log_of(3, first=3), "what agreed is not written again"


def test_entries_that_are_here_already_are_kept() -> None:
    """§3.5, Figure 3.1 step 3: only a *conflict* truncates."""
    core = make_core(term=1, log=log_of(1, 1, 1))
    out = feed(core, append_entries(2, 1, term=1, prev=eid(1, 1)))
    assert core.state.log.last_index == 3
    assert out.told(EventKind.TRUNCATE) == []
    [answer] = out.of(AppendResponse)
    assert answer.match == 2, "only what the leader is known to have"


def test_a_delayed_message_never_removes_what_was_acknowledged() -> None:
    """§3.5: reordered AppendEntries of one leader, in every order, end in the same log."""
    appends = [
        append_entries(2, 1, 1, term=1),
        append_entries(2, 1, 1, term=1, prev=eid(1, 2)),
        append_entries(2, 1, term=1, prev=eid(1, 4)),
    ]
    core = make_core()
    feed(core, *appends)
    for late in (*appends, *reversed(appends)):
        acked = core.state.log.stable
        [answer] = feed(core, late).of(AppendResponse)
        assert core.state.log.last_index == core.state.log.stable == acked == 5
        assert answer.match == late.prev.index + len(late.entries)


def test_an_acknowledged_write_survives_a_delayed_append() -> None:
    """§3.5 end to end: the message that the first release let truncate the log."""
    cluster = Cluster(3)
    cluster.elect(1)
    cluster.propose(1, b"first")
    late = cluster.net.take(lambda m: kind_of(m) == "Append" and m.to == node_id(2))
    cluster.tick(1, count=2)
    cluster.settle()
    cluster.propose(1, b"second")
    cluster.settle()
    cluster.net.send(late)
    cluster.spread()
    assert all(member.data == [b"first", b"second"] for member in cluster.members.values())
    assert all(len(member.disk.entries) == 3 for member in cluster.members.values())


def test_the_commit_index_stays_within_what_is_known_to_agree() -> None:
    """Figure 3.1: min(leaderCommit, index of last *new* entry): the tail may be foreign."""
    core = make_core(term=2, log=log_of(1, 2, 2))
    feed(core, append_entries(2, term=3, prev=eid(1, 1), commit=3))
    assert core.state.log.commit == 1
    feed(core, append_entries(2, term=3, prev=eid(1, 1), commit=0))
    assert core.state.log.commit == 1, "and never goes back"


def test_a_follower_refuses_to_replace_a_committed_entry() -> None:
    """§3.6.3: it cannot happen; if it does, the node must stop rather than go on."""
    core = make_core(term=2, commit=2, log=log_of(1, 1))
    with pytest.raises(AssertionError, match="committed"):
        core.step(append_entries(2, 2, term=2, prev=eid(1, 1)))


FIGURE_7 = {
    2: (1, 1, 1, 4, 4, 5, 5, 6, 6),  # (a)
    3: (1, 1, 1, 4),  # (b)
    4: (1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6),  # (c)
    5: (1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7),  # (d)
    6: (1, 1, 1, 4, 4, 4, 4),  # (e)
    7: (1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3),  # (f)
}


def test_figure_7_all_followers_converge() -> None:
    """Raft paper Figure 7: missing and extraneous entries of every kind, one leader of term 8."""
    leader = (1, 1, 1, 4, 4, 5, 5, 6, 6, 6)
    disks = {number: past(7, *terms) for number, terms in FIGURE_7.items()}
    cluster = Cluster(7, disks={1: past(7, *leader), **disks})
    cluster.elect(1)
    assert cluster[1].running.state.term == 8
    assert {tuple(member.terms) for member in cluster.members.values()} == {(*leader, 8)}
    assert all(terms_of(member.disk.entries) == [*leader, 8] for member in cluster.members.values())


@pytest.mark.parametrize("follower", sorted(FIGURE_7))
def test_figure_7_each_follower_alone(follower: int) -> None:
    """Figure 7, one at a time: refusals are at most one for each term of its log (§3.5)."""
    leader = make_core(term=7, log=log_of(1, 1, 1, 4, 4, 5, 5, 6, 6, 6), voters=2)
    core = make_core(2, term=7, log=log_of(*FIGURE_7[follower]), voters=2)
    time_out(leader)
    drain(leader)
    for pre in (True, False):
        feed(leader, vote_answer(node_id(2), leader, term=8, granted=True, pre=pre))
    assert repair(leader, core) <= len(set(FIGURE_7[follower]))
    assert terms_of(core.state.log.page(Index(1), 99)) == [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 8]


def repair(leader: Core, follower: Core) -> int:
    """Heartbeats and answers until the logs agree; how many refusals that took."""
    refusals = 0
    for _ in range(100):
        leader.tick()
        for append in drain(leader).of(AppendEntries):
            for answer in feed(follower, append).of(AppendResponse):
                refusals += not answer.success
                leader.step(answer)
        if leader.state.progress[follower.state.node].match == leader.state.log.last_index:
            return refusals
    raise AssertionError("the logs do not converge")


def test_back_up_takes_one_round_trip_for_each_term() -> None:
    """§3.5, "roll back quickly": three foreign terms of a hundred entries each, four refusals."""
    foreign = [2] * 100 + [3] * 100 + [4] * 100
    leader = make_leader(term=9, log=log_of(1, *[5] * 300), voters=2)
    follower = make_core(2, term=8, log=log_of(1, *foreign), voters=2)
    assert repair(leader, follower) <= 4


def test_a_refusal_never_reaches_below_what_is_acknowledged() -> None:
    """§3.5: the match index is a floor for whatever a follower claims."""
    leader = make_leader(term=2, log=log_of(1, 1, 1))
    feed(leader, ack(2, term=2, match=3))
    feed(leader, refusal(2, term=2, rejected=3, conflict=eid(0, 1)))
    assert leader.state.progress[node_id(2)].next > 3


def test_a_leader_sends_everyone_what_is_new() -> None:
    """§3.5: in parallel, with the entry that precedes."""
    leader = make_leader(term=2, log=log_of(1), voters=5)
    feed(leader, *(ack(sender, term=2, match=2) for sender in (2, 3, 4, 5)))
    leader.propose(Ticket(1), b"x")
    appends = drain(leader).of(AppendEntries)
    assert [a.to for a in appends] == ["2", "3", "4", "5"]
    assert {(a.prev, a.entries[0].data, a.term) for a in appends} == {(eid(2, 2), b"x", 2)}


def test_a_silent_follower_hears_until_it_answers() -> None:
    """§3.5: "retries indefinitely"."""
    cluster = Cluster(3)
    cluster.elect(1)
    cluster.crash(3)
    for number in range(5):
        cluster.propose(1, b"%d" % number)
        cluster.tick(1, count=3)
        cluster.settle()
    cluster.restart(3)
    cluster.tick(1, count=2)
    cluster.settle()
    assert cluster[3].data == [b"0", b"1", b"2", b"3", b"4"]
