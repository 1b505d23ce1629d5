"""Snapshots that proved unreadable after they were offered: another one takes their place (§5.3).

The entries that they covered may be gone, so whoever needs those waits for the next one.
"""

import pytest

from kvorum.raft.messages import AppendEntries
from kvorum.raft.progress import ProgressState
from kvorum.raft.ready import ChunkWanted
from kvorum.raft.types import ORIGIN, EntryId, Index, Term
from tests.paper.test_snapshots import (
    SIZE_BYTES,
    TAKEN,
    beat,
    has,
    leader_that_compacted,
    snapshot,
    wanted,
)
from tests.support.raft_cores import (
    ELECTION_TICKS_MAX,
    ack,
    drain,
    eid,
    elect,
    feed,
    log_of,
    make_core,
    node_id,
    refusal,
)

NEWER = snapshot(1, 6, 8)


def test_a_follower_that_was_being_sent_it_gets_the_next_one() -> None:
    """From its first byte on, although the log reaches back to the one that was begun."""
    leader, _ = leader_that_compacted()
    feed(leader, has(3, TAKEN, 10))
    leader.withdraw(TAKEN)
    assert leader.lacks_snapshot
    leader.offer(NEWER, Index(5))
    assert drain(leader).chunks_wanted == [ChunkWanted(node_id(3), Term(1), NEWER, 0)]
    assert (leader.sending, leader.lacks_snapshot) == ((NEWER,), False)


def test_one_that_was_superseded_meanwhile_gives_way_at_once() -> None:
    leader, _ = leader_that_compacted()
    leader.offer(NEWER, Index(5))
    leader.withdraw(TAKEN)
    assert not leader.lacks_snapshot
    assert drain(leader).chunks_wanted == [ChunkWanted(node_id(3), Term(1), NEWER, 0)]


def test_without_another_the_follower_waits_and_hears_heartbeats() -> None:
    leader, _ = leader_that_compacted()
    leader.withdraw(TAKEN)
    asked = []
    for _ in range(3 * ELECTION_TICKS_MAX):
        leader.tick()
        heard = ack(2, term=1, match=6), ack(3, term=1, match=0)
        asked += wanted(feed(leader, *heard, has(3, TAKEN, 20)))
    assert (asked, leader.sending) == ([], ())
    [heartbeat] = [message for message in beat(leader).of(AppendEntries) if message.to == "3"]
    assert (heartbeat.prev, heartbeat.entries) == (ORIGIN, ())
    leader.offer(NEWER, Index(5))
    assert wanted(drain(leader)) == [0]


def test_what_was_wanted_of_it_in_this_turn_is_not_read() -> None:
    leader, _ = leader_that_compacted()
    leader.step(has(3, TAKEN, 10))
    leader.withdraw(TAKEN)
    assert drain(leader).chunks_wanted == []


def test_the_same_bytes_may_be_offered_again() -> None:
    """Nothing was applied since: equal states make equal files, and this one can be read."""
    leader, _ = leader_that_compacted()
    feed(leader, has(3, TAKEN, 60))
    leader.withdraw(TAKEN)
    leader.offer(TAKEN, Index(5))
    assert drain(leader).chunks_wanted == [ChunkWanted(node_id(3), Term(1), TAKEN, 0)]
    assert wanted(feed(leader, has(3, TAKEN, SIZE_BYTES))) == []


@pytest.mark.parametrize("conflict", [eid(0, 2), eid(3, 3)])
def test_a_new_leader_may_lack_one(conflict: EntryId) -> None:
    """Its own was withdrawn while it followed; it leads all the same."""
    core = make_core(term=4, base=eid(4, 4), log=log_of(4, first=5))
    core.offer(snapshot(4, 4), Index(0))
    core.withdraw(snapshot(4, 4))
    elect(core)
    refused = refusal(3, term=5, rejected=5, conflict=conflict)
    assert wanted(feed(core, refused)) == []
    progress = core.state.progress[node_id(3)]
    assert (progress.state, progress.snapshot) == (ProgressState.SNAPSHOT, None)
    beat(core)
    core.offer(snapshot(4, 5), Index(0))
    assert wanted(drain(core)) == [0]


def test_one_of_before_the_log_began_is_no_replacement() -> None:
    """It was being written while a later one was installed, and that one is withdrawn."""
    core = make_core(term=4, base=eid(4, 4), log=log_of(4, first=5))
    core.offer(snapshot(4, 4), Index(0))
    core.withdraw(snapshot(4, 4))
    core.offer(snapshot(4, 3), Index(9))
    assert core.lacks_snapshot
    assert core.state.log.first_index == 5


def test_a_log_that_is_whole_lacks_none() -> None:
    assert not make_core(term=1, log=log_of(1, 1)).lacks_snapshot
