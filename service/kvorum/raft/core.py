"""The protocol machine: ticks, messages and requests in, ``Ready`` out.

The driver's contract::

    core.tick() / core.step(message) / core.propose(…) / core.read_index(…)   any number of times
    ready = core.ready()          # what to do now
    …send ready.messages, apply ready.committed, start writing ready.save…
    core.advance(save)            # when that save is durable

At most one save is out; everything else goes on meanwhile.
"""

from collections.abc import Sequence
from typing import assert_never

from kvorum.raft import election, following, replication
from kvorum.raft.config import CoreOptions, RandomTicks
from kvorum.raft.membership import Membership
from kvorum.raft.messages import (
    AppendEntries,
    AppendResponse,
    Message,
    Propose,
    ProposeResponse,
    ReadIndex,
    ReadIndexResponse,
    RequestVote,
    VoteResponse,
)
from kvorum.raft.quorum import VoteResult
from kvorum.raft.read_only import ReadRequest
from kvorum.raft.ready import ReadState, Ready, Receipt, Save
from kvorum.raft.state import State
from kvorum.raft.types import Entry, EntryId, HardState, Role, Term, Ticket

COMMITTED_MAX = 512
COMMITTED_BYTES_MAX = 256 << 10
"""What one ``ready()`` hands out at most, so that applying yields to other work."""


