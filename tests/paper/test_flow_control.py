"""How much a leader sends ahead of the answers (§10.2.1 pipelining), and when it holds back."""

from kvorum.raft.core import Core
from kvorum.raft.log import ENTRY_OVERHEAD_BYTES
from kvorum.raft.messages import AppendEntries
from kvorum.raft.progress import Progress, ProgressState
from kvorum.raft.types import Ticket
from tests.support.raft_cores import (
    HEARTBEAT_TICKS,
    ack,
    drain,
    eid,
    feed,
    log_of,
    make_leader,
    node_id,
    refusal,
)


def replicating_leader(**limits: int) -> Core:
    """A leader to whom follower 2 has acknowledged the no-op; follower 3 is silent."""
    leader = make_leader(log=(), **limits)
    feed(leader, ack(2, term=1, match=1))
    return leader


def propose(leader: Core, *datas: bytes) -> list[AppendEntries]:
    """Propose one by one, as a driver would; what goes to follower 2."""
    sent = []
    for data in datas:
        leader.propose(Ticket(0), data)
        sent += to_2(leader)
    return sent


def to_2(leader: Core) -> list[AppendEntries]:
    return [append for append in drain(leader).of(AppendEntries) if append.to == "2"]


def progress_of(leader: Core) -> Progress:
    return leader.state.progress[node_id(2)]


def heartbeat(leader: Core) -> None:
    for _ in range(HEARTBEAT_TICKS):
        leader.tick()


def test_a_new_follower_is_probed_with_one_message() -> None:
    """§10.2.1: until the logs are known to agree, one message at a time."""
    leader = make_leader()
    assert progress_of(leader).state is ProgressState.PROBE
    assert propose(leader, b"a", b"b") == []


def test_an_acknowledged_probe_starts_the_pipeline() -> None:
    """§10.2.1: the next index is advanced without waiting for answers."""
    leader = replicating_leader()
    assert progress_of(leader).state is ProgressState.REPLICATE
    sent = propose(leader, b"a", b"b", b"c")
    assert [(a.prev.index, len(a.entries)) for a in sent] == [(1, 1), (2, 1), (3, 1)]
    assert progress_of(leader).inflight == 3


def test_entries_that_wait_together_leave_together() -> None:
    """§10.2.2: one message for everything that is new."""
    leader = replicating_leader()
    for data in (b"a", b"b", b"c"):
        leader.propose(Ticket(0), data)
    [append] = to_2(leader)
    assert [entry.data for entry in append.entries] == [b"a", b"b", b"c"]


def test_messages_are_bounded_in_bytes() -> None:
    """A message holds at least one entry, and more only within the limit."""
    leader = replicating_leader(append_bytes_max=10 + 2 * ENTRY_OVERHEAD_BYTES)
    for data in (b"1234", b"56789", b"x" * 100, b"x"):
        leader.propose(Ticket(0), data)
    sizes = [[len(e.data) for e in append.entries] for append in to_2(leader)]
    assert sizes == [[4, 5], [100], [1]]


def test_unacknowledged_messages_are_bounded() -> None:
    """A full window waits; an ack opens it again by as much as it covers."""
    leader = replicating_leader(inflight_appends_max=2)
    assert len(propose(leader, b"a", b"b", b"c", b"d", b"e")) == 2
    leader.step(ack(2, term=1, match=2))
    sent = [a for a in to_2(leader) if a.entries]
    assert [[e.index for e in a.entries] for a in sent] == [[4, 5, 6]], "what waited goes together"
    leader.step(ack(2, term=1, match=6))
    drain(leader)
    assert progress_of(leader).inflight == 0


def test_unacknowledged_bytes_are_bounded() -> None:
    """At most one message over the limit, so that a big entry can pass at all."""
    leader = replicating_leader(inflight_bytes_max=10)
    sent = propose(leader, b"123456", b"123456", b"123456")
    assert [a.prev.index for a in sent] == [1, 2]
    leader.step(ack(2, term=1, match=2))
    assert [len(a.entries) for a in to_2(leader) if a.entries] == [1]


