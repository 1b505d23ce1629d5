"""Writes on their way from a front end through the log to the state machine.

A command is *queued* until a batch takes it to the core; when its entry is
applied here, everyone who waits gets the outcome, found by request id. Two things
are kept apart with care. A command that was certainly not appended, or whose entry
lost its place to another leader's, is proposed again and may be refused. A command
whose leader said nothing may have been appended: it is proposed again too, because
its request id makes that harmless (§6.3), but from then on its only negative
answer is :class:`~kvorum.errors.OutcomeUnknown`.
"""

from asyncio import Future
from collections import deque
from collections.abc import Callable, Sequence

from kvorum.mvcc.command import Stamp, encode_batch
from kvorum.mvcc.outcome import Outcome
from kvorum.node.leadership import LeadershipWatch
from kvorum.node.options import NodeOptions
from kvorum.node.pending import PendingWrites, Write
from kvorum.node.ports import Clock
from kvorum.node.waiter import Futures, Waiter
from kvorum.raft.ready import Receipt
from kvorum.raft.types import Entry, EntryId, Index, Term, Ticket
from kvorum.telemetry.raft_metrics import RaftMetrics

BATCH_WEIGHT_MAX = 1024
BATCH_BYTES_MAX = 1 << 20
"""A batch closes when it reaches either; one command may be larger. Most commands weigh 1.

Its entry is applied in one go: a few that cost much must not hold up everybody.
"""
HANDED_OVER_BYTES_MAX = 8 << 20
"""No further batch after so many bytes: they must fit into the queue to a leader."""


class _Batch:
    """Commands that share a log entry; ``entry`` is where, once the receipt says so."""

    __slots__ = ("entry", "sent_s", "writes")

    def __init__(self, writes: list[Write], sent_s: float) -> None:
        self.writes = writes
        self.sent_s = sent_s
        self.entry: EntryId | None = None


