"""Figures are refused when the data behind them is wrong."""

from collections.abc import Mapping

import pytest

from bench.checking import (
    WrongDataError,
    check_run,
    check_values,
    check_writes,
    writes_between,
)
from bench.dialects import LOADS, Keys
from bench.generators import Run
from bench.systems import Record

KEYS = Keys("k/", count=3, value_bytes=32)
STORED = {KEYS.name(n): Record(KEYS.value(n), version=1) for n in range(3)}


def run(*, requests: int = 10, size: int = 3200, refused: int = 0, broken: int = 0) -> Run:
    return Run(requests, 1.0, 1.0, 1.0, 1.0, size, refused, broken)


def test_good_answers_pass() -> None:
    check_run("get", run(), LOADS["get"], least_bytes=256)


@pytest.mark.parametrize(
    "bad", [run(refused=1), run(broken=1), run(requests=0), run(size=2559)], ids=repr
)
def test_bad_answers_do_not(bad: Run) -> None:
    with pytest.raises(WrongDataError):
        check_run("get", bad, LOADS["get"], least_bytes=256)


def test_all_values_are_compared() -> None:
    check_values("a system", KEYS, STORED)


@pytest.mark.parametrize(
    "stored",
    [
        {**STORED, "k/more": Record('"x"', 1)},
        {name: record for name, record in STORED.items() if name != "k/0000001"},
        {**STORED, "k/0000002": STORED["k/0000001"]},
    ],
    ids=["one too many", "one missing", "mixed up"],
)
def test_other_data_is_found(stored: Mapping[str, Record]) -> None:
    with pytest.raises(WrongDataError):
        check_values("a system", KEYS, stored)


def test_writes_are_what_versions_grew_by() -> None:
    after = {**STORED, "k/0000001": Record(KEYS.value(1), version=5)}
    assert writes_between(STORED, after) == 4


@pytest.mark.parametrize(
    ("load", "requests", "in_flight", "good", "bad"),
    [
        ("put", 100, 4, (100, 105), (99, 106)),
        ("txn", 100, 4, (200, 210), (199, 211)),
        ("batch", 10, 1, (1280, 1536), (1279, 1537)),
        ("get", 100, 4, (0,), (1, -1)),
        ("mix", 100, 4, (5, 15), (4, 16)),
    ],
)
def test_lost_and_repeated_writes_are_found(
    load: str, requests: int, in_flight: int, good: tuple[int, ...], bad: tuple[int, ...]
) -> None:
    for writes in good:
        check_writes(load, LOADS[load], writes, requests, in_flight)
    for writes in bad:
        with pytest.raises(WrongDataError):
            check_writes(load, LOADS[load], writes, requests, in_flight)
