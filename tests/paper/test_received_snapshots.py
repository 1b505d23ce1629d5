"""A follower receives a snapshot and begins its log anew behind it (§5.3, Figure 5.3)."""

import pytest

from kvorum.raft.core import Core
from kvorum.raft.membership import Membership
from kvorum.raft.messages import (
    AppendResponse,
)
from kvorum.raft.snapshot import Snapshot
from kvorum.raft.types import Index, Role
from tests.paper.test_snapshots import SIZE_BYTES, chunk, snapshot
from tests.support.raft_cores import (
    ELECTION_TICKS_MAX,
    append_entries,
    drain,
    eid,
    feed,
    log_of,
    make_core,
    node_id,
    refusal,
    time_out,
    vote_answer,
    voters_up_to,
)


def test_a_chunk_is_handed_on_and_shows_that_the_leader_lives() -> None:
    """Figure 5.3: it counts like an append as far as terms and timeouts go."""
    core = make_core(term=1)
    for _ in range(ELECTION_TICKS_MAX - 1):
        core.tick()
    message = chunk(snapshot(1, 4), term=2)
    out = feed(core, message)
    assert (out.chunks, out.messages) == ([message], [])
    assert (core.state.term, core.state.leader, core.state.election_elapsed) == (2, "2", 0)
    core.tick()
    feed(core, message)
    assert core.state.election_elapsed == 0


def test_a_chunk_of_a_former_leader_is_refused() -> None:
    """Figure 5.3, rule 1: it learns the term from the answer."""
    core = make_core(term=3)
    out = feed(core, chunk(snapshot(1, 4), term=2))
    [answer] = out.of(AppendResponse)
    assert (out.chunks, answer.success, answer.term) == ([], False, 3)


@pytest.mark.parametrize("commit", [0, 6])
def test_a_snapshot_that_the_log_leads_to_is_acknowledged_at_once(commit: int) -> None:
    """Figure 5.3, rule 6: its last entry is here, so what precedes it is the same."""
    core = make_core(term=1, log=log_of(1, 1, 1, 1, 1, 1), commit=commit)
    out = feed(core, chunk(snapshot(1, 4), term=1))
    [answer] = out.of(AppendResponse)
    assert (out.chunks, answer.success, answer.match) == ([], True, 4)
    assert (core.state.log.last_index, core.state.log.commit) == (6, max(commit, 4))


def follower_with(*terms: int) -> Core:
    """Of leader 2 in term 3, with a log that disagrees with it."""
    core = make_core(term=3, log=log_of(*terms))
    feed(core, append_entries(2, term=3))
    return core


def test_an_installed_snapshot_takes_the_place_of_the_log() -> None:
    """Figure 5.3, rules 7 and 8: all of it is gone, also what follows."""
    core = follower_with(1, 1, 2, 2, 2, 2)
    held = Membership(voters_up_to(3).voters, learners=(node_id(4),))
    taken = Snapshot(eid(3, 5), held, SIZE_BYTES, 1)
    assert core.install(taken)
    log = core.state.log
    assert (log.base, log.last, log.commit, log.applied) == (eid(3, 5), eid(3, 5), 5, 5)
    assert core.membership == held
    assert core.membership_at(Index(5)) == held


def test_its_acknowledgement_waits_for_the_disk() -> None:
    """§3.8: until a record says where the log begins now, a crash would find the old one."""
    core = follower_with(1, 1)
    core.install(snapshot(3, 5))
    core.step(append_entries(2, 3, term=3, prev=eid(3, 5)))
    core.step(append_entries(2, term=3))
    ready = core.ready()
    assert ready.messages == ()
    assert ready.save is not None
    assert (ready.save.base, ready.save.entries) == (eid(3, 5), log_of(3, first=6))
    assert ready.save.hard_state.commit == 5
    core.step(append_entries(2, term=3))
    assert core.ready().messages == (), "not while that save is out, either"
    core.advance(ready.save)
    acks = [message for message in core.ready().messages if isinstance(message, AppendResponse)]
    assert max(answer.match for answer in acks) == 6
    assert drain(core).saves == [], "said once"


def test_a_save_that_is_out_during_an_installation_means_nothing_any_more() -> None:
    """The next one makes void what it writes: even entries that are in the log again by then."""
    core = follower_with(1, 1)
    core.step(append_entries(2, 3, 3, 3, 3, 3, term=3, prev=eid(1, 2)))
    out = core.ready().save
    assert out is not None
    assert out.entries[-1].id == eid(3, 7)
    core.step(append_entries(4, 4, term=4, prev=eid(1, 2)))  # a leader that decides nothing
    core.step(append_entries(3, term=5))  # one that decides what the first had begun
    assert core.install(snapshot(3, 5))
    core.step(append_entries(3, 3, 3, term=5, prev=eid(3, 5)))
    core.advance(out)
    assert core.state.log.stable == 5
    following = core.ready().save
    assert following is not None
    assert (following.base, following.entries) == (eid(3, 5), log_of(3, 3, first=6))
    core.advance(following)
    assert core.state.log.stable == 7


def test_two_installations_during_one_save() -> None:
    """Only the later one counts; it is said even if the save of the earlier one is out."""
    core = follower_with(1, 1)
    core.install(snapshot(3, 5))
    first = core.ready().save
    assert first is not None
    core.install(snapshot(3, 9))
    core.advance(first)
    second = core.ready().save
    assert second is not None
    assert (first.base, second.base) == (eid(3, 5), eid(3, 9))
    core.advance(second)
    assert core.ready().save is None


def test_an_old_snapshot_is_not_installed() -> None:
    """The log has come further while it was loaded: the state machine must not go back."""
    core = make_core(term=3, base=eid(3, 8))
    assert not core.install(snapshot(3, 5))
    assert core.state.log.base == eid(3, 8)


def test_a_snapshot_that_the_log_leads_to_meanwhile_is_not_installed() -> None:
    """Its entries are here, and known to be decided: they are applied instead."""
    core = make_core(term=3, log=log_of(3, 3, 3))
    assert not core.install(snapshot(3, 2))
    assert (core.state.log.first_index, core.state.log.commit) == (1, 2)
    assert len(drain(core).committed) == 2


def test_a_node_that_installed_a_snapshot_may_send_it() -> None:
    """It may lead next, and its log begins behind that."""
    core = follower_with(1, 1)
    core.install(snapshot(3, 5))
    drain(core)
    time_out(core)
    drain(core)
    for pre in (True, False):
        feed(core, vote_answer(node_id(3), core, term=4, granted=True, pre=pre))
    assert core.state.role is Role.LEADER
    out = feed(core, refusal(2, term=4, rejected=5, conflict=eid(0, 3)))
    assert [one.snapshot for one in out.chunks_wanted] == [snapshot(3, 5)]
