"""Linearizable reads on their way: batch, prove leadership, wait, read (thesis §6.4).

One batch at a time asks for a read index; reads that arrive meanwhile form the
next, which may wait a moment for more (:mod:`kvorum.node.gathering`). A batch without
an answer asks again under a fresh ticket. The answer to any of its attempts will do,
since all its reads arrived before the first; an answer to an earlier batch, or to a
former start of this node, can never serve a later read.
"""

from collections import deque
from typing import Any, Protocol

from kvorum.errors import NoLeader, Overloaded, Rejected
from kvorum.node.gathering import Gathering
from kvorum.node.leadership import LeadershipWatch
from kvorum.node.options import NodeOptions
from kvorum.node.ports import Clock
from kvorum.node.waiter import Waiter
from kvorum.raft.ready import ReadState
from kvorum.raft.types import Index, Ticket
from kvorum.telemetry.raft_metrics import RaftMetrics

SERVED_WEIGHT_MAX = 2048
"""Reads served in one turn: 2048 of one key, or one or two long pages."""
PENDING_WEIGHT_FACTOR = 8
"""What all waiting reads may weigh, as a multiple of how many may wait."""


class Read(Protocol):
    """Something to be read once this node has applied everything acknowledged so far.

    ``weight`` is what serving it costs, see :mod:`kvorum.node.weights`.
    """

    weight: int

    @property
    def waiter(self) -> Waiter[Any]:
        """Who gets it; only whether that is done matters here."""
        ...

    def serve(self) -> None:
        """The state machine is recent enough: give the waiter what it wants."""
        ...


class _Batch:
    __slots__ = ("deadline_s", "reads")

    def __init__(self, deadline_s: float) -> None:
        self.deadline_s = deadline_s  # of its oldest read
        self.reads: deque[Read] = deque()


