"""Retention of outcomes: by count, by age, on the log's time only."""

from kvorum.mvcc.command import UNSTAMPED, Stamp
from kvorum.mvcc.outcome import Outcome, Status
from kvorum.mvcc.outcomes import SEGMENT_OUTCOMES, Outcomes


def add(table: Outcomes, request_id: str) -> None:
    table.add(Outcome(request_id, Status.SUCCESS, "success", 1, table.now_ms), index=1)


def batch(table: Outcomes, stamp: Stamp, *request_ids: str) -> None:
    table.advance_time(stamp)
    for request_id in request_ids:
        add(table, request_id)
    table.evict(stamp)


def kept(table: Outcomes, *request_ids: str) -> list[str]:
    return [request_id for request_id in request_ids if table.get(request_id) is not None]


def test_oldest_are_dropped_beyond_the_count() -> None:
    table = Outcomes()
    batch(table, Stamp(1, 3, 60), "a", "b")
    batch(table, Stamp(2, 3, 60), "c", "d")
    assert kept(table, "a", "b", "c", "d") == ["b", "c", "d"]
    assert len(table) == 3


def test_an_outcome_lives_for_its_age_and_no_longer() -> None:
    table = Outcomes()
    batch(table, Stamp(1_000, 9, 2), "a")
    batch(table, Stamp(3_000, 9, 2), "b")
    assert kept(table, "a", "b") == ["a", "b"]
    batch(table, Stamp(3_001, 9, 2))
    assert kept(table, "a", "b") == ["b"]


def test_time_never_goes_back() -> None:
    """A new leader's clock may be behind the old one's."""
    table = Outcomes()
    batch(table, Stamp(10_000, 9, 2), "a")
    assert table.advance_time(Stamp(1_000, 9, 2)) == 10_000
    batch(table, Stamp(1_000, 9, 2), "b")
    batch(table, Stamp(12_000, 9, 2))
    assert kept(table, "a", "b") == ["a", "b"]
    batch(table, Stamp(12_001, 9, 2))
    assert len(table) == 0


def test_batch_without_a_stamp_drops_nothing_and_leaves_the_time() -> None:
    table = Outcomes()
    batch(table, Stamp(10_000, 9, 2), "a")
    batch(table, UNSTAMPED, "b")
    assert kept(table, "a", "b") == ["a", "b"]
    assert table.now_ms == 10_000


def test_lower_limits_take_effect_with_the_batch_that_brings_them() -> None:
    table = Outcomes()
    batch(table, Stamp(1, 9, 60), *"abcdef")
    batch(table, Stamp(2, 2, 60))
    assert kept(table, *"abcdef") == ["e", "f"]


def test_eviction_goes_over_segments() -> None:
    table, ids = Outcomes(), [f"r{number}" for number in range(3 * SEGMENT_OUTCOMES + 5)]
    batch(table, Stamp(1, 10_000, 60), *ids)
    batch(table, Stamp(2, SEGMENT_OUTCOMES + 7, 60))
    assert [outcome.request_id for outcome, _index in table] == ids[-SEGMENT_OUTCOMES - 7 :]
    batch(table, Stamp(3, 0, 60))
    assert (len(table), list(table), table.digest) == (0, [], 0)
    batch(table, Stamp(4, 5, 60), "a", "b")
    assert kept(table, "a", "b") == ["a", "b"]


def test_a_view_shows_what_was_kept_when_it_was_taken() -> None:
    table, ids = Outcomes(), [f"r{number}" for number in range(2 * SEGMENT_OUTCOMES + 5)]
    batch(table, Stamp(1, 10_000, 60), *ids)
    batch(table, Stamp(2, SEGMENT_OUTCOMES + 10, 60))
    view = table.view()
    batch(table, Stamp(3, 3, 60), *(f"s{number}" for number in range(SEGMENT_OUTCOMES)))
    assert [outcome.request_id for outcome, _index in view] == ids[-SEGMENT_OUTCOMES - 10 :]


def test_forgotten_index_is_the_newest_entry_that_lost_an_outcome() -> None:
    table = Outcomes()
    for index, request_id in enumerate("abcd", start=1):
        table.add(Outcome(request_id, Status.SUCCESS, "success", 1, 0), index=index * 10)
    table.evict(Stamp(1, 4, 60))
    assert table.forgotten_index == 0
    table.evict(Stamp(1, 1, 60))
    assert table.forgotten_index == 30


def test_digest_is_that_of_what_is_left() -> None:
    whole, rest = Outcomes(), Outcomes()
    for index, request_id in enumerate("abcdef", start=1):
        whole.add(Outcome(request_id, Status.SUCCESS, "success", index, 5), index)
        if index > 4:
            rest.add(Outcome(request_id, Status.SUCCESS, "success", index, 5), index)
    whole.evict(Stamp(1, 2, 60))
    assert whole.digest == rest.digest != 0


def test_drained_in_steps() -> None:
    table = Outcomes()
    batch(table, Stamp(1, 10_000, 60), *(f"r{number}" for number in range(2500)))
    assert (sum(1 for _ in table.drain()), len(table)) == (3, 0)


def test_puts_are_kept_like_single_outcomes() -> None:
    stamp, some = Stamp(7, 1_500, 60), [f"r{number}" for number in range(1_100)]
    together, single = Outcomes(), Outcomes()
    for table in (together, single):
        batch(table, stamp, "first")
    assert together.are_new(some)
    for index, part in enumerate((some[:1_000], some[1_000:]), start=2):
        first = 1_000 * index
        outcomes = together.add_puts(part, first, index)
        assert outcomes == [
            Outcome(request_id, Status.SUCCESS, "success", revision, 7, 1)
            for revision, request_id in enumerate(part, first)
        ]
        for outcome in outcomes:
            single.add(outcome, index)
    for left in (1_500, 1_101, 1_100, 70, 10, 0):
        for table in (together, single):
            table.evict(Stamp(7, left, 60))
        assert (list(together), together.digest) == (list(single), single.digest)
        assert together.forgotten_index == single.forgotten_index


def test_request_ids_are_new_if_none_is_known_or_stands_there_twice() -> None:
    table = Outcomes()
    add(table, "known")
    assert table.are_new(["a", "b"])
    assert not table.are_new(["a", "known"])
    assert not table.are_new(["a", "b", "a"])
