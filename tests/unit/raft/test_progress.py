"""What a leader remembers of a follower, without a leader around it."""

from kvorum.raft.progress import Progress, ProgressState
from kvorum.raft.snapshot import Snapshot
from kvorum.raft.types import Index
from tests.support.raft_cores import eid, voters_up_to


def make_progress(*, replicating: bool = False) -> Progress:
    progress = Progress(Index(5), inflight_max=2, inflight_bytes_max=100)
    if replicating:
        progress.accepted(Index(4))
    return progress


def test_a_new_follower_is_probed_and_owed_a_heartbeat() -> None:
    progress = make_progress()
    assert (progress.state, progress.next, progress.match) == (ProgressState.PROBE, 5, 0)
    assert progress.due
    assert progress.recent_active, "it has the whole election timeout to answer"


def test_a_probe_waits_for_its_answer() -> None:
    progress = make_progress()
    assert progress.may_send_entries()
    progress.sent(Index(9), 10)
    assert not progress.may_send_entries()
    assert (progress.next, progress.inflight) == (5, 0), "nothing is assumed"


def test_replication_runs_ahead_within_its_window() -> None:
    progress = make_progress(replicating=True)
    progress.sent(Index(5), 10)
    assert (progress.next, progress.may_send_entries()) == (6, True)
    progress.sent(Index(8), 10)
    assert (progress.next, progress.may_send_entries()) == (9, False)
    assert progress.accepted(Index(5))
    assert (progress.inflight, progress.may_send_entries()) == (1, True)
    assert progress.accepted(Index(8))
    assert progress.inflight == 0


def test_the_window_is_full_of_bytes_as_well() -> None:
    progress = make_progress(replicating=True)
    progress.sent(Index(5), 100)
    assert not progress.may_send_entries()
    progress.accepted(Index(5))
    assert progress.may_send_entries(), "acknowledged bytes are given back"


def test_an_ack_within_a_message_frees_nothing_yet() -> None:
    progress = make_progress(replicating=True)
    progress.sent(Index(8), 10)
    assert progress.accepted(Index(6))
    assert (progress.inflight, progress.match, progress.next) == (1, 6, 9)


def test_only_a_higher_match_is_news() -> None:
    progress = make_progress(replicating=True)
    assert progress.match == 4
    assert not progress.accepted(Index(4))
    assert not progress.accepted(Index(2))
    assert (progress.match, progress.next) == (4, 5)


def test_an_ack_ahead_of_what_was_sent_moves_next() -> None:
    """A follower that has more than this leader knew, after a re-election."""
    progress = make_progress()
    assert progress.accepted(Index(7))
    assert (progress.match, progress.next, progress.state) == (7, 8, ProgressState.REPLICATE)


def test_refused_starts_over_above_match() -> None:
    progress = make_progress(replicating=True)
    progress.sent(Index(9), 10)
    progress.refused(Index(2))
    assert (progress.state, progress.next, progress.inflight) == (ProgressState.PROBE, 5, 0)
    assert progress.may_send_entries()
    progress.refused(Index(7))
    assert progress.next == 7
    progress.accepted(Index(6))
    progress.sent(Index(7), 99)
    assert progress.may_send_entries(), "bytes of the refused messages are forgotten"


def test_stale_refusals() -> None:
    probing = make_progress()
    assert [probing.is_stale_refusal(Index(i)) for i in (3, 4, 5)] == [True, False, True]
    replicating = make_progress(replicating=True)
    replicating.sent(Index(7), 1)
    stale = [replicating.is_stale_refusal(Index(i)) for i in (3, 4, 5, 7, 8)]
    assert stale == [True, True, False, False, True]


def test_a_heartbeat_is_due_whatever_else_waits() -> None:
    progress = make_progress()
    progress.due = False
    progress.heartbeat()
    assert progress.due


def test_who_never_answered_is_neither_active_nor_long_silent() -> None:
    progress = make_progress()
    assert (progress.is_active(3), progress.silent_ticks) == (False, 0)
    progress.heard()
    progress.silent_ticks = 2
    assert progress.is_active(3)
    progress.silent_ticks = 3
    assert not progress.is_active(3)


def sending_snapshot() -> Progress:
    progress = make_progress(replicating=True)
    progress.sent(Index(5), 10)
    progress.send_snapshot(Snapshot(eid(1, 9), voters_up_to(3), 100, 7))
    return progress


def test_no_entries_while_a_snapshot_is_sent() -> None:
    progress = sending_snapshot()
    assert (progress.state, progress.inflight) == (ProgressState.SNAPSHOT, 0)
    assert not progress.may_send_entries()
    assert progress.is_stale_refusal(Index(5)), "it refuses what was sent before"


def test_an_acknowledgement_ends_a_snapshot() -> None:
    progress = sending_snapshot()
    assert progress.accepted(Index(9))
    assert (progress.state, progress.next, progress.snapshot) == (ProgressState.REPLICATE, 10, None)


def test_only_news_asks_for_the_next_chunk() -> None:
    progress = sending_snapshot()
    assert [progress.has_bytes(size) for size in (0, 40, 40, 30, 60)] == [
        False,
        True,
        False,
        False,
        True,
    ]
    assert not progress.has_bytes(100), "everything is there"
    assert progress.asked_offset == 100


def test_after_a_missing_answer_any_answer_counts_once() -> None:
    progress = sending_snapshot()
    progress.has_bytes(40)
    progress.asked_ticks, progress.silent_ticks = 5, 1
    assert progress.must_ask_again(5)
    assert not progress.must_ask_again(5), "the patience begins anew"
    assert progress.has_bytes(20)
    assert not progress.has_bytes(10)


def test_who_is_silent_is_not_asked_again() -> None:
    progress = sending_snapshot()
    progress.asked_ticks = progress.silent_ticks = 9
    assert not progress.must_ask_again(5)
    progress.heard()
    assert progress.must_ask_again(5)
