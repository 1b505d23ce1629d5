"""Writes on their way from a front end to the state machine.

A command is *queued* until a batch takes it to the core; when its entry is
applied here, its future gets the outcome, found by request id. Two things are
kept apart with care. A command that was certainly not appended, or whose entry
lost its place to another leader's, is proposed again and may be refused. A
command whose leader vanished before it said anything may have been appended: it
is proposed again too, because its request id makes that harmless (§6.3), but from
then on its only negative answer is :class:`~kvorum.errors.OutcomeUnknown`.
"""

import asyncio
from asyncio import Future
from collections import deque
from collections.abc import Callable, Sequence

from kvorum.errors import NoLeader, OutcomeUnknown, Overloaded
from kvorum.mvcc.command import Stamp, encode_batch
from kvorum.mvcc.outcome import Outcome
from kvorum.node.leadership import LeadershipWatch
from kvorum.node.options import NodeOptions
from kvorum.node.ports import Clock
from kvorum.raft.ready import Receipt
from kvorum.raft.types import Entry, EntryId, Index, Ticket
from kvorum.telemetry.metrics import RaftMetrics

BATCH_COMMANDS_MAX = 1024
BATCH_BYTES_MAX = 1 << 20
"""A batch closes when it reaches either; one command may be larger."""


class Pending:
    """One command whose front end waits.

    ``queued`` is true while no attempt is under way; ``unsure`` once an attempt
    ended without news.
    """

    __slots__ = ("command", "deadline_s", "future", "queued", "request_id", "unsure")

    def __init__(
        self, request_id: str, command: bytes, future: "Future[Outcome]", deadline_s: float
    ) -> None:
        self.request_id = request_id
        self.command = command
        self.future = future
        self.deadline_s = deadline_s
        self.queued = True
        self.unsure = False


class _Batch:
    """Commands that share a log entry; ``entry`` is where, once the receipt says so."""

    __slots__ = ("entry", "pendings")

    def __init__(self, pendings: list[Pending]) -> None:
        self.pendings = pendings
        self.entry: EntryId | None = None

    def is_done(self) -> bool:
        return all(pending.future.done() for pending in self.pendings)


