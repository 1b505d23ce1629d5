"""What must hold at every moment of every run, checked by the model cluster.

The five properties of the Raft paper's Figure 3, and what durability adds (§3.8):
nothing is said that a crash could make untrue.
"""

from collections.abc import Mapping, Sequence

from kvorum.raft.core import Core
from kvorum.raft.messages import (
    AppendEntries,
    AppendResponse,
    Message,
    RequestVote,
    VoteResponse,
)
from kvorum.raft.ready import EventKind, Ready
from kvorum.raft.types import Entry, HardState, Index, NodeId, Role, Term, Ticket


class InvariantError(AssertionError):
    """A run broke a property that Raft guarantees."""


def require(holds: bool, rule: str, *facts: object) -> None:
    if not holds:
        raise InvariantError(f"{rule}: {', '.join(map(repr, facts))}")


class Invariants:
    """The outside observer: it sees every output of every core, and their disks."""

    def __init__(self) -> None:
        self.decided: list[Entry] = []  # entry i at position i - 1, the same for all nodes
        self.leaders: dict[Term, NodeId] = {}
        self._seen: dict[NodeId, tuple[Term, NodeId | None, Index, Index]] = {}
        self._floors: dict[tuple[NodeId, Ticket], int] = {}

    def started(self, node: NodeId) -> None:
        """A node began from its disk: its commit index may go back, its term may not."""
        self._seen.pop(node, None)

    def read_asked(self, node: NodeId, ticket: Ticket) -> None:
        """Whatever anyone has applied by now must be visible to this read (§6.4)."""
        self._floors[node, ticket] = len(self.decided)

    def check(
        self,
        core: Core,
        ready: Ready,
        applied: Sequence[Entry],
        disk: tuple[HardState, Sequence[Entry]],
        cores: Mapping[NodeId, Core],
    ) -> None:
        """``applied`` is what the node applied before this ``ready``."""
        self._cursors(core)
        self._leaders(core, ready)
        self._state_machine(core.state.node, ready.committed, len(applied))
        self._reads(core.state.node, ready)
        for message in ready.messages:
            durable_before_said(message, disk, cores)

    def _cursors(self, core: Core) -> None:
        state, log = core.state, core.state.log
        require(log.applied <= log.commit <= log.last_index, "applied ≤ commit ≤ last", state.node)
        require(log.stable <= log.last_index, "stable ≤ last", state.node)
        now = (state.term, state.vote, log.commit, log.applied)
        term, vote, commit, applied = self._seen.get(state.node, now)
        require(state.term >= term, "terms never go back", state.node, term, state.term)
        require(log.commit >= commit, "the commit index never goes back", state.node, commit)
        require(log.applied >= applied, "nothing is applied twice", state.node, applied)
        if state.term == term and vote is not None:
            require(state.vote == vote, "one vote per term", state.node, term, vote, state.vote)
        self._seen[state.node] = now

    def _leaders(self, core: Core, ready: Ready) -> None:
        for event in ready.events:
            if event.kind is not EventKind.LEADER:
                continue
            node = core.state.node
            leader = self.leaders.setdefault(event.term, node)
            require(leader == node, "election safety", event.term, leader, node)
        if core.state.role is Role.LEADER and core.state.term == max(self.leaders):
            log = core.state.log
            kept = log.page(Index(1), len(self.decided))
            require(list(kept) == self.decided, "leader completeness", core.state.node)

    def _state_machine(self, node: NodeId, committed: Sequence[Entry], before: int) -> None:
        for position, entry in enumerate(committed, before):
            require(entry.index == position + 1, "applied in order", node, position + 1, entry)
            if position < len(self.decided):
                known = self.decided[position]
                require(known == entry, "state-machine safety", node, known, entry)
            else:
                self.decided.append(entry)

    def _reads(self, node: NodeId, ready: Ready) -> None:
        for read in ready.read_states:
            floor = self._floors.pop((node, read.ticket), None)
            if floor is not None and read.index is not None:
                require(read.index >= floor, "linearizable read", node, read, floor)


def log_matching(cores: Mapping[NodeId, Core]) -> None:
    """Two logs with the same term at an index are the same up to it (Figure 3)."""
    logs = [
        list(core.state.log.page(Index(1), core.state.log.last_index)) for core in cores.values()
    ]
    for number, one in enumerate(logs):
        for other in logs[number + 1 :]:
            shared = min(len(one), len(other))
            agreed = [i for i in range(shared) if one[i].term == other[i].term]
            if agreed:
                end = agreed[-1] + 1
                require(one[:end] == other[:end], "log matching", one[:end], other[:end])


def durable_before_said(
    message: Message,
    disk: tuple[HardState, Sequence[Entry]],
    cores: Mapping[NodeId, Core],
) -> None:
    """What a message promises is on its sender's disk when it leaves (§3.8).

    A message of an earlier term may outlive its entries: its sender has moved on
    durably, and the quorums of the later term do not depend on it.
    """
    hard_state, entries = disk
    if not isinstance(message, RequestVote | VoteResponse | AppendEntries | AppendResponse):
        return
    if isinstance(message, RequestVote | VoteResponse) and message.pre:
        return
    require(hard_state.term >= message.term, "term durable before it is said", message, hard_state)
    if hard_state.term > message.term:
        return
    if isinstance(message, RequestVote):
        require(hard_state.vote == message.sender, "own vote durable", message, hard_state)
    elif isinstance(message, VoteResponse):
        if message.granted:
            require(hard_state.vote == message.to, "vote durable", message, hard_state)
    elif isinstance(message, AppendResponse) and message.success:
        require(len(entries) >= message.match, "entries durable before the ack", message)
        leader = cores.get(message.to)
        if leader and leader.state.role is Role.LEADER and leader.state.term == message.term:
            theirs = leader.state.log.page(Index(1), message.match)
            require(list(entries[: message.match]) == list(theirs), "acked what is stored", message)
