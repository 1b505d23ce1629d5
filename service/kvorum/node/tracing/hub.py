"""Everything that a node keeps about traces, and what its parts tell it."""

from asyncio import Future
from collections.abc import Callable, Sequence

from kvorum.node.tracing.entries import EntryTraces
from kvorum.node.tracing.limits import NOTES_MAX, OPEN_MAX
from kvorum.node.tracing.reads import ConfirmTraces, ReadTraces
from kvorum.node.tracing.replication import ReplicationTraces
from kvorum.node.tracing.writes import WriteTraces, failure_of, overdue
from kvorum.raft.messages import (
    AppendEntries,
    AppendResponse,
    Message,
    Propose,
    ProposeResponse,
    ReadIndex,
    ReadIndexResponse,
)
from kvorum.raft.ready import Ready, Receipt
from kvorum.raft.state import State
from kvorum.raft.types import Entry, EntryId, Index, NodeId, Role, Term, Ticket
from kvorum.telemetry.spans import LINKS_MAX, SpanContext, Spans, Subject, TraceNote


class _Proposed:
    """A follower's batch: its spans there, and then the one that appended it here."""

    __slots__ = ("at_ns", "contexts")

    def __init__(self, at_ns: int) -> None:
        self.at_ns = at_ns
        self.contexts: list[SpanContext] = []


_Proposals = dict[tuple[NodeId, Ticket], _Proposed]


