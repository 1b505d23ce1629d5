"""The log's cursors and edges; the rest is in tests/properties/test_raft_log.py."""

import pytest

from kvorum.raft.log import FREED_MAX, RaftLog
from kvorum.raft.types import ORIGIN, Entry, EntryId, Index
from tests.support.raft_cores import eid, entry, log_of


def make_log(*terms: int, commit: int = 0) -> RaftLog:
    return RaftLog(log_of(*terms), Index(commit))


def test_an_empty_log() -> None:
    log = make_log()
    assert (log.last, log.last_index, log.stable, log.commit, log.applied) == (ORIGIN, 0, 0, 0, 0)
    assert (log.term_at(Index(0)), log.term_at(Index(1))) == (0, None)
    assert log.contains(ORIGIN)
    assert (log.unstable(1 << 20), log.take_committed(9, 1 << 30)) == ((), ())
    assert log.conflict_at(eid(1, 1)) == eid(0, 1)


def test_what_the_disk_held_is_stable() -> None:
    log = make_log(1, 2)
    assert (log.last, log.stable, log.unstable(1 << 20)) == (eid(2, 2), 2, ())


def test_a_commit_hint_beyond_the_log_is_a_fault_of_recovery() -> None:
    with pytest.raises(AssertionError, match="commit hint"):
        make_log(1, commit=2)


def test_entries_follow_each_other() -> None:
    log = make_log(1)
    log.append(entry(1, 2))
    with pytest.raises(AssertionError, match="only appends"):
        log.append(entry(1, 4))
    assert log.unstable(1 << 20) == (entry(1, 2),)


def test_saved_moves_stable_only_forward_and_only_for_entries_that_are_here() -> None:
    log = make_log()
    for term, index in ((1, 1), (1, 2), (1, 3)):
        log.append(entry(term, index))
    log.saved(eid(1, 2))
    assert log.stable == 2
    log.saved(eid(1, 1))
    assert log.stable == 2
    log.saved(eid(2, 3))
    assert log.stable == 2
    log.saved(eid(1, 9))
    assert log.stable == 2


def test_truncation_takes_stable_back() -> None:
    log = make_log(1, 1, 1)
    assert log.splice(Index(1), log_of(2, first=2)) == 2
    assert (log.stable, log.unstable(1 << 20)) == (1, log_of(2, first=2))


def test_a_committed_entry_is_never_replaced() -> None:
    log = make_log(1, 1, commit=2)
    with pytest.raises(AssertionError, match="committed"):
        log.splice(Index(1), log_of(2, first=2))
    assert log.splice(Index(0), log_of(1, 1)) is None, "the same entries are welcome"


@pytest.mark.parametrize(
    ("prev", "conflict"),
    [
        (eid(9, 3), eid(2, 2)),  # a foreign entry: its term begins at 2
        (eid(9, 4), eid(2, 2)),
        (eid(9, 1), eid(1, 1)),
        (eid(9, 5), eid(0, 5)),  # one past the end
        (eid(9, 9), eid(0, 5)),
    ],
)
def test_conflict_at(prev: EntryId, conflict: EntryId) -> None:
    assert make_log(1, 2, 2, 2).conflict_at(prev) == conflict


@pytest.mark.parametrize(
    ("term", "index", "following"),
    [
        (0, 3, 3),  # their log is short: begin at its end
        (2, 2, 4),  # a term that is here: after our last entry of it
        (3, 2, 2),  # a term that is not: before theirs
        (9, 4, 4),
        (1, 1, 2),
    ],
)
def test_next_to_try(term: int, index: int, following: int) -> None:
    assert make_log(1, 2, 2, 4, 4).next_to_try(eid(term, index)) == following


def test_a_log_begins_behind_its_base() -> None:
    log = RaftLog(log_of(2, 3, first=5), Index(3), eid(2, 4))
    assert (log.first_index, log.last_index, log.commit, log.applied) == (5, 6, 4, 4)
    assert [log.term_at(Index(index)) for index in (3, 4, 5, 6, 7)] == [None, 2, 2, 3, None]
    assert log.page(Index(1), 1) == [entry(2, 5)]
    assert log.take_committed(9, 99) == ()


def test_entries_must_follow_their_base() -> None:
    with pytest.raises(AssertionError, match="behind its base"):
        RaftLog(log_of(1, first=7), Index(0), eid(1, 4))


def test_compaction_keeps_the_id_of_the_last_entry_that_went() -> None:
    log = make_log(1, 1, 2, 2, commit=4)
    log.take_committed(3, 99)
    log.compact(Index(3))
    assert (log.base, log.first_index, log.last) == (eid(2, 3), 4, eid(2, 4))
    log.compact(Index(2))
    assert log.base == eid(2, 3), "they are gone already"
    with pytest.raises(AssertionError, match="done with"):
        log.compact(Index(4))
    with pytest.raises(AssertionError, match="are gone"):
        log.slice(Index(3), 99)
    with pytest.raises(AssertionError, match="not replaced"):
        log.splice(Index(2), log_of(2, first=3))


def test_a_log_that_restarts_is_empty_and_up_to_date() -> None:
    log = make_log(1, 1, 1, commit=1)
    log.restart(eid(4, 2))
    assert (log.last, log.commit, log.applied, log.stable) == (eid(4, 2), 2, 2, 2)
    assert log.page(Index(1), 9) == []
    with pytest.raises(AssertionError, match="not thrown away"):
        log.restart(eid(4, 2))


def test_pages_are_bounded() -> None:
    log = make_log(1, 1, 1)
    assert log.page(Index(2), 1) == [entry(1, 2)]
    assert log.page(Index(3), 9) == [entry(1, 3)]
    assert log.page(Index(4), 9) == []


def test_slices_end_with_the_log() -> None:
    log = make_log(1, 1)
    everything: tuple[Entry, ...] = log_of(1, 1)
    assert log.slice(Index(1), 100) == everything
    assert log.slice(Index(2), 0) == everything[1:]
    assert log.slice(Index(3), 100) == ()


def test_what_was_dropped_is_freed_little_by_little() -> None:
    count = 3 * FREED_MAX
    log = RaftLog([entry(1, index) for index in range(1, count + 1)], Index(count))
    log.take_committed(count, 1 << 30)
    log.compact(Index(count))
    assert log.first_index == count + 1
    for left in (2 * FREED_MAX, FREED_MAX, 0, 0):
        log.give_back()
        assert len(log._dropped) == left
