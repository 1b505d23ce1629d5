"""Names of backups, and which of them go."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from kvorum.cli.backup.names import Names

NAMES = Names("kvorum")
NOW = datetime(2026, 11, 23, 3, 0, 5, tzinfo=UTC)


def at(hour: int, revision: int = 1, prefix: str = "kvorum") -> str:
    return Names(prefix).finished(NOW.replace(hour=hour), revision)


def test_the_name_has_time_and_revision() -> None:
    assert NAMES.finished(NOW, 42) == "kvorum-20261123T030005Z-r42.snapshot"
    elsewhere = NOW.astimezone(timezone(timedelta(hours=9)))
    assert NAMES.finished(elsewhere, 42) == NAMES.finished(NOW, 42)


def test_an_alphabetical_listing_is_in_order() -> None:
    names = [NAMES.finished(NOW + timedelta(hours=7 * n), 10**n) for n in range(9)]
    assert sorted(names) == names


def test_the_oldest_go_first() -> None:
    names = [at(4), at(1), at(3), at(2)]
    assert NAMES.surplus(names, at(4), 2) == [at(1), at(2)]
    assert NAMES.surplus(names, at(4), 4) == []
    assert NAMES.surplus(names, at(4), 9) == []


def test_of_one_second_the_smaller_revision_is_older() -> None:
    assert NAMES.surplus([at(1, 10), at(1, 9), at(2)], at(2), 2) == [at(1, 9)]


def test_the_new_one_stays_though_the_clock_went_back() -> None:
    names = [at(1), at(8), at(9)]
    assert NAMES.surplus(names, at(1), 2) == [at(8)]
    assert NAMES.surplus(names, at(1), 1) == [at(8), at(9)]


def test_the_new_one_need_not_be_listed_yet() -> None:
    """Some object stores list a new object late."""
    assert NAMES.surplus([at(1), at(2)], at(3), 2) == [at(1)]


@pytest.mark.parametrize(
    "name",
    [
        at(1, prefix="kvorum-test"),
        at(1, prefix="other"),
        "x" + at(1),
        at(1) + ".gz",
        at(1).replace("Z", ""),
        at(1).replace("1123", "1323"),
        at(1).removeprefix("kvorum-"),
        "kvorum-",
        "",
    ],
)
def test_what_is_not_of_this_series_stays(name: str) -> None:
    assert NAMES.surplus([name, at(2)], at(3), 1) == [at(2)]
    assert NAMES.count([name, at(2)]) == 1


def test_a_prefix_is_no_pattern() -> None:
    assert Names("a.c").surplus([at(1, prefix="abc")], at(2, prefix="a.c"), 1) == []


def test_unfinished_ones_of_yesterday_are_abandoned() -> None:
    old, young = NAMES.unfinished(NOW - timedelta(hours=25)), NAMES.unfinished(NOW)
    foreign = Names("other").unfinished(NOW - timedelta(days=9))
    assert NAMES.abandoned([old, young, foreign, at(1)], NOW) == [old]
    assert NAMES.surplus([old, young], at(3), 1) == []
