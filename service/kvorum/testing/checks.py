"""What must hold at every step of every run, seen from outside.

The five properties of the Raft paper's Figure 3, what durability adds to them (§3.8), and that
equal logs make equal states. A check costs little, because it looks only at what has changed
since the last one.
"""

from asyncio import Future
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from kvorum.mvcc.state_machine import StateMachine
from kvorum.raft.core import Core
from kvorum.raft.membership import Membership
from kvorum.raft.messages import (
    AppendEntries,
    AppendResponse,
    Message,
    RequestVote,
    VoteResponse,
)
from kvorum.raft.types import ORIGIN, Entry, EntryId, HardState, Index, NodeId, Role, Term


class InvariantBroken(AssertionError):
    """A run broke a property that must never break."""


def require(holds: bool, rule: str, *facts: object) -> None:
    if not holds:
        raise InvariantBroken(f"{rule}: {', '.join(map(str, facts))}")


_Batch = tuple[Future[None], HardState | None, Sequence[Entry], EntryId | None]


class Durable:
    """What a node was told to be on its disk, in the terms of consensus.

    ``terms`` are those of the entries behind ``base``.
    """

    def __init__(
        self, hard_state: HardState, base: EntryId = ORIGIN, terms: Sequence[Term] = ()
    ) -> None:
        self.hard_state = hard_state
        self.base = base
        self.terms = list(terms)
        self._writing: _Batch | None = None

    def __str__(self) -> str:
        return f"{self.hard_state}, entries {self.base.index + 1}..{self.last_index}"

    @property
    def last_index(self) -> int:
        return self.base.index + len(self.terms)

    def holds(self, index: Index, term: Term) -> bool:
        """Whether it holds that entry, or a snapshot that covers its place."""
        at = index - self.base.index - 1
        return at < 0 or (at < len(self.terms) and self.terms[at] == term)

    def writing(
        self,
        written: "Future[None]",
        hard_state: HardState | None,
        entries: Sequence[Entry],
        base: EntryId | None,
    ) -> None:
        """A batch is on its way to the disk; one at a time."""
        self.settle()
        self._writing = (written, hard_state, entries, base)

    def settle(self) -> None:
        """Take over the batch on its way if it has come through."""
        if self._writing is None or not self._writing[0].done():
            return
        (written, hard_state, entries, base), self._writing = self._writing, None
        if not written.cancelled() and written.exception() is None:
            self._store(hard_state, entries, base)

    def _store(
        self, hard_state: HardState | None, entries: Sequence[Entry], base: EntryId | None
    ) -> None:
        if base is not None:
            self.base, self.terms = base, []
        if entries:
            at = entries[0].index - self.base.index - 1
            require(0 <= at <= len(self.terms), "a log has no gaps", entries[0].id, self.base)
            del self.terms[at:]
            self.terms.extend(entry.term for entry in entries)
        if hard_state is not None:
            self.hard_state = hard_state

    def require_in(self, found: "Durable", node: NodeId) -> None:
        """A node that starts finds at least this."""
        self.settle()
        mine, theirs = self.hard_state, found.hard_state
        require(theirs.term >= mine.term, "a term survives a crash", node, mine, theirs)
        if theirs.term == mine.term and mine.vote is not None:
            require(theirs.vote == mine.vote, "a vote survives a crash", node, mine, theirs)
        require(
            found.last_index >= self.last_index or self._replaced_in(found),
            "what was acknowledged survives a crash",
            node,
            f"{self.last_index} was durable, {found.last_index} was found",
        )
        for offset, term in enumerate(self.terms):
            index = Index(self.base.index + 1 + offset)
            holds = found.holds(index, term) or self._replaced_in(found)
            require(holds, "what was acknowledged survives a crash", node, index, term)

    def _replaced_in(self, found: "Durable") -> bool:
        """A write under way when the node crashed may have replaced entries of ours."""
        return found.hard_state.term > self.hard_state.term or (
            bool(found.terms) and found.terms[-1] > (self.terms[-1] if self.terms else 0)
        )


class Watched(Protocol):
    """One incarnation of a member. ``durable`` outlives it."""

    @property
    def id(self) -> NodeId: ...
    @property
    def core(self) -> Core: ...
    @property
    def machine(self) -> StateMachine: ...
    @property
    def durable(self) -> Durable: ...


class Decision(Struct, frozen=True):
    """A committed entry, and the term of the leader that committed it."""

    entry: Entry
    by_term: Term


