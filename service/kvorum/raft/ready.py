"""What the core hands to its driver: work to do, in the order it must be done."""

from enum import StrEnum

from msgspec import Struct

from kvorum.raft.messages import Message
from kvorum.raft.types import Entry, EntryId, HardState, Index, NodeId, Term, Ticket


class Save(Struct, frozen=True):
    """One batch for the disk; at most one is out at a time.

    ``messages`` are the votes and acknowledgements that promise what is being
    written: they leave only after ``advance`` was told that it is durable (§3.8).
    The commit hint in ``hard_state`` travels along; it is never a save of its own.
    """

    hard_state: HardState
    entries: tuple[Entry, ...]
    messages: tuple[Message, ...]


class Receipt(Struct, frozen=True, gc=False):
    """Where a proposal was appended; None: certainly nowhere."""

    ticket: Ticket
    entry: EntryId | None


class ReadState(Struct, frozen=True, gc=False):
    """A read may be served once this index is applied; None: ask again."""

    ticket: Ticket
    index: Index | None


class EventKind(StrEnum):
    """The story that a core tells: logged by the driver, printed by scenarios."""

    CAMPAIGN = "campaign"
    PRE_CAMPAIGN = "pre-campaign"
    VOTE = "vote"
    REFUSE_VOTE = "refuse-vote"
    LEADER = "leader"
    FOLLOW = "follow"
    STEP_DOWN = "step-down"
    TRUNCATE = "truncate"
    REFUSE_APPEND = "refuse-append"
    LOST_ENTRIES = "lost-entries"


class Event(Struct, frozen=True, gc=False):
    """Something worth telling: ``node`` is the other party, ``why`` is for people."""

    kind: EventKind
    term: Term
    node: NodeId | None = None
    why: str = ""


class Ready(Struct, frozen=True):
    """Everything that is to be done now.

    ``messages`` may leave before the save is durable: a leader's appends overlap
    its own disk (§10.2.1). ``committed`` is handed out exactly once, in order.
    """

    messages: tuple[Message, ...]
    save: Save | None
    committed: tuple[Entry, ...]
    receipts: tuple[Receipt, ...]
    read_states: tuple[ReadState, ...]
    events: tuple[Event, ...]
