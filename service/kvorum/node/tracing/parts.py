"""The parts of a node that tell of sampled requests, in place of the plain ones."""

from asyncio import Future
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Concatenate, ParamSpec, TypeVar

from kvorum.mvcc.command import Stamp
from kvorum.mvcc.outcome import Outcome
from kvorum.mvcc.state_machine import StateMachine
from kvorum.node.applier import Applier
from kvorum.node.ports import LogStore
from kvorum.node.proposals import Proposals
from kvorum.node.reads import Read, Reads
from kvorum.node.tracing.hub import NodeTracing
from kvorum.raft.ready import ReadState
from kvorum.raft.types import Entry, EntryId, HardState, Index, Ticket

P = ParamSpec("P")
Part = TypeVar("Part")


class TracedProposals(Proposals):
    def __init__(self, tracing: NodeTracing, *arguments: Any) -> None:
        """The others are those of :class:`Proposals`."""
        super().__init__(*arguments)
        self._tracing = tracing

    def submit(self, request_id: str, command: bytes, weight: int = 1) -> "Future[Outcome]":
        future = super().submit(request_id, command, weight)
        self._tracing.writes.submitted(request_id, future)
        return future

    def take_batches(self, stamp: Stamp) -> list[tuple[Ticket, bytes]]:
        batches = super().take_batches(stamp)
        traces = self._tracing.writes
        if traces.has_open:
            for ticket, data in batches:
                ids = [write.request_id for write in self._batches[ticket].writes]
                traces.taken(ticket, ids, len(data))
        return batches


class TracedReads(Reads):
    def __init__(self, tracing: NodeTracing, *arguments: Any) -> None:
        """The others are those of :class:`Reads`."""
        super().__init__(*arguments)
        self._traces = tracing.reads

    def submit(self, read: Read) -> None:
        super().submit(read)
        if isinstance(read.waiter, Future):  # others have no request to belong to
            self._traces.submitted(read.waiter)

    def take_ticket(self) -> Ticket | None:
        former = self._asking
        ticket = super().take_ticket()
        if ticket is not None:
            self._traces.asked(ticket, is_new=self._asking is not former)
        return ticket

    def on_read_state(self, state: ReadState) -> None:
        asking = self._asking
        super().on_read_state(state)
        if asking is not None and self._asking is None and state.index is not None:
            self._traces.confirmed(state.index)


class TracedApplier(Applier):
    def __init__(self, tracing: NodeTracing, machine: StateMachine, *arguments: Any) -> None:
        """The others are those of :class:`Applier`."""
        super().__init__(machine, *arguments)
        self._tracing = tracing
        tracing.entries.reached(self.applied)

    def apply(self, entries: Sequence[Entry]) -> None:
        traces, spans = self._tracing.entries, self._tracing.spans
        if traces.is_idle:
            super().apply(entries)
        else:
            for entry in entries:
                began_ns = spans.now_ns()
                super().apply((entry,))
                traces.applied(entry, began_ns, spans.now_ns())
        traces.reached(self.applied)

    def replace_state(self, machine: StateMachine) -> None:
        super().replace_state(machine)
        self._tracing.restored(self.applied)


class TracedLog:
    """A :class:`~kvorum.node.ports.LogStore` that tells of each sync."""

    def __init__(self, tracing: NodeTracing, log: LogStore) -> None:
        self._tracing = tracing
        self._log = log

    def append(
        self, hard_state: HardState | None, entries: Sequence[Entry], base: EntryId | None = None
    ) -> "Future[None]":
        written = self._log.append(hard_state, entries, base)
        self._tracing.saving(entries, written)
        return written

    def release(self, index: Index) -> "Future[None]":
        return self._log.release(index)


def either(
    tracing: NodeTracing | None,
    plain: Callable[P, Part],
    traced: Callable[Concatenate[NodeTracing, P], Part],
) -> Callable[P, Part]:
    """What makes a part: the plain one, or with tracing the other."""
    return plain if tracing is None else partial(traced, tracing)


def log_store(tracing: NodeTracing | None, log: LogStore) -> LogStore:
    return log if tracing is None else TracedLog(tracing, log)