class _Seen:
    """What the last look at an incarnation found."""

    __slots__ = ("applied", "commit", "last", "leads", "membership", "now", "revision", "term")

    def __init__(self) -> None:
        self.now: tuple[object, ...] = ()
        self.term = Term(0)
        self.commit = Index(0)
        self.applied = 0
        self.revision = 0
        self.last = ORIGIN
        self.leads: Term | None = None
        self.membership: Membership | None = None


class Invariants:
    """The outside observer of one run."""

    def __init__(self, now_s: Callable[[], float] = lambda: 0.0) -> None:
        """``now_s`` is the time by which ``born_s`` says when an entry was first seen."""
        self.decided: dict[Index, Decision] = {}
        self.born_s: dict[tuple[Index, Term], float] = {}
        self.leaders: dict[Term, NodeId] = {}
        self.steps = 0
        self._entries: dict[tuple[Index, Term], tuple[Term | None, Entry]] = {}
        self._hashes: dict[int, tuple[int, NodeId]] = {}
        self._votes: dict[tuple[NodeId, Term], NodeId] = {}
        self._seen: dict[NodeId, _Seen] = {}
        self._disks: dict[NodeId, Durable] = {}
        self._lost_disks: list[tuple[NodeId, Durable]] = []
        self._failure: InvariantBroken | None = None
        self._now_s = now_s

    def started(self, node: Watched) -> None:
        """A new incarnation: what it has not written may be gone."""
        self._seen[node.id] = _Seen()
        self._disks[node.id] = node.durable

    def disk_lost(self, node: NodeId) -> None:
        """What it acknowledged may be counted all the same: its answers may be on their way."""
        disk = self._disks.pop(node, None)
        if disk is not None:
            self._lost_disks.append((node, disk))

    # --- one step ----------------------------------------------------------------------

    def look(self, node: Watched) -> None:
        """Called after every callback of the node. Raises :class:`InvariantBroken`."""
        if self._failure is not None:
            raise self._failure
        state, machine = node.core.state, node.machine
        log, seen = state.log, self._seen[node.id]
        now = (
            state.term,
            state.role,
            log.commit,
            log.last,
            machine.applied_index,
            machine.revision,
        )
        if now == seen.now:
            return
        self.steps += 1
        self._cursors(node, seen)
        if seen.last != log.last:
            self._log_matching(node)
        if state.role is Role.LEADER and seen.leads != state.term:
            self._elected(node)
        if log.commit > seen.commit:
            self._committed(node, seen)
        if machine.applied_index != seen.applied:
            self._same_state(node)
        self._remember(node, seen, now)

    def _remember(self, node: Watched, seen: _Seen, now: tuple[object, ...]) -> None:
        state = node.core.state
        seen.now = now
        seen.term = state.term
        seen.commit = state.log.commit
        seen.last = state.log.last
        seen.applied = node.machine.applied_index
        seen.revision = node.machine.revision
        seen.leads = state.term if state.role is Role.LEADER else None
        seen.membership = node.core.membership

    def _cursors(self, node: Watched, seen: _Seen) -> None:
        state, machine = node.core.state, node.machine
        log = state.log
        require(log.applied <= log.commit <= log.last_index, "applied ≤ commit ≤ last", node.id)
        require(log.stable <= log.last_index, "stable ≤ last", node.id)
        require(state.term >= seen.term, "terms never go back", node.id, seen.term, state.term)
        require(log.commit >= seen.commit, "commit never goes back", node.id, seen.commit)
        require(machine.applied_index >= seen.applied, "nothing is applied twice", node.id)
        require(machine.revision >= seen.revision, "revisions never go back", node.id)
        require(machine.applied_index <= log.commit, "applied only what is decided", node.id)

    def _log_matching(self, node: Watched) -> None:
        """An index and a term name one entry and all before it, in every log (Figure 3)."""
        log = node.core.state.log
        index = log.last_index
        while index > 0:
            page = log.page(index, 1)
            if not page or page[0].index != index:
                return  # covered by a snapshot
            entry, before = page[0], log.term_at(Index(index - 1))
            known = self._entries.get((index, entry.term))
            if known is None:
                self._entries[index, entry.term] = (before, entry)
                self.born_s[index, entry.term] = self._now_s()
            else:
                require(known[1] == entry, "log matching", node.id, entry, known[1])
                if before is None:
                    return
                if known[0] is not None:
                    require(known[0] == before, "log matching", node.id, entry.id, before, known[0])
                    return  # and so it is with all before
            index = Index(index - 1)

    def _elected(self, node: Watched) -> None:
        """One leader a term (§3.4), with all that earlier leaders committed (§3.6.3)."""
        state = node.core.state
        leader = self.leaders.setdefault(state.term, node.id)
        require(leader == node.id, "election safety", state.term, leader, node.id)
        log = state.log
        for index in reversed(self.decided):
            decision = self.decided[index]
            term = log.term_at(index)
            if term is None and index <= log.last_index:
                return  # covered by a snapshot, which holds only what was applied
            if decision.by_term < state.term:
                holds = term == decision.entry.term
                require(holds, "leader completeness", node.id, state.term, decision.entry)

    def _committed(self, node: Watched, seen: _Seen) -> None:
        """What one node takes for decided is decided, everywhere and for good."""
        state = node.core.state
        log = state.log
        first = Index(max(seen.commit, log.base.index) + 1)
        for entry in log.page(first, log.commit - first + 1):
            known = self.decided.get(entry.index)
            if known is not None:
                require(known.entry == entry, "state-machine safety", node.id, entry, known.entry)
                continue
            self.decided[entry.index] = Decision(entry, state.term)
            if state.role is Role.LEADER:
                self._on_a_majority(node, seen, entry)
        if state.role is Role.LEADER and seen.leads == state.term:
            term = log.term_at(log.commit)
            require(term in (state.term, None), "counts only its own term (§3.6.2)", node.id, term)

    def _on_a_majority(self, node: Watched, seen: _Seen, entry: Entry) -> None:
        """It is on enough disks, by the membership in force or the one just before."""
        memberships = [m for m in (node.core.membership, seen.membership) if m is not None]
        disks = [*self._disks.items(), *self._lost_disks]
        for _, disk in disks:
            disk.settle()
        holders = {member for member, disk in disks if disk.holds(entry.index, entry.term)}
        enough = any(
            all(_is_majority(holders, voters) for voters in membership.majorities)
            for membership in memberships
        )
        require(enough, "committed on a majority of disks", node.id, entry.id, holders)

    def _same_state(self, node: Watched) -> None:
        """Whoever has applied the same entries is in the same state."""
        machine = node.machine
        known = self._hashes.setdefault(machine.applied_index, (machine.state_hash, node.id))
        require(
            known[0] == machine.state_hash,
            "the same state at the same index",
            f"at {machine.applied_index} {node.id} differs from {known[1]}",
        )

    # --- messages ----------------------------------------------------------------------

    def heard(self, messages: Sequence[Message]) -> None:
        """Messages that leave a node; the next :meth:`look` raises what is wrong with them."""
        for message in messages:
            try:
                self._durable_before_said(message)
            except InvariantBroken as failure:
                self._failure = self._failure or failure

    def _durable_before_said(self, message: Message) -> None:
        """What a message promises is on its sender's disk when it leaves (§3.8).

        A message of an earlier term may outlive its entries: its sender has moved on durably,
        and the majorities of the later term do not depend on it.
        """
        if not isinstance(message, RequestVote | VoteResponse | AppendEntries | AppendResponse):
            return
        if isinstance(message, RequestVote | VoteResponse) and message.pre:
            return
        disk = self._disks[message.sender]
        disk.settle()
        hard_state = disk.hard_state
        require(hard_state.term >= message.term, "a term is durable before it is said", message)
        if isinstance(message, RequestVote):
            self._vote(message.sender, message.term, message.sender, hard_state)
        elif isinstance(message, VoteResponse) and message.granted:
            self._vote(message.sender, message.term, message.to, hard_state)
        elif isinstance(message, AppendResponse) and message.success:
            is_held = hard_state.term > message.term or disk.last_index >= message.match
            require(is_held, "entries are durable before they are acknowledged", message)

    def _vote(self, voter: NodeId, term: Term, candidate: NodeId, hard_state: HardState) -> None:
        """One vote in each term, also across crashes (§3.4)."""
        if hard_state.term == term:
            is_durable = hard_state.vote == candidate
            require(is_durable, "a vote is durable before it is given", voter, term, candidate)
        given = self._votes.setdefault((voter, term), candidate)
        require(given == candidate, "one vote in each term", voter, term, given, candidate)


def _is_majority(some: Collection[NodeId], voters: Sequence[NodeId]) -> bool:
    return 2 * sum(voter in some for voter in voters) > len(voters)


def log_of(decided: Mapping[Index, Decision]) -> list[Entry]:
    """All that was decided, in order."""
    return [decided[index].entry for index in sorted(decided)]