class NodeTracing:
    """Implements :class:`~kvorum.telemetry.spans.FrameTraces`. On the event loop only."""

    def __init__(self, spans: Spans, name_of: Callable[[str], str]) -> None:
        self.spans = spans
        self.writes = WriteTraces(spans)
        self.reads = ReadTraces(spans)
        self._replication = ReplicationTraces(spans, name_of)
        self.entries = EntryTraces(spans, self._replication)
        self._confirms = ConfirmTraces(spans)
        self._proposed: _Proposals = {}  # by followers, not yet stepped; oldest first
        self._answered: _Proposals = {}  # the answer did not leave yet; oldest first

    @property
    def is_idle(self) -> bool:
        """Nothing sampled is in the hands of the core, the disk or a peer."""
        return (
            self.entries.is_idle
            and self._replication.is_idle
            and self.writes.is_idle
            and self._confirms.is_idle
            and not self._proposed
            and not self._answered
        )

    # --- from the driver ---------------------------------------------------------------

    def ready(self, ready: Ready, state: State) -> None:
        """What the core decided, right before it is done."""
        if self.is_idle:
            return
        at_ns = self.spans.now_ns()
        self.entries.reigns(state.term, is_leader=state.role is Role.LEADER, at_ns=at_ns)
        for receipt in ready.receipts:
            self._on_receipt(receipt, state)
        for message in ready.messages:
            self._on_message(message, at_ns)
        self.entries.committed(state.log.commit, at_ns)
        self._expire(at_ns)

    def _on_receipt(self, receipt: Receipt, state: State) -> None:
        batch, entry = self.writes.settle(receipt.ticket), receipt.entry
        if batch is None or entry is None:
            return
        batch.placed(entry)
        if state.role is not Role.LEADER or entry.term != state.term:
            return
        attributes = {
            "kvorum.batch.commands": batch.commands,
            "kvorum.batch.bytes": batch.size_bytes,
        }
        context = self.entries.lead(entry, batch.contexts, batch.at_ns, attributes)
        if context is not None:
            batch.link_others(context)

    def _on_message(self, message: Message, at_ns: int) -> None:
        match message:
            case AppendEntries():
                if message.entries:
                    self.entries.sent(message, at_ns)
            case AppendResponse(success=True):
                self.entries.acknowledged(message, at_ns)
            case ProposeResponse():
                self._on_answer(message, at_ns)
            case ReadIndexResponse():
                self._confirms.answered(message.to, message.ticket, message.index, at_ns)
            case _:
                pass

    def _on_answer(self, answer: ProposeResponse, at_ns: int) -> None:
        key = answer.to, answer.ticket
        proposed = self._proposed.pop(key, None)
        if proposed is None or answer.entry is None:
            return
        context = self.entries.lead(answer.entry, proposed.contexts, proposed.at_ns, {})
        if context is not None and len(self._answered) < OPEN_MAX:
            self._answered[key] = answered = _Proposed(at_ns)
            answered.contexts.append(context)

    def _expire(self, at_ns: int) -> None:
        for traces in (self.writes, self.entries, self._replication, self._confirms):
            traces.expire(at_ns)
        for table in (self._proposed, self._answered):
            for key in overdue(table.items(), at_ns):
                del table[key]

    # --- from the disk, the state machine and peers ------------------------------------

    def saving(self, entries: Sequence[Entry], written: "Future[None]") -> None:
        """One batch is being written; ``written`` is done when it is durable."""
        if self.entries.is_idle:
            return
        syncs = self.entries.saving(entries, self.spans.now_ns())
        if syncs:
            written.add_done_callback(
                lambda done: self.entries.saved(syncs, self.spans.now_ns(), failure_of(done))
            )

    def restored(self, index: Index) -> None:
        self.entries.restored(index, self.spans.now_ns())

    def delivered(self, messages: Sequence[Message]) -> None:
        """From a peer, just now."""
        if self._replication.is_idle:
            return
        at_ns = self.spans.now_ns()
        for message in messages:
            if isinstance(message, AppendResponse) and message.success:
                self._replication.acknowledged(message, at_ns)

    # --- beside the messages -----------------------------------------------------------

    def outgoing(self, peer: NodeId, messages: Sequence[Message]) -> Sequence[TraceNote]:
        """Notes about ``messages``, which leave for ``peer`` now."""
        notes: list[TraceNote] = []
        for message in messages:
            match message:
                case AppendEntries(entries=entries):
                    if entries and not self._replication.is_idle:
                        notes += self._of_entries(peer, entries)
                case Propose(ticket=ticket):
                    batch = self.writes.find(ticket)
                    contexts = batch.contexts if batch is not None else ()
                    notes += (TraceNote(Subject.PROPOSAL, ticket, 0, each) for each in contexts)
                case ProposeResponse(ticket=ticket):
                    answered = self._answered.pop((peer, ticket), None)
                    if answered is not None:
                        [context] = answered.contexts
                        notes.append(TraceNote(Subject.RECEIPT, ticket, 0, context))
                case ReadIndex(ticket=ticket):
                    asking = self.reads.context(ticket)
                    if asking is not None:
                        notes.append(TraceNote(Subject.READ, ticket, 0, asking))
                case _:
                    pass
        return notes[:NOTES_MAX]

    def _of_entries(self, peer: NodeId, entries: Sequence[Entry]) -> list[TraceNote]:
        found = ((entry, self._replication.context(peer, entry.id)) for entry in entries)
        return [
            TraceNote(Subject.ENTRY, entry.index, entry.term, context)
            for entry, context in found
            if context is not None
        ]

    def incoming(self, peer: NodeId, notes: Sequence[TraceNote]) -> None:
        """Notes of a frame; its messages are delivered right after."""
        at_ns = self.spans.now_ns()
        for note in notes[:NOTES_MAX]:
            if self.spans.accepts(note.context):
                self._on_note(peer, note, at_ns)

    def _on_note(self, peer: NodeId, note: TraceNote, at_ns: int) -> None:
        ticket = Ticket(note.number)
        match note.subject:
            case Subject.ENTRY:
                entry = EntryId(Term(note.term), Index(note.number))
                self.entries.follow(entry, note.context, at_ns)
            case Subject.PROPOSAL:
                self._on_proposal(peer, ticket, note.context, at_ns)
            case Subject.RECEIPT:
                batch = self.writes.find(ticket)
                if batch is not None:
                    batch.link_others(note.context)
            case Subject.READ:
                self._confirms.asked(peer, ticket, note.context, at_ns)

    def _on_proposal(self, peer: NodeId, ticket: Ticket, context: SpanContext, at_ns: int) -> None:
        proposed = self._proposed.get((peer, ticket))
        if proposed is None:
            if len(self._proposed) >= OPEN_MAX:
                return
            proposed = self._proposed[peer, ticket] = _Proposed(at_ns)
        if len(proposed.contexts) <= LINKS_MAX:
            proposed.contexts.append(context)
