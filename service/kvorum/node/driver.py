"""The only owner of the core: inputs in, ``Ready`` out to disk, network and applier.

One turn handles everything that is waiting: messages, then time, then requests.
The disk works beside the loop, one batch at a time; while it does, messages are
still handled, and new writes gather for the next batch (group commit without a
timer: an idle node never waits).
"""

import asyncio
import logging
from asyncio import Future
from collections.abc import Sequence

import msgspec

from kvorum.mvcc.command import decode_batch, encode_batch, stamped
from kvorum.mvcc.state_machine import StateMachine
from kvorum.node.applier import Applier, apply_for_a_turn
from kvorum.node.fence import Fence
from kvorum.node.housekeeping import Stamps
from kvorum.node.leadership import LeadershipWatch
from kvorum.node.observer import NodeObserver
from kvorum.node.options import NodeOptions
from kvorum.node.ports import Clock, LogStore, Peers
from kvorum.node.proposals import Proposals
from kvorum.node.reads import Reads
from kvorum.node.snapshot_exchange import SnapshotCollector
from kvorum.node.state_check import StateCheck
from kvorum.node.ticker import Ticker
from kvorum.node.timing import Timing
from kvorum.node.tracing.hub import NodeTracing
from kvorum.node.turns import Turns
from kvorum.node.upkeep import Upkeep
from kvorum.raft.core import Core
from kvorum.raft.messages import (
    AppendEntries,
    InstallSnapshot,
    Message,
    Propose,
    ProposeResponse,
    StateHash,
)
from kvorum.raft.ready import Event, EventKind, Ready, Save
from kvorum.raft.snapshot import Snapshot
from kvorum.raft.types import EntryKind, Index, NodeId, Term, Ticket

_log = logging.getLogger("kvorum.node")

NOBODY_WAITS = Ticket(0)
"""Of a batch without commands; requests have tickets from 1 on."""