class Reads:
    def __init__(
        self,
        options: NodeOptions,
        clock: Clock,
        leadership: LeadershipWatch,
        metrics: RaftMetrics,
        gathering: Gathering,
    ) -> None:
        self._metrics = metrics
        self._options = options
        self._clock = clock
        self._leadership = leadership
        self._gathering = gathering
        self._wake = gathering.wake
        self._forming: _Batch | None = None
        self._asking: _Batch | None = None
        self._has_ended = False  # a round, and whether the next one goes is to be seen
        self._ticket: Ticket | None = None  # of the present attempt
        self._asked_s = 0.0  # the present attempt
        self._asked_first_s = 0.0  # the first one of the batch
        self._refused = False
        self._retry_s = 2 * options.heartbeat_ticks * options.tick_s
        self._confirmed: deque[tuple[Index, _Batch]] = deque()
        self._first_ticket = self._last_ticket = options.incarnation  # of the batch that asks
        self._closed = False
        self.pending = 0
        self._pending_weight = 0

    def submit(self, read: Read) -> None:
        """Raises :class:`Rejected` at once if it is pointless to wait."""
        if self._closed:
            raise Rejected("this node is stopping; ask another one")
        if self._leadership.is_hopeless():
            self._metrics.reads_failed("no_leader")
            raise NoLeader(self._leadership.no_leader_message())
        if self.pending >= self._options.pending_reads_max:
            self._metrics.reads_failed("overloaded")
            raise Overloaded(
                f"{self.pending} reads are waiting on this node (PENDING_READS_MAX); "
                "try again shortly"
            )
        self._pending_weight += read.weight
        if self._pending_weight > PENDING_WEIGHT_FACTOR * self._options.pending_reads_max:
            self._check_weight(read.weight)
        if self._forming is None:
            deadline_s = self._clock.monotonic_s() + self._options.leaderless_grace_s
            self._forming = _Batch(deadline_s)
        self._forming.reads.append(read)
        self.pending += 1
        if self._asking is None and self._gathering.came(len(self._forming.reads)):
            self._wake()

    def _check_weight(self, weight: int) -> None:
        """One read alone is never too heavy."""
        if self.pending:
            self._pending_weight -= weight
            self._metrics.reads_failed("overloaded")
            raise Overloaded(
                f"{self.pending} reads are waiting on this node, among them long ranges "
                "(PENDING_READS_MAX); try again shortly, or ask for shorter pages"
            )

    def _may_ask(self) -> bool:
        """Whether the batch that is forming should ask now."""
        if self._asking is not None or self._forming is None:
            return False
        return self._gathering.may_go(len(self._forming.reads))

    def take_ticket(self) -> Ticket | None:
        """The ticket to ask the core under now, or None: nothing to ask."""
        if self._leadership.leader is None:
            return None
        if self._asking is None:
            if not self._may_ask():
                return None
            self._asking, self._forming = self._forming, None
            self._ticket = None
            self._first_ticket = self._last_ticket + 1
        if self._ticket is not None:
            return None
        self._last_ticket += 1
        self._ticket = Ticket(self._last_ticket)
        self._asked_s = self._clock.monotonic_s()
        if self._last_ticket == self._first_ticket:
            self._asked_first_s = self._asked_s
        return self._ticket

    def on_read_state(self, state: ReadState) -> None:
        """An attempt was answered; an answer to an earlier batch means nothing."""
        if self._asking is None or not self._first_ticket <= state.ticket <= self._last_ticket:
            return
        if state.index is None:
            self._refused = True  # it does not lead (any more): the next tick asks again
            return
        self._confirmed.append((state.index, self._asking))
        self._asking, self._has_ended = None, True
        self._metrics.read_index_batch(self._clock.monotonic_s() - self._asked_first_s)

    def serve(self, applied: Index) -> None:
        """Answer confirmed batches that the state machine has caught up with, in order.

        What costs too much for one turn is left for the next: the state is then even newer.
        """
        before = self.pending
        if not self._serve(applied):
            self._wake()
        if self.pending < before and self._asking is None:  # else they gather while it asks
            forming = len(self._forming.reads) if self._forming else 0
            self._gathering.answered(before - self.pending, forming)
        if self._has_ended:
            self._has_ended = False
            if self._may_ask():
                self._wake()

    def _serve(self, applied: Index) -> bool:
        """Whether all that may be answered by now is."""
        confirmed, weight = self._confirmed, 0
        while confirmed and confirmed[0][0] <= applied:
            reads = confirmed[0][1].reads
            while reads:
                if weight >= SERVED_WEIGHT_MAX:
                    return False
                read = reads.popleft()
                self.pending -= 1
                self._pending_weight -= read.weight
                if not read.waiter.done():
                    weight += read.weight
                    read.serve()
            confirmed.popleft()
        return True

    def expire(self) -> None:
        """Repeat an attempt without answer, give up on batches that waited too long."""
        now_s = self._clock.monotonic_s()
        if self._refused or now_s - self._asked_s >= self._retry_s:
            self._ticket, self._refused = None, False
        hopeless = self._leadership.is_hopeless()

        def late(batch: _Batch | None) -> bool:
            return batch is not None and (hopeless or batch.deadline_s <= now_s)

        if late(self._asking):
            self._fail(self._asking)
            self._asking = None
        if late(self._forming):
            self._fail(self._forming)
            self._forming = None
        while self._confirmed and late(self._confirmed[0][1]):
            self._fail(self._confirmed.popleft()[1])

    def _fail(self, batch: _Batch | None) -> None:
        for read in batch.reads if batch else ():
            self.pending -= 1
            self._pending_weight -= read.weight
            if not read.waiter.done():
                self._metrics.reads_failed("no_leader")
                read.waiter.set_exception(NoLeader(self._leadership.no_leader_message()))

    def close(self) -> None:
        """The node stops: nobody may be left waiting, or begin to."""
        self._closed = True
        for batch in (self._asking, self._forming, *(batch for _, batch in self._confirmed)):
            self._fail(batch)
        self._asking = self._forming = None
        self._confirmed.clear()
