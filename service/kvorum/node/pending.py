"""Writes whose clients wait: by request id, by age, within bounds."""

from collections import deque
from collections.abc import Callable, Iterable

from kvorum.errors import NoLeader, OutcomeUnknown, Overloaded, Rejected
from kvorum.mvcc.outcome import Outcome, Status
from kvorum.node.leadership import LeadershipWatch
from kvorum.node.options import NodeOptions
from kvorum.node.ports import Clock
from kvorum.node.waiter import Waiter
from kvorum.telemetry.raft_metrics import RaftMetrics

_EXPIRED = Status.EXPIRED  # looked up once: a member of an enum costs more than a name


class Write:
    """One command and everyone who waits for its outcome.

    ``queued`` is true while no attempt is under way; ``unsure`` once an attempt
    ended without news, so that it may yet be applied.
    """

    __slots__ = (
        "_others",
        "_waiter",
        "command",
        "deadline_s",
        "queued",
        "request_id",
        "unsure",
        "weight",
    )

    def __init__(
        self,
        request_id: str,
        command: bytes,
        waiter: Waiter[Outcome],
        deadline_s: float,
        weight: int = 1,
    ) -> None:
        self.request_id = request_id
        self.command = command
        self.deadline_s = deadline_s
        self.weight = weight  # see kvorum.node.weights
        self.queued = True
        self.unsure = False
        self._waiter = waiter
        self._others: tuple[Waiter[Outcome], ...] = ()

    def join(self, waiter: Waiter[Outcome]) -> None:
        """One more waits for the same outcome."""
        self._others += (waiter,)

    def is_done(self) -> bool:
        """Answered, or everyone has gone away."""
        return self._waiter.done() and all(waiter.done() for waiter in self._others)

    def answer(self, outcome: Outcome) -> None:
        if outcome.status is _EXPIRED:
            self.fail(unknown_outcome(self.request_id))
            return
        if not self._waiter.done():
            self._waiter.set_result(outcome)
        for waiter in self._others:
            if not waiter.done():
                waiter.set_result(outcome)

    def fail(self, error: Exception) -> None:
        for waiter in (self._waiter, *self._others):
            if not waiter.done():
                waiter.set_exception(error)


class PendingWrites:
    def __init__(
        self,
        options: NodeOptions,
        clock: Clock,
        leadership: LeadershipWatch,
        metrics: RaftMetrics,
    ) -> None:
        self._options = options
        self._clock = clock
        self._leadership = leadership
        self._metrics = metrics
        self._by_id: dict[str, Write] = {}
        self._by_age: deque[Write] = deque()  # all have the same patience: oldest first
        self._closed = False
        self.size_bytes = 0  # of the commands in _by_id

    def __len__(self) -> int:
        return len(self._by_id)

    def find(self, request_id: str) -> Write | None:
        return self._by_id.get(request_id)

    def admit(
        self, request_id: str, command: bytes, waiter: Waiter[Outcome], weight: int = 1
    ) -> Write:
        """Raises :class:`Rejected`: certainly not applied by this request."""
        self._check_room(len(command))
        deadline_s = self._clock.monotonic_s() + self._options.request_timeout_s
        write = self._by_id[request_id] = Write(request_id, command, waiter, deadline_s, weight)
        self._by_age.append(write)
        self.size_bytes += len(command)
        return write

    def _check_room(self, size_bytes: int) -> None:
        options = self._options
        if self._closed:
            raise Rejected("this node is stopping; nothing was applied, ask another one")
        if self._leadership.is_hopeless():
            self._metrics.proposals_failed("no_leader")
            raise NoLeader(self._leadership.no_leader_message())
        full = ""
        if len(self._by_id) >= options.pending_writes_max:
            full = f"{len(self._by_id)} writes are waiting on this node (PENDING_WRITES_MAX)"
        elif self.size_bytes + size_bytes > options.pending_bytes_max:
            full = f"{self.size_bytes} bytes of writes are waiting on this node (PENDING_BYTES_MAX)"
        if full:
            self._metrics.proposals_failed("overloaded")
            raise Overloaded(f"{full}; nothing was applied, try again shortly")

    def answer(self, outcomes: Iterable[Outcome]) -> int:
        """Hand outcomes to those who wait for them; how many writes got one."""
        by_id, answered = self._by_id, 0
        if not by_id:
            return 0
        for outcome in outcomes:
            write = by_id.pop(outcome.request_id, None)
            if write is None:
                continue
            self.size_bytes -= len(write.command)
            write.command = b""
            write.answer(outcome)
            if outcome.status is _EXPIRED:
                self._metrics.proposals_failed("unknown")
            else:
                answered += 1
        return answered

    def answer_known(self, outcome_of: Callable[[str], Outcome | None]) -> None:
        """Answer everyone whose outcome is known without having been applied here."""
        for request_id in list(self._by_id):
            outcome = outcome_of(request_id)
            if outcome is not None:
                self.answer((outcome,))

    def forget(self, write: Write) -> None:
        """Nobody waits any more: free what it holds."""
        if self._by_id.get(write.request_id) is write:
            del self._by_id[write.request_id]
            self.size_bytes -= len(write.command)
            write.command = b""

    def expire(self) -> None:
        """Give up on those who waited too long, or on all while there is no hope."""
        now_s = self._clock.monotonic_s()
        hopeless = self._leadership.is_hopeless()
        while self._by_age:
            oldest = self._by_age[0]
            if oldest.is_done():
                if oldest.queued:
                    self.forget(oldest)
            elif oldest.deadline_s > now_s and not hopeless:
                break
            else:
                self._give_up(oldest)
            self._by_age.popleft()

    def _give_up(self, write: Write) -> None:
        self.forget(write)
        if write.queued and not write.unsure:
            self._metrics.proposals_failed("no_leader")
            write.fail(NoLeader(self._leadership.no_leader_message()))
        else:
            self._metrics.proposals_failed("unknown")
            write.fail(unknown_outcome(write.request_id))

    def close(self) -> None:
        """The node stops: nobody may be left waiting, or begin to."""
        self._closed = True
        for write in self._by_age:
            if not write.is_done():
                self._give_up(write)
        self._by_age.clear()


def unknown_outcome(request_id: str) -> OutcomeUnknown:
    return OutcomeUnknown(
        "the outcome is unknown: the write was sent to the cluster but not confirmed in time",
        request_id=request_id,
    )
