"""The nouns of consensus: terms, indexes, entries and what must survive a crash."""

from enum import IntEnum, StrEnum
from typing import NewType

from msgspec import Struct

NodeId = NewType("NodeId", str)
"""A member's identity inside the log: at bootstrap, its peer address."""

Term = NewType("Term", int)
Index = NewType("Index", int)
Ticket = NewType("Ticket", int)
"""Chosen by the asker, echoed in the answer: pairs the two without shared state."""


class EntryId(Struct, frozen=True, order=True, gc=False):
    """Position and origin of an entry.

    The order of the fields *is* the order "at least as up to date" of §3.6.1: the
    later term wins, then the longer log.
    """

    term: Term
    index: Index


ORIGIN = EntryId(Term(0), Index(0))
"""What precedes the first entry of every log."""


class EntryKind(IntEnum):
    """What the state machine should make of an entry."""

    COMMANDS = 0  # a batch for the state machine, opaque to consensus
    NOOP = 1  # opens a term, so that older entries may commit (§3.6.2)
    MEMBERSHIP = 2  # a membership that is in force from here on (§4.1)


class Entry(Struct, frozen=True, gc=False):
    """One slot of the replicated log; ``data`` holds a whole batch of commands."""

    term: Term
    index: Index
    kind: EntryKind
    data: bytes

    @property
    def id(self) -> EntryId:
        return EntryId(self.term, self.index)


class HardState(Struct, frozen=True, gc=False):
    """What a node must remember across crashes (§3.8).

    ``term`` and ``vote`` are durable before anything is said that depends on
    them. ``commit`` is only a hint that shortens recovery.
    """

    term: Term = Term(0)
    vote: NodeId | None = None
    commit: Index = Index(0)


class Role(StrEnum):
    FOLLOWER = "follower"
    PRE_CANDIDATE = "pre-candidate"
    CANDIDATE = "candidate"
    LEADER = "leader"
