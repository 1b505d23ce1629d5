"""How much may happen in a run that is explored, and what has happened in one so far."""

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from tests.exploration.local import (
    CRASH,
    CRASH_STORED,
    DELIVER,
    PROPOSE,
    REMOVE,
    TICK,
    TRANSFER,
)


class Bounds(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much may happen in one run."""

    terms: int = 2
    entries: int = 1  # proposals
    messages: int = 2  # under way at a time
    ticks: int = 2  # of all nodes together: a follower campaigns, a leader sends heartbeats
    crashes: int = 1
    duplicates: int = 0
    changes: int = 0  # of the membership: any voter removed, any learner promoted
    transfers: int = 0  # of leadership, to any node
    learners: int = 0  # how many of the nodes begin as such
    led: int = 0  # 1: begin when node 1 has just been elected and all have its no-op


class History(Struct, frozen=True):
    """What an observer of the whole cluster has seen, and what happened to it so far."""

    leaders: tuple[int, ...]  # who won each term, -1: nobody
    decided: int = 0  # the number of that log
    entries: int = 0
    ticks: int = 0
    crashes: int = 0
    duplicates: int = 0
    changes: int = 0
    transfers: int = 0

    def after(self, given: int, *, again: bool) -> "History":
        """One more input was given."""
        return replace(
            self,
            entries=self.entries + (PROPOSE <= given < REMOVE),
            ticks=self.ticks + (given == TICK),
            crashes=self.crashes + (given in (CRASH, CRASH_STORED)),
            duplicates=self.duplicates + again,
            changes=self.changes + (REMOVE <= given < TRANSFER),
            transfers=self.transfers + (TRANSFER <= given < DELIVER),
        )

    def won(self, term: int, node: int) -> "History":
        leaders = (*self.leaders[:term], node, *self.leaders[term + 1 :])
        return replace(self, leaders=leaders)

    def renamed(self, way: Sequence[int]) -> "History":
        """The same with other names; what is decided must be renamed where it is known."""
        return replace(self, leaders=tuple(way[at] if at >= 0 else -1 for at in self.leaders))

    @property
    def last_won(self) -> int:
        """The latest term that anyone ever led."""
        return max((term for term, who in enumerate(self.leaders) if who >= 0), default=0)
