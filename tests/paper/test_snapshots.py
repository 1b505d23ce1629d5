"""Compacting the log, and sending and installing snapshots (§5.1, §5.3)."""

from msgspec.structs import replace

from kvorum.raft.core import Core
from kvorum.raft.membership import Membership
from kvorum.raft.messages import (
    AppendEntries,
    AppendResponse,
    InstallSnapshot,
    InstallSnapshotResponse,
    RequestVote,
    VoteResponse,
)
from kvorum.raft.progress import ProgressState
from kvorum.raft.ready import ChunkWanted, EventKind
from kvorum.raft.snapshot import Snapshot
from kvorum.raft.types import ORIGIN, HardState, Index, Term, Ticket
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
    refusal,
    time_out,
    vote_request,
    voters_up_to,
)

SIZE_BYTES = 100


def snapshot(term: int, index: int, checksum: int = 7) -> Snapshot:
    return Snapshot(eid(term, index), voters_up_to(3), SIZE_BYTES, checksum)


def chunk(taken: Snapshot, offset: int = 0, *, term: int, sender: int = 2) -> InstallSnapshot:
    return InstallSnapshot(
        to=node_id(1),
        sender=node_id(sender),
        term=Term(term),
        snapshot=taken,
        offset=offset,
        data=b".",
    )


def has(sender: int, taken: Snapshot, offset: int, *, term: int = 1) -> InstallSnapshotResponse:
    return InstallSnapshotResponse(
        to=node_id(1),
        sender=node_id(sender),
        term=Term(term),
        last=taken.last,
        checksum=taken.checksum,
        offset=offset,
    )


# --- the beginning of the log (§5.1) -----------------------------------------------------


def test_a_core_resumes_behind_its_snapshot() -> None:
    """§5.1: everything up to there is decided and in the state machine already."""
    core = make_core(term=3, base=eid(2, 5), log=log_of(3, 3, first=6))
    log = core.state.log
    assert (log.first_index, log.last_index, log.stable) == (6, 7, 7)
    assert (log.commit, log.applied, drain(core).committed) == (5, 5, [])
    out = feed(core, append_entries(2, term=3, prev=eid(3, 7), commit=7))
    assert [entry.index for entry in out.committed] == [6, 7]


def test_the_entry_before_the_log_is_known_by_its_id() -> None:
    """§5.1: the consistency check of the first append behind the snapshot needs it."""
    core = make_core(term=3, base=eid(2, 5))
    [good] = feed(core, append_entries(2, 3, term=3, prev=eid(2, 5))).of(AppendResponse)
    assert (good.success, good.match) == (True, 6)
    core = make_core(term=2, base=eid(2, 5))
    time_out(core)
    assert {request.last for request in drain(core).of(RequestVote)} == {eid(2, 5)}
    [answer] = feed(core, vote_request(2, term=9, last=eid(2, 4))).of(VoteResponse)
    assert not answer.granted, "a snapshot counts like the entries it stands for"


def test_only_what_is_covered_applied_and_durable_is_compacted() -> None:
    """§5.1: whatever else is asked for."""
    core = make_core(term=1, log=log_of(1, 1, 1, 1, 1, 1))
    core.offer(snapshot(1, 4), Index(99))
    assert core.state.log.first_index == 1, "nothing is applied yet"
    feed(core, append_entries(2, term=1, prev=eid(1, 6), commit=3))
    core.offer(snapshot(1, 4), Index(3))
    assert core.state.log.first_index == 3
    core.offer(snapshot(1, 4), Index(99))
    assert core.state.log.first_index == 4, "3 are applied"
    feed(core, append_entries(2, term=1, prev=eid(1, 6), commit=6))
    core.offer(snapshot(1, 4), Index(99))
    assert core.state.log.first_index == 5, "4 are covered"


