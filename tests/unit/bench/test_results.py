"""Statistics over rounds, and the file that keeps them."""

import pytest

from bench.results import (
    Machine,
    Ratio,
    Results,
    Row,
    from_json,
    longest_gap,
    ratio,
    share,
    to_json,
)

ROW = Row("put", "64 connections", "per second", {"kvorum": [3.0, 2.0], "etcd": [1.0, 2.0]})
RESULTS = Results(
    began="2026-01-02 03:04 UTC",
    commit="abc1234+",
    is_quick=True,
    rounds=2,
    seconds=1,
    versions={"kvorum": "0.1.0", "etcd": "3.5.1"},
    machine=Machine("A processor", 2, 23.5, "Linux 6", "3.11.7"),
    rows=[ROW],
)


def test_a_ratio_is_taken_round_by_round() -> None:
    assert ratio([2, 9, 4], [1, 3, 4]) == Ratio(2, 1, 3)


def test_rounds_that_do_not_match_leave_the_medians() -> None:
    assert ratio([2, 4, 6], [2]) == Ratio(2, 2, 2)


@pytest.mark.parametrize(("ours", "theirs"), [([], [1.0]), ([1.0], []), ([1.0], [0.0])])
def test_nothing_has_no_ratio(ours: list[float], theirs: list[float]) -> None:
    assert ratio(ours, theirs) is None


@pytest.mark.parametrize(
    ("part", "expected"), [(0.5, 50), (0.99, 99), (0.991, 100), (1.0, 100), (0.0, 1)]
)
def test_a_share_is_the_smallest_value_that_covers_it(part: float, expected: int) -> None:
    assert share([float(value) for value in range(100, 0, -1)], part) == expected


def test_a_gap_may_be_at_either_end_or_all_of_it() -> None:
    assert longest_gap([3.0, 1.0, 1.5], 0.5, 3.2) == 1.5
    assert longest_gap([1.0], 0.0, 5.0) == 4.0
    assert longest_gap([-1.0, 9.0], 0.0, 5.0) == 5.0


def test_results_survive_the_file() -> None:
    assert from_json(to_json(RESULTS)) == RESULTS


def test_rows_are_found_by_load_circumstance_and_measure() -> None:
    assert RESULTS.row("put", "64 connections", "per second") == ROW
    assert RESULTS.row("put", "64 connections", "p99 ms") is None
