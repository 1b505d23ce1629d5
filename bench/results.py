"""What a run of the comparison found, as it is kept in JSON, and the statistics over its rounds."""

from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import Literal

import msgspec
from msgspec import Struct, field

Measure = Literal["per second", "p50 ms", "p99 ms", "longest ms", "s", "ms", "MiB", "µs"]


class Row(Struct, frozen=True):
    """One measure of one load: each contender's value in every round, in the order of rounds."""

    load: str
    at: str
    """What distinguishes it from other rows of the load: ``64 connections``."""
    measure: Measure
    values: dict[str, list[float]]

    @property
    def more_is_better(self) -> bool:
        return self.measure == "per second"


class Machine(Struct, frozen=True):
    processor: str
    cores: int
    memory_gib: float
    system: str
    python: str


class Results(Struct, frozen=True):
    """A whole run; ``commit`` ends in ``+`` if the tree differed from it."""

    began: str
    commit: str
    is_quick: bool
    rounds: int
    seconds: int
    versions: dict[str, str]
    machine: Machine
    rows: list[Row]
    failures: list[str] = field(default_factory=list)
    """What could not be measured, and why."""

    def row(self, load: str, at: str, measure: str) -> Row | None:
        return next(
            (row for row in self.rows if (row.load, row.at, row.measure) == (load, at, measure)),
            None,
        )


class Ratio(Struct, frozen=True):
    """Of two contenders, with the spread over rounds."""

    median: float
    low: float
    high: float


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Ratio | None:
    """Round by round where both were measured in the same rounds, else of the medians.

    None if they did something in no time at all or did nothing.
    """
    if not ours or not theirs or 0 in theirs:
        return None
    if len(ours) != len(theirs):
        found = median(ours) / median(theirs)
        return Ratio(found, found, found)
    each = [one / other for one, other in zip(ours, theirs, strict=True)]
    return Ratio(median(each), min(each), max(each))


def share(values: Sequence[float], part: float) -> float:
    """The smallest value that at least ``part`` of all do not exceed."""
    assert values, "there is something to rank"
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -int(-part * len(ordered) // 1) - 1))]


def longest_gap(at_s: Sequence[float], begin_s: float, end_s: float) -> float:
    """The longest time between two neighbours of these moments, from begin to end."""
    inside = sorted(moment for moment in at_s if begin_s <= moment <= end_s)
    moments = [begin_s, *inside, end_s]
    return max(after - before for before, after in pairwise(moments))


def to_json(results: Results) -> bytes:
    return msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n"


def from_json(text: bytes) -> Results:
    return msgspec.json.decode(text, type=Results)