class Core:
    def __init__(
        self,
        options: CoreOptions,
        membership: Membership,
        random_ticks: RandomTicks,
        hard_state: HardState,
        entries: Sequence[Entry] = (),
    ) -> None:
        """Resume from what the disk holds; a new node has an empty state and no entries."""
        assert options.node in membership.voters, "a core is a member of its cluster"
        self.state = State(options, membership, hard_state, entries, random_ticks)
        self._saving: Save | None = None

    # --- inputs ----------------------------------------------------------------------

    def tick(self) -> None:
        """One unit of time passed."""
        state = self.state
        state.election_elapsed += 1
        if state.role is Role.LEADER:
            self._tick_leader()
        elif state.election_elapsed >= state.election_timeout:
            self._settle(election.pre_campaign(state), pre=True)

    def _tick_leader(self) -> None:
        state = self.state
        state.heartbeat_elapsed += 1
        if state.heartbeat_elapsed >= state.options.heartbeat_ticks:
            state.heartbeat_elapsed = 0
            replication.heartbeat(state)
        else:
            replication.spread_commit(state)
        if state.election_elapsed >= state.options.election_ticks_max:
            state.election_elapsed = 0
            if not replication.is_quorum_active(state):
                state.become_follower(state.term, None, "a majority is silent (CheckQuorum)")

    def propose(self, ticket: Ticket, data: bytes) -> None:
        """Append a batch, or ask the leader to; the receipt comes with a later ``ready``.

        No receipt comes if the leader's answer is lost: the outcome is then unknown.
        """
        state = self.state
        if state.role is Role.LEADER:
            state.receipts.append(Receipt(ticket, replication.propose(state, data)))
        elif state.leader is None:
            state.receipts.append(Receipt(ticket, None))
        else:
            state.send(
                Propose(
                    to=state.leader, sender=state.node, term=state.term, ticket=ticket, data=data
                )
            )

    def read_index(self, ticket: Ticket) -> None:
        """Ask at which index a read is linearizable (§6.4); use each ticket once."""
        state = self.state
        if state.role is Role.LEADER:
            state.reads.add(ReadRequest(state.node, ticket))
        elif state.leader is None:
            state.read_states.append(ReadState(ticket, None))
        else:
            state.send(
                ReadIndex(to=state.leader, sender=state.node, term=state.term, ticket=ticket)
            )

    def step(self, message: Message) -> None:
        """Handle one message from another member."""
        assert message.to == self.state.node, "the transport delivers only our own messages"
        if message.sender not in self.state.membership.voters:
            return  # no member (any more)
        match message:
            case AppendEntries():
                self._on_append_entries(message)
            case AppendResponse():
                self._on_append_response(message)
            case RequestVote():
                self._on_request_vote(message)
            case VoteResponse():
                self._on_vote_response(message)
            case Propose():
                self._on_propose(message)
            case ReadIndex():
                self._on_read_index(message)
            case ProposeResponse():
                self.state.receipts.append(Receipt(message.ticket, message.entry))
            case ReadIndexResponse():
                self.state.read_states.append(ReadState(message.ticket, message.index))
            case _:
                assert_never(message)

    # --- messages --------------------------------------------------------------------

    def _on_append_entries(self, append: AppendEntries) -> None:
        state = self.state
        if append.term < state.term or self._leads(append.term):
            following.refuse_append(state, append)
            return
        if append.term > state.term or state.role is not Role.FOLLOWER:
            state.become_follower(append.term, append.sender, f"{append.sender} leads")
        else:
            state.follow(append.sender)
        following.on_append_entries(state, append)

    def _leads(self, term: Term) -> bool:
        return self.state.role is Role.LEADER and self.state.term == term

    def _on_append_response(self, response: AppendResponse) -> None:
        if self._adopt(response.term, f"{response.sender} is in term {response.term}"):
            return
        if self._leads(response.term):
            replication.on_append_response(self.state, response)

    def _on_request_vote(self, request: RequestVote) -> None:
        state = self.state
        what = "pre-vote" if request.pre else "vote"
        if request.term < state.term:
            election.refuse_vote(state, request, f"{what}: its term is old")
        elif request.term > state.term and state.hears_a_leader():
            election.refuse_vote(state, request, f"{what}: {state.leader} is alive")
        else:
            if not request.pre:
                self._adopt(request.term, f"{request.sender} campaigns")
            election.answer_vote(state, request)

    def _on_vote_response(self, response: VoteResponse) -> None:
        granted_ahead = response.pre and response.granted  # its term is the one asked for
        if not granted_ahead:
            if self._adopt(response.term, f"{response.sender} is in term {response.term}"):
                return
            if response.term < self.state.term:
                return
        self._settle(election.count_vote(self.state, response), pre=response.pre)

    def _on_propose(self, proposal: Propose) -> None:
        state = self.state
        entry: EntryId | None = None
        if state.role is Role.LEADER:
            entry = replication.propose(state, proposal.data)
            if entry is not None:
                state.progress[proposal.sender].awaits = entry.index
        state.send(
            ProposeResponse(
                to=proposal.sender,
                sender=state.node,
                term=state.term,
                ticket=proposal.ticket,
                entry=entry,
            )
        )

    def _on_read_index(self, read: ReadIndex) -> None:
        request = ReadRequest(read.sender, read.ticket)
        if self.state.role is Role.LEADER:
            self.state.reads.add(request)
        else:
            self.state.answer_read(request, None)

    # --- elections -------------------------------------------------------------------

    def _adopt(self, term: Term, why: str) -> bool:
        """A later term ends whatever we were doing (§3.3); true if it did."""
        if term <= self.state.term:
            return False
        self.state.become_follower(term, None, why)
        return True

    def _settle(self, result: VoteResult, *, pre: bool) -> None:
        """Act on the state of a campaign: a won pre-vote starts the real one (§9.6)."""
        if result is VoteResult.WON and pre:
            self._settle(election.campaign(self.state), pre=False)
        elif result is VoteResult.WON:
            replication.lead(self.state)
        elif result is VoteResult.LOST:
            self.state.become_follower(self.state.term, None, "lost")

    # --- outputs ---------------------------------------------------------------------

    def ready(self) -> Ready:
        """Take everything that is to be done now."""
        state = self.state
        if state.role is Role.LEADER:
            replication.flush(state)
        save = None if self._saving else self._next_save()
        committed = state.log.take_committed(COMMITTED_MAX, COMMITTED_BYTES_MAX)
        ready = Ready(
            tuple(state.messages),
            save,
            committed,
            tuple(state.receipts),
            tuple(state.read_states),
            tuple(state.events),
        )
        for outbox in (state.messages, state.receipts, state.read_states, state.events):
            outbox.clear()
        return ready

    def _next_save(self) -> Save | None:
        """Collect what the disk lacks; without such, nothing waits for a sync."""
        state = self.state
        entries = state.log.unstable(state.options.save_bytes_max)
        waiting: tuple[Message, ...] = ()
        if not entries or entries[-1].index == state.log.last_index:
            # Otherwise they promise more than this save holds.
            waiting = tuple(state.messages_after_sync)
            state.messages_after_sync.clear()
        changed = (state.term, state.vote) != (state.durable.term, state.durable.vote)
        if not entries and not changed:
            state.messages.extend(waiting)
            return None
        # The hint covers only what the disk holds before this save, so that it is true
        # whatever part of the save a crash leaves.
        commit = min(state.log.commit, state.log.stable)
        hard_state = HardState(state.term, state.vote, commit)
        self._saving = Save(hard_state, entries, waiting)
        return self._saving

    def advance(self, save: Save) -> None:
        """``save`` is durable: its promises may leave, and our own ack counts (§10.2.1)."""
        assert save is self._saving, "saves become durable one at a time, in order"
        state = self.state
        self._saving = None
        state.durable = save.hard_state
        state.messages.extend(save.messages)
        if save.entries:
            state.log.saved(save.entries[-1].id)
            if state.role is Role.LEADER:
                replication.advance_commit(state)

    def has_more(self) -> bool:
        """Whether committed entries are left over for another ``ready``."""
        return self.state.log.applied < self.state.log.commit
