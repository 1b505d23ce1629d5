"""Which membership a log puts in force, as the log grows, is cut, and is compacted."""

import pytest

from kvorum.raft.membership import Membership, encode_membership
from kvorum.raft.memberships import Memberships
from kvorum.raft.types import Entry, EntryKind, Index, Term
from tests.support.raft_cores import entry, voters_up_to


def change(index: int, voters: int) -> Entry:
    data = encode_membership(voters_up_to(voters))
    return Entry(Term(1), Index(index), EntryKind.MEMBERSHIP, data)


def three() -> Memberships:
    """Of 1, 2 and 3 voters since the entries 4 (the base), 6 and 9."""
    entries = [entry(1, 5), change(6, 2), entry(1, 7), entry(1, 8), change(9, 3)]
    return Memberships(Index(4), voters_up_to(1), entries)


def sizes(known: tuple[Membership, ...]) -> list[int]:
    return [len(one.voters) for one in known]


def test_the_latest_is_in_force_and_all_are_found_by_index() -> None:
    known = three()
    assert (known.latest, known.latest_index) == (voters_up_to(3), 9)
    assert sizes(tuple(known.at(Index(i)) for i in (4, 5, 6, 8, 9, 99))) == [1, 1, 2, 2, 3, 3]
    assert [sizes(known.since(Index(i))) for i in (4, 6, 8, 9)] == [[1, 2, 3], [2, 3], [2, 3], [3]]
    assert [known.after(Index(i)) for i in (4, 5, 6, 8, 9)] == [6, 6, 9, 9, None]


def test_a_cut_log_forgets_what_it_lost() -> None:
    known = three()
    known.truncate(Index(10))
    assert known.latest_index == 9
    known.truncate(Index(9))
    assert (known.latest, known.latest_index) == (voters_up_to(2), 6)
    known.truncate(Index(5))
    assert (known.latest, known.latest_index) == (voters_up_to(1), 4), "the base remains"


def test_an_entry_that_is_known_changes_nothing() -> None:
    known = three()
    assert not known.add(change(6, 7))
    assert sizes(known.since(Index(4))) == [1, 2, 3]
    assert known.add(change(12, 7))
    assert sizes(known.since(Index(4))) == [1, 2, 3, 7]


@pytest.mark.parametrize(("base", "left"), [(5, [1, 2, 3]), (6, [2, 3]), (8, [2, 3]), (20, [3])])
def test_compaction_keeps_the_one_in_force(base: int, left: list[int]) -> None:
    known = three()
    known.compact(Index(base))
    assert sizes(known.since(Index(base))) == left
    with pytest.raises(AssertionError, match="forgotten"):
        known.at(Index(base - 1))


def test_a_snapshot_takes_the_place_of_all() -> None:
    known = three()
    known.restart(Index(50), voters_up_to(7))
    assert (known.latest, known.latest_index) == (voters_up_to(7), 50)
    assert known.after(Index(50)) is None