def test_entries_that_the_disk_lacks_are_not_compacted() -> None:
    """A majority of others may have decided them; they are still to be written here."""
    core = make_core(term=1, log=log_of(1))
    core.step(append_entries(2, 1, 1, term=1, prev=eid(1, 1), commit=3))
    ready = core.ready()
    assert len(ready.committed) == 3
    core.offer(snapshot(1, 3), Index(99))
    assert core.state.log.first_index == 2
    assert ready.save is not None
    core.advance(ready.save)
    core.offer(snapshot(1, 3), Index(99))
    assert (core.state.log.first_index, core.state.log.stable) == (4, 3)


def test_what_a_snapshot_covers_is_skipped_in_an_append() -> None:
    """§5.1: it is committed, hence the same in every leader's log."""
    core = make_core(term=1, base=eid(1, 3), log=log_of(1, first=4))
    out = feed(core, append_entries(2, 1, 1, 1, 1, term=1, prev=eid(1, 1), commit=5))
    [answer] = out.of(AppendResponse)
    assert (answer.match, [entry.index for entry in out.committed]) == (5, [4, 5])


def test_an_append_that_a_snapshot_covers_as_a_whole_is_acknowledged() -> None:
    """It was delayed, or the leader does not know how far we are."""
    core = make_core(term=1, base=eid(1, 5), log=log_of(1, first=6))
    for message in (append_entries(2, 1, 1, term=1), append_entries(2, term=1)):
        [answer] = feed(core, message).of(AppendResponse)
        assert (answer.success, answer.match) == (True, 5)
    assert core.state.log.last_index == 6


def test_a_membership_in_force_outlives_its_entry() -> None:
    """§5.1: the snapshot holds the latest one that it covers."""
    later = Membership(voters_up_to(4).voters)
    core = make_core(term=1, base=eid(1, 5), membership=later)
    assert (core.membership, core.membership_at(Index(5))) == (later, later)


def test_a_snapshot_may_be_ahead_of_the_term_on_disk() -> None:
    """A crash came before the log noted in which term it arrived: no term is lived twice."""
    core = make_core(term=2, vote=1, base=eid(4, 9))
    assert (core.state.term, core.state.vote) == (4, None)
    [save] = drain(core).saves
    assert save.hard_state == HardState(Term(4), None, Index(9))


# --- sending (§5.3) ----------------------------------------------------------------------


TAKEN = snapshot(1, 4)


def leader_that_compacted(*, keep_from: int = 5) -> tuple[Core, Collected]:
    """Leads term 1 with 6 entries, all but 4 gone; 2 has everything, 3 was never heard."""
    leader = make_leader()
    feed(leader, ack(2, term=1, match=1))
    for _ in range(5):
        leader.propose(Ticket(1), b"x")
    drain(leader)
    feed(leader, ack(2, term=1, match=6))
    leader.offer(TAKEN, Index(keep_from))
    return leader, drain(leader)


def beat(leader: Core, times: int = 1) -> Collected:
    for _ in range(times * HEARTBEAT_TICKS):
        leader.tick()
    return drain(leader)


def wanted(out: Collected) -> list[int]:
    return [one.offset for one in out.chunks_wanted]


def test_a_follower_that_needs_what_is_gone_gets_a_snapshot() -> None:
    """§5.3: from its first byte on; the follower says if it has some already."""
    leader, out = leader_that_compacted()
    assert out.chunks_wanted == [ChunkWanted(node_id(3), Term(1), TAKEN, 0)]
    assert [event.node for event in out.told(EventKind.SEND_SNAPSHOT)] == ["3"]
    assert leader.sending == (TAKEN,)
    assert leader.state.progress[node_id(3)].state is ProgressState.SNAPSHOT


def test_a_follower_that_refuses_what_is_left_gets_a_snapshot() -> None:
    """§5.3: one whose log ends before ours begins, or disagrees there."""
    for conflict in (eid(0, 2), eid(3, 3)):
        core = make_core(term=4, base=eid(4, 4), log=log_of(4, first=5))
        core.offer(snapshot(4, 4), Index(0))
        elect(core)
        refused = refusal(3, term=5, rejected=5, conflict=conflict)
        assert wanted(feed(core, refused)) == [0]


