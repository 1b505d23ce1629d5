"""Made of time and chance, shown as text, and read back."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvorum.app.restore_id import new_restore_id, parse_restore_id

_MADE = datetime(2026, 1, 31, 23, 59, 59, 123456, UTC)
_TEXT = "20260131T235959.123456-000000ff"


def test_it_is_the_time_and_chance() -> None:
    made = new_restore_id(int(_MADE.timestamp()) * 1_000_000 + 123456, 255)
    assert made.text == _TEXT
    assert parse_restore_id(_TEXT) == made


@given(st.integers(0, 7 * 10**15), st.integers(0, 2**32 - 1))
def test_its_text_says_all(time_us: int, chance: int) -> None:
    made = new_restore_id(time_us, chance)
    assert made.time_us == time_us < 2**53
    assert parse_restore_id(made.text) == made


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00f6d36cc4e07076",
        _TEXT + "0",
        _TEXT + "\n",
        _TEXT.upper().replace("FF", "FG"),
        _TEXT.replace("T", " "),
        _TEXT.replace("0131", "0231"),
        _TEXT.replace("2026", "२०२६"),
    ],
)
def test_anything_else_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no id of a restore|day is out of range"):
        parse_restore_id(text)


@pytest.mark.parametrize("year", ["0001", "1969", "2200", "9999"])
def test_a_year_beyond_reason_is_the_fault_of_a_clock(year: str) -> None:
    with pytest.raises(ValueError, match=f"of the year {int(year)}: set the clock"):
        parse_restore_id(_TEXT.replace("2026", year))


def test_a_clock_beyond_reason() -> None:
    with pytest.raises(ValueError, match="of the year 2286: set the clock"):
        new_restore_id(10**16, 0)