class Proposals:
    def __init__(
        self,
        options: NodeOptions,
        clock: Clock,
        leadership: LeadershipWatch,
        metrics: RaftMetrics,
        wake: Callable[[], None],
    ) -> None:
        self._metrics = metrics
        self._options = options
        self._clock = clock
        self._leadership = leadership
        self._wake = wake
        self._waiting: dict[str, Pending] = {}  # by request id
        self._by_age: deque[Pending] = deque()  # all have the same patience: oldest first
        self._queue: deque[Pending] = deque()
        self._bytes = 0  # of the commands in _waiting
        self._batches: dict[Ticket, _Batch] = {}  # sent, no receipt yet
        self._placed: dict[Index, list[_Batch]] = {}  # receipt says: appended there
        self._last_ticket = 0

    @property
    def pending(self) -> int:
        return len(self._waiting)

    # --- from front ends ---------------------------------------------------------------

    def submit(self, request_id: str, command: bytes) -> "Future[Outcome]":
        """Queue one command; the same request id waits for the same outcome.

        Raises :class:`NoLeader` or :class:`Overloaded`: certainly not applied.
        """
        known = self._waiting.get(request_id)
        if known is not None:
            return known.future
        self._admit(len(command))
        deadline_s = self._clock.monotonic_s() + self._options.request_timeout_s
        future: Future[Outcome] = asyncio.get_running_loop().create_future()
        pending = Pending(request_id, command, future, deadline_s)
        self._waiting[request_id] = pending
        self._by_age.append(pending)
        self._queue.append(pending)
        self._bytes += len(command)
        self._wake()
        return future

    def _admit(self, size_bytes: int) -> None:
        options = self._options
        if self._leadership.is_hopeless():
            self._metrics.proposals_failed("no_leader")
            raise NoLeader(self._leadership.no_leader_message())
        full = ""
        if len(self._waiting) >= options.pending_writes_max:
            full = f"{len(self._waiting)} writes are waiting on this node (PENDING_WRITES_MAX)"
        elif self._bytes + size_bytes > options.pending_bytes_max:
            full = f"{self._bytes} bytes of writes are waiting on this node (PENDING_BYTES_MAX)"
        if full:
            self._metrics.proposals_failed("overloaded")
            raise Overloaded(f"{full}; nothing was applied, try again shortly")

    # --- to the core -------------------------------------------------------------------

    def take_batches(self, stamp: Stamp) -> list[tuple[Ticket, bytes]]:
        """Everything that is waiting, as few log entries as the limits allow."""
        batches = []
        while self._queue:
            pendings = self._take_pendings()
            if not pendings:
                break
            self._last_ticket += 1
            ticket = Ticket(self._last_ticket)
            self._batches[ticket] = _Batch(pendings)
            batches.append((ticket, encode_batch([p.command for p in pendings], stamp)))
        return batches

    def _take_pendings(self) -> list[Pending]:
        taken: list[Pending] = []
        size_bytes = 0
        while self._queue and len(taken) < BATCH_COMMANDS_MAX:
            size_bytes += len(self._queue[0].command)
            if taken and size_bytes > BATCH_BYTES_MAX:
                break
            pending = self._queue.popleft()
            if not pending.future.done():
                pending.queued = False
                taken.append(pending)
        return taken

    # --- from the core -----------------------------------------------------------------

    def on_receipt(self, receipt: Receipt, applied: Index) -> None:
        """A batch was appended somewhere, or certainly nowhere."""
        batch = self._batches.pop(receipt.ticket, None)
        if batch is None:
            return
        if receipt.entry is None or receipt.entry.index <= applied:
            # Applied already and still unanswered: another entry took its place.
            self._requeue(batch)
            return
        batch.entry = receipt.entry
        self._placed.setdefault(receipt.entry.index, []).append(batch)

    def on_applied(self, entry: Entry, outcomes: Sequence[Outcome]) -> None:
        """Answer everyone who waits for what this entry did."""
        waiting = self._waiting
        answered = 0
        for outcome in outcomes:
            pending = waiting.pop(outcome.request_id, None)
            if pending is not None:
                answered += 1
                self._bytes -= len(pending.command)
                if not pending.future.done():
                    pending.future.set_result(outcome)
        if answered:
            self._metrics.proposals_committed(answered)
        for batch in self._placed.pop(entry.index, ()):
            if batch.entry != entry.id:
                self._metrics.proposals_failed("superseded", len(batch.pendings))
                self._requeue(batch)

    def _requeue(self, batch: _Batch) -> None:
        """Propose again, ahead of younger commands."""
        for pending in reversed(batch.pendings):
            if not pending.future.done():
                pending.queued = True
                self._queue.appendleft(pending)

    def on_new_leader(self) -> None:
        """Whatever the former leader did not acknowledge is proposed to the new one."""
        for batch in reversed(self._batches.values()):
            for pending in batch.pendings:
                pending.unsure = True
            self._requeue(batch)
        self._batches.clear()

    # --- patience ----------------------------------------------------------------------

    def expire(self) -> None:
        """Answer those who waited too long; called at every tick."""
        now_s = self._clock.monotonic_s()
        hopeless = self._leadership.is_hopeless()
        while self._by_age:
            oldest = self._by_age[0]
            if not oldest.future.done():
                if oldest.deadline_s > now_s and not hopeless:
                    break
                self._give_up(oldest)
            self._by_age.popleft()
        for ticket in [t for t, batch in self._batches.items() if batch.is_done()]:
            del self._batches[ticket]  # its receipt was lost

    def _give_up(self, pending: Pending) -> None:
        if self._waiting.pop(pending.request_id, None) is not None:
            self._bytes -= len(pending.command)
        if pending.queued and not pending.unsure:
            self._metrics.proposals_failed("no_leader")
            pending.future.set_exception(NoLeader(self._leadership.no_leader_message()))
        else:
            self._metrics.proposals_failed("unknown")
            pending.future.set_exception(unknown_outcome(pending.request_id))

    def close(self) -> None:
        """The node stops: nobody may be left waiting."""
        for pending in self._by_age:
            if not pending.future.done():
                self._give_up(pending)
        self._by_age.clear()


def unknown_outcome(request_id: str) -> OutcomeUnknown:
    return OutcomeUnknown(
        "the outcome is unknown: the write was sent to the cluster but not confirmed in time; "
        f"it may yet be applied. GET /command/{request_id} tells, and sending it again with "
        f"'Idempotency-Key: {request_id}' applies it at most once",
        request_id=request_id,
    )
