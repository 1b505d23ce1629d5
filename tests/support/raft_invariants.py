"""What must hold at every moment of every run, checked by the model cluster.

The five properties of the Raft paper's Figure 3, and what durability adds (§3.8):
nothing is said that a crash could make untrue.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple, Protocol

from kvorum.raft.core import Core
from kvorum.raft.log import RaftLog
from kvorum.raft.membership import Membership, decode_membership
from kvorum.raft.messages import (
    AppendEntries,
    AppendResponse,
    Message,
    RequestVote,
    VoteResponse,
)
from kvorum.raft.ready import EventKind, Ready
from kvorum.raft.types import ORIGIN, Entry, EntryId, EntryKind, Index, NodeId, Role, Term, Ticket
from tests.support.raft_disk import Disk, Recovered


class Node(Protocol):
    """What the observer looks at: a core, unless the node is down, and its disk."""

    core: Core | None
    disk: Disk


class Cursors(NamedTuple):
    """What of a node only ever moves forward, while it runs."""

    term: Term
    vote: NodeId | None
    commit: Index
    applied: Index
    base: Index


class InvariantError(AssertionError):
    """A run broke a property that Raft guarantees."""


def require(holds: bool, rule: str, *facts: object) -> None:
    if not holds:
        raise InvariantError(f"{rule}: {', '.join(map(repr, facts))}")


class Invariants:
    """The outside observer: it sees every output of every core, and their disks."""

    def __init__(self, founding: Membership) -> None:
        self.decided: list[Entry] = []  # entry i at position i - 1, the same for all nodes
        self.memberships = [founding]  # decided ones, in order
        self.leaders: dict[Term, NodeId] = {}
        self._votes: dict[tuple[Term, NodeId], set[NodeId]] = {}
        self._seen: dict[NodeId, Cursors] = {}
        self._told_removed: set[NodeId] = set()
        self._floors: dict[tuple[NodeId, Ticket], int] = {}

    def started(self, node: NodeId) -> None:
        """A node began from its disk: its commit index may go back, its term may not."""
        self._seen.pop(node, None)
        self._told_removed.discard(node)

    def read_asked(self, node: NodeId, ticket: Ticket) -> None:
        """Whatever anyone has applied by now must be visible to this read (§6.4)."""
        self._floors[node, ticket] = len(self.decided)

    def check(
        self,
        core: Core,
        ready: Ready,
        applied: Sequence[Entry],
        members: Mapping[NodeId, Node],
    ) -> None:
        """``applied`` is what the node applied before this ``ready``."""
        node = core.state.node
        for message in ready.messages:
            self._note_vote(message)
            cores = {peer: member.core for peer, member in members.items() if member.core}
            durable_before_said(message, members[node].disk.recover(), cores)
        self._state_machine(node, ready.committed, len(applied))
        self._commit(core, members)
        self._cursors(core)
        self._leaders(core, ready)
        self._campaigns(core, ready)
        self._changes(core)
        self._reads(node, ready)

    def _cursors(self, core: Core) -> None:
        state, log = core.state, core.state.log
        require(log.applied <= log.commit <= log.last_index, "applied ≤ commit ≤ last", state.node)
        require(log.base.index <= log.stable <= log.last_index, "stable ≤ last", state.node)
        require(log.base.index <= log.applied, "base ≤ applied", state.node)
        now = Cursors(state.term, state.vote, log.commit, log.applied, log.base.index)
        seen = self._seen.get(state.node, now)
        require(now.term >= seen.term, "terms never go back", state.node, seen, now)
        require(now.commit >= seen.commit, "the commit index never goes back", state.node, seen)
        require(now.applied >= seen.applied, "nothing is applied twice", state.node, seen)
        require(now.base >= seen.base, "what was compacted does not return", state.node, seen)
        if now.term == seen.term and seen.vote is not None:
            require(now.vote == seen.vote, "one vote per term", state.node, seen, now)
        self._seen[state.node] = now

    def _commit(self, core: Core, members: Mapping[NodeId, Node]) -> None:
        """A leader decides only what a majority of each set of voters has on disk (§4.3)."""
        state, log = core.state, core.state.log
        seen = self._seen.get(state.node)
        if state.role is not Role.LEADER or (seen is not None and seen.commit >= log.commit):
            return
        term = log.term_at(log.commit)
        assert term is not None
        last = EntryId(term, log.commit)
        # The change that this very decision started was not in force yet when it was made.
        counted = (core.membership, core.membership_at(log.commit))
        holders = {node for node, member in members.items() if member.disk.recover().holds(last)}
        require(
            any(agree(membership, holders) for membership in counted),
            "commit needs majorities",
            state.node,
            last,
            counted,
            holders,
        )

    def _leaders(self, core: Core, ready: Ready) -> None:
        node, log = core.state.node, core.state.log
        for event in ready.events:
            if event.kind is not EventKind.LEADER:
                continue
            leader = self.leaders.setdefault(event.term, node)
            require(leader == node, "election safety", event.term, leader, node)
            if event.term == core.state.term:
                votes = self._votes.get((event.term, node), set()) | {node}
                require(agree(core.membership, votes), "elected by majorities", node, votes)
        if core.state.role is Role.LEADER and core.state.term == max(self.leaders):
            kept = list(log.page(log.first_index, len(self.decided) - log.base.index))
            require(kept == self.decided[log.base.index :], "leader completeness", node)
            require(self._is_decided(log.base), "leader completeness, compacted", node, log.base)

    def _is_decided(self, entry: EntryId) -> bool:
        if entry.index > len(self.decided):
            return False
        return entry == (self.decided[entry.index - 1].id if entry.index else ORIGIN)

    def _note_vote(self, message: Message) -> None:
        if isinstance(message, VoteResponse) and message.granted and not message.pre:
            self._votes.setdefault((message.term, message.to), set()).add(message.sender)

    def _campaigns(self, core: Core, ready: Ready) -> None:
        """Learners and those that were removed do not disturb (§4.2.1, §4.2.3)."""
        state = core.state
        for event in ready.events:
            if event.kind is EventKind.REMOVED:
                require(state.node not in self._told_removed, "told once", state.node)
                self._told_removed.add(state.node)
            elif event.kind in (EventKind.PRE_CAMPAIGN, EventKind.CAMPAIGN):
                known = state.memberships.since(state.log.applied)
                is_voter = any(membership.is_voter(state.node) for membership in known)
                require(is_voter, "only voters campaign", state.node, known)

    def _changes(self, core: Core) -> None:
        """One change at a time: at most one membership behind what is decided (§4.3)."""
        log = core.state.log
        behind = log.page(Index(max(log.commit, len(self.decided)) + 1), log.last_index)
        undecided = [entry for entry in behind if entry.kind is EntryKind.MEMBERSHIP]
        require(len(undecided) <= 1, "one change at a time", core.state.node, undecided)

    def _state_machine(self, node: NodeId, committed: Sequence[Entry], before: int) -> None:
        for position, entry in enumerate(committed, before):
            require(entry.index == position + 1, "applied in order", node, position + 1, entry)
            if position < len(self.decided):
                known = self.decided[position]
                require(known == entry, "state-machine safety", node, known, entry)
            else:
                self._decide(entry)

    def _decide(self, entry: Entry) -> None:
        self.decided.append(entry)
        if entry.kind is EntryKind.MEMBERSHIP:
            before, after = self.memberships[-1], decode_membership(entry.data)
            require(follows(before, after), "voters change only through both", before, after)
            self.memberships.append(after)

    def _reads(self, node: NodeId, ready: Ready) -> None:
        for read in ready.read_states:
            floor = self._floors.pop((node, read.ticket), None)
            if floor is not None and read.index is not None:
                require(read.index >= floor, "linearizable read", node, read, floor)


def agree(membership: Membership, nodes: AbstractSet[NodeId]) -> bool:
    """Whether these are a majority of every set of voters, counted as simply as possible."""
    return all(
        2 * sum(voter in nodes for voter in voters) > len(voters)
        for voters in membership.majorities
    )


def follows(before: Membership, after: Membership) -> bool:
    """Whether every majority of one meets every majority of the other (§4.3)."""
    if before.is_joint:
        return after.voters == before.voters and not after.is_joint
    return before.voters in (after.voters, after.outgoing)


def log_matching(cores: Mapping[NodeId, Core]) -> None:
    """Two logs with the same term at an index are the same up to it (Figure 3).

    As far as both are in memory: what was compacted is checked by the state machines.
    """
    logs = [core.state.log for core in cores.values()]
    for number, one in enumerate(logs):
        for other in logs[number + 1 :]:
            first = max(one.first_index, other.first_index)
            shared = min(one.last_index, other.last_index) - first + 1
            ours, theirs = one.page(first, max(shared, 0)), other.page(first, max(shared, 0))
            agreed = [i for i in range(len(ours)) if ours[i].term == theirs[i].term]
            if agreed:
                end = agreed[-1] + 1
                require(ours[:end] == theirs[:end], "log matching", ours[:end], theirs[:end])


def durable_before_said(message: Message, found: Recovered, cores: Mapping[NodeId, Core]) -> None:
    """What a message promises is on its sender's disk when it leaves (§3.8).

    ``found`` is what its sender would find at a start. A message of an earlier term may
    outlive its entries: its sender has moved on durably, and the quorums of the later term
    do not depend on it.
    """
    if not isinstance(message, RequestVote | VoteResponse | AppendEntries | AppendResponse):
        return
    if isinstance(message, RequestVote | VoteResponse) and message.pre:
        return
    hard_state = found.hard_state
    require(hard_state.term >= message.term, "term durable before it is said", message, hard_state)
    if hard_state.term > message.term:
        return
    if isinstance(message, RequestVote):
        require(hard_state.vote == message.sender, "own vote durable", message, hard_state)
    elif isinstance(message, VoteResponse):
        if message.granted:
            require(hard_state.vote == message.to, "vote durable", message, hard_state)
    elif isinstance(message, AppendResponse) and message.success:
        require(found.last_index >= message.match, "entries durable before the ack", message)
        leader = cores.get(message.to)
        if leader and leads(leader, message.term):
            _same_entries(message, found, leader.state.log)


def leads(core: Core, term: Term) -> bool:
    return core.state.role is Role.LEADER and core.state.term == term


def _same_entries(message: AppendResponse, found: Recovered, log: RaftLog) -> None:
    """As far as the leader still has them: the rest is decided."""
    first = max(log.base.index, found.base.index) + 1
    theirs = log.page(Index(first), max(message.match - first + 1, 0))
    at = first - found.base.index - 1
    ours = found.entries[at : at + len(theirs)]
    require(list(ours) == list(theirs), "acked what is stored", message)
