"""What the core hands to its driver: work to do, in the order it must be done."""

from enum import StrEnum

from msgspec import Struct

from kvorum.raft.messages import InstallSnapshot, Message
from kvorum.raft.snapshot import Snapshot
from kvorum.raft.types import Entry, EntryId, HardState, Index, NodeId, Term, Ticket


class Save(Struct, frozen=True):
    """One batch for the disk; at most one is out at a time.

    ``messages`` are the votes and acknowledgements that promise what is being
    written: they leave only after ``advance`` was told that it is durable (§3.8).
    The commit hint in ``hard_state`` travels along; it is never a save of its own. With
    ``base`` a snapshot was installed: whatever the disk's log holds is void, and the log
    begins anew behind that entry.
    """

    hard_state: HardState
    entries: tuple[Entry, ...]
    messages: tuple[Message, ...]
    base: EntryId | None = None


class Receipt(Struct, frozen=True, gc=False):
    """Where a proposal was appended; None: certainly nowhere, with ``refusal`` for ever."""

    ticket: Ticket
    entry: EntryId | None
    refusal: str = ""


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
    MEMBERSHIP = "membership"
    REMOVED = "removed"
    SEND_SNAPSHOT = "send-snapshot"
    INSTALL_SNAPSHOT = "install-snapshot"
    TRANSFER = "transfer"
    TRANSFER_FAILED = "transfer-failed"


class Event(Struct, frozen=True, gc=False):
    """Something worth telling: ``node`` is the other party, ``why`` is for people.

    ``is_transfer``: of a campaign that the leader asked for (§3.10).
    """

    kind: EventKind
    term: Term
    node: NodeId | None = None
    why: str = ""
    is_transfer: bool = False


class ChunkWanted(Struct, frozen=True):
    """Read ``snapshot`` from ``offset`` on and send it as one InstallSnapshot in ``term``."""

    to: NodeId
    term: Term
    snapshot: Snapshot
    offset: int


class Ready(Struct, frozen=True):
    """Everything that is to be done now.

    ``messages`` may leave before the save is durable: a leader's appends overlap
    its own disk (§10.2.1). ``committed`` is handed out exactly once, in order.
    ``chunks`` came from the leader for whoever collects a snapshot here,
    ``chunks_wanted`` go to followers.
    """

    messages: tuple[Message, ...]
    save: Save | None
    committed: tuple[Entry, ...]
    receipts: tuple[Receipt, ...]
    read_states: tuple[ReadState, ...]
    events: tuple[Event, ...]
    chunks: tuple[InstallSnapshot, ...] = ()
    chunks_wanted: tuple[ChunkWanted, ...] = ()