class Proposals:
    def __init__(
        self,
        options: NodeOptions,
        clock: Clock,
        leadership: LeadershipWatch,
        metrics: RaftMetrics,
        wake: Callable[[], None],
    ) -> None:
        self._receipt_timeout_s = options.election_timeout_s_max
        self._clock = clock
        self._metrics = metrics
        self._wake = wake
        self.writes = PendingWrites(options, clock, leadership, metrics)
        self._futures = Futures()
        self._queue: deque[Write] = deque()
        self._batches: dict[Ticket, _Batch] = {}  # sent, no receipt yet
        self._placed: dict[Index, list[_Batch]] = {}  # the receipt says: appended there
        self._applied_term = Term(0)
        self._restored = Index(0)  # up to here a snapshot told, and not entries
        self._last_ticket = options.incarnation
        self._refused = False  # by the core or the leader, just now
        self._refused_s = 0.0
        self._pause_s = options.heartbeat_ticks * options.tick_s

    @property
    def pending(self) -> int:
        return len(self.writes)

    @property
    def awaits_receipt(self) -> bool:
        return bool(self._batches)

    # --- from front ends ---------------------------------------------------------------

    def submit(self, request_id: str, command: bytes, weight: int = 1) -> "Future[Outcome]":
        """Queue one command; the same request id waits for the same outcome.

        Raises :class:`~kvorum.errors.Rejected`: certainly not applied by this request.
        """
        future = self._futures.new()
        self.queue(request_id, command, future, weight)
        return future

    def queue(
        self, request_id: str, command: bytes, waiter: Waiter[Outcome], weight: int = 1
    ) -> None:
        """:meth:`submit` for whoever waits otherwise than by a future."""
        known = self.writes.find(request_id)
        if known is not None:
            if not known.is_done():
                known.join(waiter)
                return
            self.writes.forget(known)  # everyone who waited for that one has gone away
        self._queue.append(self.writes.admit(request_id, command, waiter, weight))
        self._wake()

    # --- to the core -------------------------------------------------------------------

    def take_batches(self, stamp: Stamp) -> list[tuple[Ticket, bytes]]:
        """What is waiting, as few log entries as the limits allow, at most some."""
        batches: list[tuple[Ticket, bytes]] = []
        size_bytes = 0
        while self._queue and not self._refused and size_bytes < HANDED_OVER_BYTES_MAX:
            writes = self._take_writes()
            if not writes:
                break
            self._last_ticket += 1
            ticket = Ticket(self._last_ticket)
            self._batches[ticket] = _Batch(writes, self._clock.monotonic_s())
            data = encode_batch([write.command for write in writes], stamp)
            size_bytes += len(data)
            self._metrics.proposed(len(writes))
            batches.append((ticket, data))
        return batches

    def _take_writes(self) -> list[Write]:
        taken: list[Write] = []
        size_bytes = weight = 0
        while self._queue and weight < BATCH_WEIGHT_MAX:
            size_bytes += len(self._queue[0].command)
            weight += self._queue[0].weight
            if taken and (size_bytes > BATCH_BYTES_MAX or weight > BATCH_WEIGHT_MAX):
                break
            write = self._queue.popleft()
            if write.is_done():
                self.writes.forget(write)
            else:
                write.queued = False
                taken.append(write)
        return taken

    # --- from the core -----------------------------------------------------------------

    def on_receipt(self, receipt: Receipt, applied: Index) -> None:
        """A batch was appended somewhere, or certainly nowhere."""
        batch = self._batches.pop(receipt.ticket, None)
        if batch is None:
            return
        if receipt.entry is None:
            # Not again at once: whoever refused would refuse again.
            self._refused, self._refused_s = True, self._clock.monotonic_s()
            self._requeue(batch)
        elif receipt.entry.index <= self._restored:
            self._requeue_in_doubt(batch)
        elif receipt.entry.index <= applied:
            # Whoever is still unanswered lost the place to another entry.
            self._requeue(batch)
        else:
            batch.entry = receipt.entry
            self._placed.setdefault(receipt.entry.index, []).append(batch)

    def on_applied(self, entry: Entry, outcomes: Sequence[Outcome]) -> None:
        """Answer everyone who waits for what this entry did."""
        answered = self.writes.answer(outcomes)
        if answered:
            self._metrics.proposals_committed(answered)
        for batch in self._placed.pop(entry.index, ()):
            if batch.entry != entry.id:
                self._supersede(batch)
        if entry.term > self._applied_term:
            self._applied_term = entry.term
            self._supersede_later(entry)

    def _supersede_later(self, entry: Entry) -> None:
        """Terms never fall along a log: later places of earlier terms are lost for good."""
        for index in sorted(self._placed, reverse=True):
            lost = [b for b in self._placed[index] if b.entry and b.entry.term < entry.term]
            self._placed[index] = [b for b in self._placed[index] if b not in lost]
            for batch in reversed(lost):
                self._supersede(batch)
            if not self._placed[index]:
                del self._placed[index]

    def _supersede(self, batch: _Batch) -> None:
        self._metrics.proposals_failed("superseded", len(batch.writes))
        self._requeue(batch)

    def on_new_leader(self) -> None:
        """Whatever the former leader did not acknowledge is proposed to the new one."""
        self._refused = False
        for ticket in reversed(list(self._batches)):
            self._repeat(ticket)

    def _repeat(self, ticket: Ticket) -> None:
        """Propose a batch again without knowing what became of it."""
        self._requeue_in_doubt(self._batches.pop(ticket))

    def _requeue_in_doubt(self, batch: _Batch) -> None:
        """It may have been applied, and even its outcome forgotten."""
        for write in batch.writes:
            write.unsure = True
        self._requeue(batch)

    def _requeue(self, batch: _Batch) -> None:
        """Propose again, ahead of younger commands."""
        for write in reversed(batch.writes):
            if write.is_done():
                self.writes.forget(write)
            else:
                write.queued = True
                self._queue.appendleft(write)
        self._wake()

    def on_restored(self, outcome_of: Callable[[str], Outcome | None], applied: Index) -> None:
        """A snapshot took the place of all entries up to ``applied``: who was in them?"""
        self.writes.answer_known(outcome_of)
        self._restored = applied
        for index in sorted((i for i in self._placed if i <= applied), reverse=True):
            for batch in reversed(self._placed.pop(index)):
                self._requeue_in_doubt(batch)

    # --- patience ----------------------------------------------------------------------

    def expire(self) -> None:
        """Answer those who waited too long; called at every tick."""
        now_s = self._clock.monotonic_s()
        if self._refused and now_s - self._refused_s >= self._pause_s:
            self._refused = False
        self.writes.expire()
        self._drop_answered()
        overdue_s = now_s - self._receipt_timeout_s
        for ticket in reversed([t for t, b in self._batches.items() if b.sent_s < overdue_s]):
            self._repeat(ticket)

    def _drop_answered(self) -> None:
        """Oldest first. While the disk hangs no batch is taken, and they would pile up."""
        while self._queue and self._queue[0].is_done():
            self.writes.forget(self._queue.popleft())

    def close(self) -> None:
        """The node stops: nobody may be left waiting."""
        self.writes.close()