def test_a_refusal_returns_to_probing() -> None:
    """§10.2.1: what was sent ahead is void; one message finds the place again."""
    leader = replicating_leader()
    propose(leader, b"a", b"b", b"c")
    leader.step(refusal(2, term=1, rejected=3, conflict=eid(0, 2)))
    [probe] = to_2(leader)
    assert probe.prev == eid(1, 1)
    progress = progress_of(leader)
    assert (progress.state, progress.inflight) == (ProgressState.PROBE, 0)
    leader.step(ack(2, term=1, match=4))
    to_2(leader)
    assert (progress.state, progress.next) == (ProgressState.REPLICATE, 5)


def test_refusals_of_messages_sent_ahead_count_once() -> None:
    """§10.2.1: every message after the lost one is refused; only the first says something."""
    leader = replicating_leader()
    propose(leader, b"a", b"b", b"c", b"d")
    leader.step(refusal(2, term=1, rejected=2, conflict=eid(0, 2)))
    assert len(to_2(leader)) == 1
    for rejected in (3, 4, 2):
        leader.step(refusal(2, term=1, rejected=rejected, conflict=eid(0, 2)))
        assert to_2(leader) == []


def test_a_refusal_overtaken_by_an_ack_is_ignored() -> None:
    """§3.5: the follower has caught up since."""
    leader = replicating_leader()
    propose(leader, b"a", b"b")
    feed(leader, ack(2, term=1, match=3))
    leader.step(refusal(2, term=1, rejected=2, conflict=eid(0, 2)))
    assert to_2(leader) == []
    assert progress_of(leader).state is ProgressState.REPLICATE


def test_a_refusal_of_what_was_never_sent_is_ignored() -> None:
    """It belongs to nobody's conversation."""
    leader = replicating_leader()
    feed(leader, refusal(2, term=1, rejected=50, conflict=eid(0, 40)))
    assert progress_of(leader).state is ProgressState.REPLICATE


def test_a_lost_probe_is_repeated_with_the_heartbeat() -> None:
    """§3.5: nothing else would end the wait."""
    leader = make_leader()
    heartbeat(leader)
    [repeated] = to_2(leader)
    assert repeated.prev.index == 0


def test_a_lost_pipeline_is_found_by_the_heartbeat() -> None:
    """The heartbeat names the end of what was sent: a follower that lacks it refuses."""
    leader = replicating_leader(inflight_appends_max=1)
    propose(leader, b"a", b"b")
    heartbeat(leader)
    [beat] = to_2(leader)
    assert (beat.prev.index, beat.entries) == (2, ())
    leader.step(refusal(2, term=1, rejected=2, conflict=eid(0, 2)))
    [again] = to_2(leader)
    assert [entry.data for entry in again.entries] == [b"a", b"b"]


def test_a_lost_ack_is_made_good_by_the_next() -> None:
    """§3.5: a match index covers all before it; the window is free again."""
    leader = replicating_leader(inflight_appends_max=2)
    propose(leader, b"a", b"b")
    feed(leader, ack(2, term=1, match=3))
    assert progress_of(leader).inflight == 0


def test_a_probe_to_a_silent_follower_carries_no_entries_again() -> None:
    """A heartbeat that is due must stay small while nobody answers.

    Its ``prev`` is a probe by itself: the answer says where the logs agree. With entries
    every heartbeat to a dead or slow node weighs up to ``append_bytes_max``.
    """
    leader = make_leader(log=log_of(1), term=2)
    leader.propose(Ticket(0), b"x" * 1000)
    to_2(leader)
    for _ in range(3):
        heartbeat(leader)
        assert [append.entries for append in to_2(leader)] == [()]


def test_a_full_window_gets_no_commit_news() -> None:
    """``inflight_appends_max`` bounds unanswered messages, empty ones too.

    Otherwise a dead follower costs one message for every commit; the next answer or
    heartbeat brings the commit index anyway.
    """
    leader = make_leader(inflight_appends_max=2, voters=3)
    feed(leader, ack(2, term=1, match=1), ack(3, term=1, match=1))
    sent = []
    for index in range(2, 12):
        sent += propose(leader, b"x")
        leader.step(ack(3, term=1, match=index))
        sent += to_2(leader)
    # Two with entries; one with commit news while the window was still open.
    assert len(sent) <= 3
    heartbeat(leader)
    assert [append.commit for append in to_2(leader)] == [11]