def test_chunks_follow_each_other_as_the_answers_say() -> None:
    """§5.3: the follower has more than what was sent if it got some before."""
    leader, _ = leader_that_compacted()
    asked = [wanted(feed(leader, has(3, TAKEN, offset))) for offset in (10, 60, 90)]
    assert asked == [[10], [60], [90]]
    assert wanted(feed(leader, has(3, TAKEN, SIZE_BYTES))) == [], "the rest is the follower's work"


def test_late_answers_do_not_multiply_the_chunks() -> None:
    """Each one would cause another chunk, and that one another answer."""
    leader, _ = leader_that_compacted()
    feed(leader, has(3, TAKEN, 10))
    late = [has(3, TAKEN, 10), has(3, TAKEN, 0), has(3, snapshot(1, 4, 8), 20), has(3, TAKEN, 999)]
    assert wanted(feed(leader, *late)) == []


def test_a_chunk_without_an_answer_is_asked_for_again() -> None:
    """After an election timeout; and then the follower may as well have less than it said."""
    leader, _ = leader_that_compacted()
    feed(leader, has(3, TAKEN, 50))
    asked: list[int] = []
    for _ in range(ELECTION_TICKS_MAX):
        assert asked == []
        leader.tick()
        asked += wanted(feed(leader, ack(2, term=1, match=6), ack(3, term=1, match=0)))
    leader.tick()
    asked += wanted(drain(leader))
    assert asked == [50]
    assert wanted(feed(leader, has(3, TAKEN, 20))) == [20], "some was lost in a crash"
    assert wanted(feed(leader, has(3, TAKEN, 10))) == [], "but not without another silence"


def test_a_follower_that_is_silent_costs_no_chunks() -> None:
    """Whoever is down would be sent the same bytes for ever."""
    leader, _ = leader_that_compacted()
    asked = []
    for _ in range(5 * ELECTION_TICKS_MAX):
        leader.tick()
        asked += wanted(feed(leader, ack(2, term=1, match=6)))
    assert asked == []
    asked += wanted(feed(leader, ack(3, term=1, match=0)))
    leader.tick()
    assert wanted(drain(leader)) == [0], "as soon as it is heard again"


def test_heartbeats_go_on_while_a_snapshot_is_sent() -> None:
    """§5.3: the follower must not campaign; they say nothing of its log."""
    leader, _ = leader_that_compacted()
    [heartbeat] = [m for m in beat(leader).of(AppendEntries) if m.to == "3"]
    assert (heartbeat.prev, heartbeat.entries, heartbeat.commit) == (ORIGIN, (), 6)
    progress = leader.state.progress[node_id(3)]
    feed(leader, ack(3, term=1, match=0), refusal(3, term=1, rejected=0, conflict=eid(0, 1)))
    assert (progress.state, progress.match) == (ProgressState.SNAPSHOT, 0)
    assert progress.recent_active


def test_such_a_heartbeat_changes_nothing_in_the_follower() -> None:
    """Not even entries that disagree are removed: the snapshot will do that."""
    core = make_core(term=1, log=log_of(1, 1))
    [answer] = feed(core, append_entries(2, term=2, commit=9)).of(AppendResponse)
    assert (answer.success, answer.match) == (True, 0)
    assert (core.state.log.last_index, core.state.log.commit) == (2, 0)


def test_replication_goes_on_behind_the_snapshot() -> None:
    """§5.3: as soon as the follower acknowledges its last entry."""
    leader, _ = leader_that_compacted()
    out = feed(leader, ack(3, term=1, match=4))
    [append] = [message for message in out.of(AppendEntries) if message.to == "3"]
    assert (append.prev, [entry.index for entry in append.entries]) == (eid(1, 4), [5, 6])
    assert leader.sending == ()


def test_a_follower_may_get_there_without_the_snapshot() -> None:
    """It had more than this leader knew."""
    leader, _ = leader_that_compacted()
    feed(leader, has(3, TAKEN, 10), ack(3, term=1, match=5))
    progress = leader.state.progress[node_id(3)]
    assert (progress.state, progress.match) == (ProgressState.REPLICATE, 5)