class Driver:
    def __init__(
        self,
        options: NodeOptions,
        core: Core,
        *,
        log: LogStore,
        peers: Peers,
        applier: Applier,
        proposals: Proposals,
        reads: Reads,
        leadership: LeadershipWatch,
        collector: SnapshotCollector,
        state_check: StateCheck,
        upkeep: Upkeep,
        fence: Fence,
        observer: NodeObserver,
        timing: Timing,
        clock: Clock,
        stamps: Stamps,
        turns: Turns,
        tracing: NodeTracing | None = None,
    ) -> None:
        """``turns`` are asked for by whoever has something for the driver."""
        self._options = options
        self._core = core
        self._log = log
        self._peers = peers
        self._applier = applier
        self._proposals = proposals
        self._reads = reads
        self._leadership = leadership
        self._collector = collector
        self._state_check = state_check
        self._upkeep = upkeep
        self._fence = fence
        self._observer = observer
        self._timing = timing
        self._stamps = stamps
        self._tracing = tracing
        self._turns = turns
        self._clock = clock
        self._ticker = Ticker(clock, options.tick_s, options.heartbeat_ticks)
        self._loop = asyncio.get_running_loop()
        self._inbox: list[Message] = []
        self._saving: Save | None = None
        self._written: Future[None] | None = None  # when it is durable, once it was handed over
        self._is_removed = False  # whoever asked for that is answered first
        self._loaded: tuple[Snapshot, StateMachine, Future[None]] | None = None
        self._offered: tuple[Snapshot, Index] | None = None
        self._reign: tuple[Term, NodeId | None] = (Term(0), None)

    def deliver(self, messages: Sequence[Message]) -> None:
        """Messages from peers; those that do not fit are dropped, Raft repeats what matters."""
        room = self._options.inbox_max - len(self._inbox)
        self._inbox.extend(messages[:room])
        self._turns.ask()
        if len(messages) > room:
            self._observer.inbox_full(len(messages) - room)

    async def run(self) -> None:
        """Until cancelled. Any exception is final: Raft recovers from the disk, not from here."""
        try:
            await self._turns.run(self._turn, self._options.tick_s)
        finally:
            self._proposals.close()
            self._reads.close()
            self._upkeep.close()

    def install(self, snapshot: Snapshot, machine: StateMachine) -> "Future[None]":
        """A snapshot from the leader is loaded: take it over at the next turn.

        Done when that has happened, or the snapshot turned out to be old; whatever is not
        needed any more is then in ``machine``.
        """
        done: Future[None] = self._loop.create_future()
        self._loaded = (snapshot, machine, done)
        self._turns.ask()
        return done

    def offer(self, snapshot: Snapshot, keep_from: Index) -> None:
        """A snapshot of our own is durable: the log before ``keep_from`` may go (§5.1)."""
        self._offered = (snapshot, keep_from)
        self._turns.ask()

    # --- one turn ----------------------------------------------------------------------

    def _turn(self) -> None:
        self._turns.is_batch_out = False  # what is done in here may change that
        self._finish_save()
        self._take_snapshots()
        self._step_messages()
        self._tick()
        self._note_leadership()
        self._propose()
        self._timing.look()
        self._process(self._core.ready(committed_max=0))
        self._upkeep.note_membership()
        self._upkeep.settle()
        if self._is_removed and not self._core.has_more():
            self._fence.raise_for("it was removed from the cluster")
        if self._core.has_more():
            self._turns.ask()
        self._turns.is_batch_out = self._is_batch_out()

    def _is_batch_out(self) -> bool:
        """On a leader the disk sets the pace, on a follower the leader's receipts."""
        if self._leadership.is_leader:
            return self._saving is not None
        return self._proposals.awaits_receipt

    def _step_messages(self) -> None:
        if not self._inbox:
            return
        messages, self._inbox = self._inbox, []
        step = self._core.step
        for message in messages:
            match message:
                case Propose(kind=EntryKind.COMMANDS):
                    self._step_proposal(message)
                case StateHash():
                    self._state_check.heard(message)
                case AppendEntries() | InstallSnapshot() if message.term >= self._core.state.term:
                    self._leadership.heard()
                    step(message)
                case _:
                    step(message)
        self._timing.heard(messages)

    def _step_proposal(self, proposal: Propose) -> None:
        """A follower's batch, under our stamp: time and retention in the log are the leader's.

        What this release cannot read must not reach the log, where it would stop every
        node that applies it.
        """
        try:
            decode_batch(proposal.data)
        except ValueError as error:
            _log.error(
                "refused a batch that this release cannot read",
                extra={"peer": proposal.sender, "why": str(error)},
            )
            self._peers.send((self._refusal_of(proposal),))
            return
        data = stamped(proposal.data, self._stamps.now())
        self._core.step(msgspec.structs.replace(proposal, data=data))

    def _refusal_of(self, proposal: Propose) -> ProposeResponse:
        return ProposeResponse(
            to=proposal.sender,
            sender=proposal.to,
            term=self._core.state.term,
            ticket=proposal.ticket,
            entry=None,
        )

    def _tick(self) -> None:
        due = self._ticker.take_due()
        for _ in range(due):
            self._core.tick()
        if due:
            self._proposals.expire()
            self._reads.expire()
            self._upkeep.tick(self._ticker.late_s)

    def _propose(self) -> None:
        """Hand over what is waiting, unless the last batch is not through: then it gathers on."""
        if self._leadership.leader is None:
            return
        if not self._is_batch_out():
            self._propose_batches()
        ticket_or_none = self._reads.take_ticket()
        if ticket_or_none is not None:
            self._core.read_index(ticket_or_none)

    def _propose_batches(self) -> None:
        stamp, housekeeping = self._stamps.now(), self._upkeep.housekeeping
        batches = self._proposals.take_batches(stamp)
        for ticket, data in batches:
            self._core.propose(ticket, data)
        if housekeeping.is_due:  # what others append brings the time along
            if not batches:
                self._core.propose(NOBODY_WAITS, encode_batch((), stamp))
            housekeeping.proposed(self._core.state.log.last_index)

    def _process(self, ready: Ready) -> None:
        if self._tracing is not None:
            self._tracing.ready(ready, self._core.state)
        if ready.messages:
            self._peers.send(ready.messages)  # overlaps the sync (§10.2.1)
            self._timing.sent(ready.messages)
        if ready.save is not None:
            self._save(ready.save)
        for event in ready.events:
            self._on_event(event)
        for receipt in ready.receipts:
            self._proposals.on_receipt(receipt, self._applier.applied)
            self._upkeep.members.on_receipt(receipt)
        if ready.chunks:
            self._collector.collect(ready.chunks[-1])
        for wanted in ready.chunks_wanted:
            self._upkeep.sender.want(wanted)
        for state in ready.read_states:
            self._reads.on_read_state(state)
        apply_for_a_turn(self._core, self._applier, self._clock, self._timing.applies)
        self._reads.serve(self._applier.applied)

    def _on_event(self, event: Event) -> None:
        self._observer.event(event)
        if event.kind is EventKind.REMOVED:
            self._is_removed = True

    # --- disk --------------------------------------------------------------------------

    def _take_snapshots(self) -> None:
        """The core and the state machine go over to a leader's snapshot in one step."""
        if self._loaded is not None:
            (snapshot, machine, done), self._loaded = self._loaded, None
            if self._core.install(snapshot):
                self._applier.replace_state(machine)
            done.set_result(None)
        if self._offered is not None:
            (snapshot, keep_from), self._offered = self._offered, None
            self._core.offer(snapshot, keep_from)

    def _save(self, save: Save) -> None:
        """Hand it over when this turn is done and what it sent has left.

        The log's thread would contend for the interpreter with both, to nobody's profit: the
        way to others and back is longer than that to the disk.
        """
        self._saving = save
        self._turns.do_soon(self._start_save)

    def _start_save(self) -> None:
        save = self._saving
        assert save is not None, "at most one is out, and it is taken back when it is durable"
        self._written = self._log.append(save.hard_state, save.entries, save.base)
        self._upkeep.stall.write_began()
        self._written.add_done_callback(lambda _: self._turns.take())

    def _finish_save(self) -> None:
        """A failed write raises here and ends the node: it is never retried."""
        save, written = self._saving, self._written
        if save is None or written is None or not written.done():
            return
        self._saving = self._written = None
        self._upkeep.stall.write_ended()
        written.result()
        self._core.advance(save)  # only now do our promises leave (§3.8)

    # --- who leads -----------------------------------------------------------------------

    def _note_leadership(self) -> None:
        state = self._core.state
        reign = (state.term, state.leader)
        if reign == self._reign:
            return
        if state.leader != self._reign[1]:
            self._observer.leader_changed(state.term, state.leader)
        self._reign = reign
        self._leadership.report(state.leader)
        if state.leader is not None:
            self._proposals.on_new_leader()
