"""One core on a bench: made in any state, fed by hand, its disk obeying at once.

Nodes are numbers here ("1", "2", …) because that is how traces are read. ``drain``
plays the part of a driver with an instant disk; tests about durability call
``ready`` and ``advance`` themselves.
"""

from collections.abc import Sequence
from typing import TypeVar

from kvorum.raft.config import CoreOptions, IsIntroduced, RandomTicks, everybody
from kvorum.raft.core import Core
from kvorum.raft.membership import Membership
from kvorum.raft.messages import (
    AppendEntries,
    AppendResponse,
    InstallSnapshot,
    Message,
    RequestVote,
    VoteResponse,
)
from kvorum.raft.ready import ChunkWanted, Event, EventKind, ReadState, Ready, Receipt, Save
from kvorum.raft.types import (
    ORIGIN,
    Entry,
    EntryId,
    EntryKind,
    HardState,
    Index,
    NodeId,
    Role,
    Term,
)

M = TypeVar("M", bound=Message)

HEARTBEAT_TICKS = 2
ELECTION_TICKS_MIN = 10
ELECTION_TICKS_MAX = 20


def node_id(number: int) -> NodeId:
    return NodeId(str(number))


def latest(_low: int, high: int) -> int:
    """The most patient timeout: nobody campaigns before a test wants it."""
    return high


def options(number: int = 1, **limits: int) -> CoreOptions:
    return CoreOptions(
        node=node_id(number),
        election_ticks_min=ELECTION_TICKS_MIN,
        election_ticks_max=ELECTION_TICKS_MAX,
        **{"heartbeat_ticks": HEARTBEAT_TICKS, **limits},
    )


def entry(term: int, index: int, data: bytes | None = None) -> Entry:
    text = f"{term}/{index}".encode() if data is None else data
    return Entry(Term(term), Index(index), EntryKind.COMMANDS, text)


def log_of(*terms: int, first: int = 1) -> tuple[Entry, ...]:
    """Entries with these terms, the first of them at index ``first``."""
    return tuple(entry(term, index) for index, term in enumerate(terms, first))


def eid(term: int, index: int) -> EntryId:
    return EntryId(Term(term), Index(index))


def make_core(
    number: int = 1,
    *,
    voters: int = 3,
    term: int = 0,
    vote: int | None = None,
    commit: int = 0,
    log: Sequence[Entry] = (),
    base: EntryId = ORIGIN,
    membership: Membership | None = None,
    random_ticks: RandomTicks = latest,
    core_options: CoreOptions | None = None,
    is_introduced: IsIntroduced = everybody,
    **limits: int,
) -> Core:
    """A follower that just started with this on its disk; ``log`` follows ``base``."""
    return Core(
        core_options or options(number, **limits),
        membership or voters_up_to(voters),
        random_ticks,
        HardState(Term(term), None if vote is None else node_id(vote), Index(commit)),
        log,
        base,
        is_introduced=is_introduced,
    )


def voters_up_to(count: int) -> Membership:
    return Membership(tuple(node_id(voter) for voter in range(1, count + 1)))


class Collected:
    """What several ``ready`` handed out, put together."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.saves: list[Save] = []
        self.committed: list[Entry] = []
        self.receipts: list[Receipt] = []
        self.read_states: list[ReadState] = []
        self.events: list[Event] = []
        self.chunks: list[InstallSnapshot] = []
        self.chunks_wanted: list[ChunkWanted] = []

    def add(self, ready: Ready) -> None:
        self.messages += ready.messages
        self.committed += ready.committed
        self.receipts += ready.receipts
        self.read_states += ready.read_states
        self.events += ready.events
        self.chunks += ready.chunks
        self.chunks_wanted += ready.chunks_wanted
        if ready.save:
            self.saves.append(ready.save)

    def of(self, kind: type[M]) -> list[M]:
        return [message for message in self.messages if isinstance(message, kind)]

    def told(self, kind: EventKind) -> list[Event]:
        return [event for event in self.events if event.kind is kind]


def drain(core: Core) -> Collected:
    """Take all work; every save is durable at once."""
    collected = Collected()
    while True:
        ready = core.ready()
        collected.add(ready)
        if ready.save is not None:
            core.advance(ready.save)
        elif not core.has_more():
            return collected


def feed(core: Core, *messages: Message) -> Collected:
    """Step every message, then drain once."""
    for message in messages:
        core.step(message)
    return drain(core)


def time_out(core: Core) -> None:
    """Tick until the node's patience ends."""
    state = core.state
    for _ in range(state.election_timeout - state.election_elapsed):
        core.tick()


def make_leader(
    number: int = 1, *, voters: int = 3, term: int = 1, log: Sequence[Entry] = (), **limits: int
) -> Core:
    """The elected leader of ``term``, its no-op saved and sent but not acknowledged."""
    core = make_core(
        number,
        voters=voters,
        term=term - 1,
        log=log,
        core_options=options(number, **limits),
    )
    elect(core)
    assert core.state.term == term
    return core


def elect(core: Core) -> None:
    """Let everyone vote for it."""
    time_out(core)
    drain(core)
    wanted = core.state.term + 1
    for pre in (True, False):
        for peer in core.state.peers:
            core.step(vote_answer(peer, core, term=wanted, granted=True, pre=pre))
        drain(core)
    assert core.state.role is Role.LEADER


# --- messages ------------------------------------------------------------------------


def vote_answer(
    sender: NodeId, core: Core, *, term: int, granted: bool, pre: bool = False
) -> VoteResponse:
    return VoteResponse(
        to=core.state.node, sender=sender, term=Term(term), granted=granted, pre=pre
    )


def vote_request(
    sender: int, *, to: int = 1, term: int, last: EntryId = ORIGIN, pre: bool = False
) -> RequestVote:
    return RequestVote(to=node_id(to), sender=node_id(sender), term=Term(term), last=last, pre=pre)


def append_entries(
    sender: int,
    *terms: int,
    to: int = 1,
    term: int,
    prev: EntryId = ORIGIN,
    commit: int = 0,
    read_round: int = 0,
) -> AppendEntries:
    """Entries with these terms after ``prev``; none make a heartbeat."""
    return AppendEntries(
        to=node_id(to),
        sender=node_id(sender),
        term=Term(term),
        prev=prev,
        entries=log_of(*terms, first=prev.index + 1),
        commit=Index(commit),
        round=read_round,
    )


def ack(sender: int, *, to: int = 1, term: int, match: int, read_round: int = 0) -> AppendResponse:
    return AppendResponse(
        to=node_id(to),
        sender=node_id(sender),
        term=Term(term),
        success=True,
        match=Index(match),
        round=read_round,
    )


def refusal(
    sender: int,
    *,
    to: int = 1,
    term: int,
    rejected: int,
    conflict: EntryId | None = None,
    read_round: int = 0,
) -> AppendResponse:
    return AppendResponse(
        to=node_id(to),
        sender=node_id(sender),
        term=Term(term),
        success=False,
        rejected=Index(rejected),
        conflict=conflict,
        round=read_round,
    )
