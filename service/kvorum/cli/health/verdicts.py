"""What measurements mean: thresholds, and sentences.

The thresholds go with the timing of the examples: BROADCAST_TIME_MS 100, election timeouts from
500 ms. A leader that is held up for that long loses its office.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType

from msgspec import Struct

from kvorum.cli.sizes import milliseconds_text


class Level(StrEnum):
    """``slow`` works, but everybody waits for it; ``unfit`` ends in elections or lost data."""

    FIT = "fit"
    SLOW = "slow"
    UNFIT = "unfit"


class Threshold(Struct, frozen=True):
    """Up to ``fit_s`` it is fit, up to ``slow_s`` slow."""

    what: str
    fit_s: float
    slow_s: float

    def level(self, seconds: float) -> Level:
        if seconds <= self.fit_s:
            return Level.FIT
        return Level.SLOW if seconds <= self.slow_s else Level.UNFIT


DISK = Threshold("sync of the log, p99", 0.010, 0.100)
ROUND = Threshold("round to a majority, median", 0.010, 0.100)
LOOP = Threshold("event loop held up, p99", 0.050, 0.250)
THRESHOLDS = (DISK, ROUND, LOOP)

TOO_QUICK_S = 0.000_020
"""No medium is that quick: a median below it is that of a cache."""

_ADVICE: Mapping[tuple[str, Level], str] = MappingProxyType(
    {
        (DISK.what, Level.SLOW): "every write waits for it",
        (DISK.what, Level.UNFIT): "give the data directory a disk of its own, an SSD if possible",
        (ROUND.what, Level.SLOW): "every write and every linearizable read waits for it",
        (ROUND.what, Level.UNFIT): "bring the nodes nearer, or raise BROADCAST_TIME_MS and the "
        "election timeouts of all nodes",
        (LOOP.what, Level.SLOW): "requests wait for the processor",
        (LOOP.what, Level.UNFIT): "the node needs a processor of its own",
    }
)


class Finding(Struct, frozen=True):
    """One sentence; ``subject`` is a node, a directory or the cluster."""

    level: Level
    subject: str
    text: str


def judged(threshold: Threshold, subject: str, seconds: float) -> Finding:
    """With the threshold that it was held against."""
    level = threshold.level(seconds)
    told = "beyond all measure" if seconds == float("inf") else milliseconds_text(seconds)
    limit = f"fit up to {milliseconds_text(threshold.fit_s)}"
    if level is Level.UNFIT:
        limit = f"unfit above {milliseconds_text(threshold.slow_s)}"
    text = f"{threshold.what} {told} ({limit})"
    advice = _ADVICE.get((threshold.what, level))
    return Finding(level, subject, f"{text}: {advice}" if advice else text)


def overall(findings: Sequence[Finding]) -> Level:
    """The worst."""
    levels = {finding.level for finding in findings}
    return next((each for each in (Level.UNFIT, Level.SLOW) if each in levels), Level.FIT)