def test_a_snapshot_that_was_begun_is_sent_to_its_end() -> None:
    """A newer one every now and then must not keep a slow follower from ever getting one."""
    leader, _ = leader_that_compacted()
    feed(leader, has(3, TAKEN, 10))
    leader.offer(snapshot(1, 6), Index(5))
    assert (wanted(drain(leader)), leader.sending) == ([], (TAKEN,))
    assert [one.snapshot for one in feed(leader, has(3, TAKEN, 20)).chunks_wanted] == [TAKEN]


def test_the_log_behind_a_snapshot_on_its_way_stays_while_the_follower_answers() -> None:
    """Otherwise no snapshot that takes longer than the next one to be taken would ever do."""
    leader, _ = leader_that_compacted()
    feed(leader, has(3, TAKEN, 10))
    leader.offer(snapshot(1, 6), Index(99))
    assert leader.state.log.base.index == TAKEN.last.index
    assert TAKEN in leader.sending
    feed(leader, ack(3, term=1, match=4))
    assert not leader.sending, "the rest comes by the log"


def test_a_snapshot_that_the_log_does_not_reach_back_to_is_given_up() -> None:
    """Behind it there would be a hole; what is kept for it has a limit."""
    leader, _ = leader_that_compacted()
    feed(leader, has(3, TAKEN, 10))
    leader.state.options = replace(leader.state.options, kept_for_snapshot_bytes_max=0)
    newer = snapshot(1, 6)
    assert leader.state.log.size_bytes(Index(5)) > 0
    leader.offer(newer, Index(99))
    assert drain(leader).chunks_wanted == [ChunkWanted(node_id(3), Term(1), newer, 0)]
    assert wanted(feed(leader, has(3, TAKEN, 20))) == []
    feed(leader, ack(3, term=1, match=4))
    assert leader.sending == (newer,), "what it has now is not enough any more"


def test_a_deposed_leader_sends_nothing_more() -> None:
    leader, _ = leader_that_compacted()
    leader.step(has(3, TAKEN, 10))
    leader.step(append_entries(2, 2, term=2, prev=eid(1, 6)))
    assert (drain(leader).chunks_wanted, leader.sending) == ([], ())


# --- as a whole --------------------------------------------------------------------------


def test_a_new_node_gets_everything_by_snapshot() -> None:
    """§5.3: state machine, membership and all that follows."""
    cluster = Cluster(3)
    cluster.elect(1)
    cluster.net.isolate(3)
    for number in range(9):
        cluster.propose(1, b"%d" % number)
        cluster.settle()
    cluster.snapshot(1, keep=2)
    assert cluster[1].running.state.log.first_index == 9
    cluster.net.heal()
    for _ in range(HEARTBEAT_TICKS):
        cluster.tick()
        cluster.settle()
    assert cluster[3].data == cluster[1].data
    assert EventKind.INSTALL_SNAPSHOT in {event.kind for event in cluster[3].events}


def test_a_crash_between_a_complete_snapshot_and_its_installation_loses_nothing() -> None:
    """The snapshot is on disk, the log does not lead to it: it begins anew behind it."""
    cluster = Cluster(3)
    cluster.elect(1)
    cluster.net.isolate(3)
    for number in range(5):
        cluster.propose(1, b"%d" % number)
    cluster.settle()
    cluster.snapshot(1)
    cluster.slow_load(3)
    cluster.net.heal()
    cluster.tick(1, count=HEARTBEAT_TICKS)
    cluster.settle()
    assert cluster[3].loading is not None
    cluster.crash(3)
    cluster.restart(3)
    assert (cluster[3].data, cluster[3].commit) == (cluster[1].data, 6)
    cluster.propose(1, b"more")
    cluster.tick(1, count=HEARTBEAT_TICKS)
    cluster.settle()
    cluster.spread()
    assert cluster[3].data[-1] == b"more"
