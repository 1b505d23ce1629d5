"""Whether time in the log passes no faster than outside of it.

Leases end by the time that leaders stamp on batches. A new leader goes on from the last stamp
that it knows of; were it to put its own idea of the time in its place, leases would end before
they may. While no clock runs wrong, two stamps are therefore never further apart than the
moments at which their batches came into being.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from kvorum.mvcc.command import decode_batch
from kvorum.raft.types import EntryKind, Index, Term
from kvorum.testing.checks import Decision
from kvorum.testing.history import WrongAnswer

CLOCK_FAULTS = frozenset({"drift", "leap"})
_ROUNDED_MS = 1.001
"""Stamps are whole milliseconds, rounded down; and so are fractions of a second, somehow."""


class Stamped(Struct, frozen=True):
    """A batch, the log's time after it, and when it was first seen in any log."""

    index: Index
    time_ms: int
    born_s: float


def stamps_of(
    decided: Mapping[Index, Decision], born_s: Mapping[tuple[Index, Term], float]
) -> list[Stamped]:
    """Of all batches that were decided, in order."""
    stamps: list[Stamped] = []
    time_ms = 0
    for index in sorted(decided):
        entry = decided[index].entry
        if entry.kind is EntryKind.COMMANDS:
            time_ms = max(time_ms, decode_batch(entry.data)[0].time_ms)
            stamps.append(Stamped(index, time_ms, born_s[index, entry.term]))
    return stamps


def check_log_clock(stamps: Sequence[Stamped]) -> None:
    """Of a run whose clocks all ran at the same pace. Raises :class:`WrongAnswer`."""
    if not stamps:
        return
    slowest = stamps[0]  # the one whose time was most behind
    for stamp in stamps:
        passed_ms = (stamp.born_s - slowest.born_s) * 1000
        if stamp.time_ms - slowest.time_ms > passed_ms + _ROUNDED_MS:
            raise WrongAnswer(
                f"between {slowest} and {stamp} {stamp.time_ms - slowest.time_ms} ms passed in "
                f"the log, and {passed_ms:.0f} ms outside"
            )
        if stamp.time_ms - stamp.born_s * 1000 < slowest.time_ms - slowest.born_s * 1000:
            slowest = stamp
