"""Batches without commands, so that time passes in the log when nobody writes.

Leases end and history is forgotten when a batch is applied whose time says so. While clients
write, their batches do that. When they do not, the leader appends an empty one as soon as
something is due, and another one now and then while leases exist: a new leader goes on from
the last time in the log, so that is by how much its election can prolong a lease.
"""

from collections.abc import Callable

from kvorum.mvcc.command import Stamp
from kvorum.mvcc.state_machine import StateMachine
from kvorum.node.leadership import LeadershipWatch
from kvorum.node.log_time import LogTime
from kvorum.node.options import NodeOptions
from kvorum.raft.types import Index


class Stamps:
    """What a leader stamps on batches: the time of the log, and how much to keep."""

    def __init__(self, options: NodeOptions, log_time: LogTime) -> None:
        self._options = options
        self._log_time = log_time

    def now(self) -> Stamp:
        options = self._options
        return Stamp(
            self._log_time.stamp_ms(),
            options.outcomes_count_max,
            options.outcomes_age_s_max,
            options.history_revisions_max,
            options.history_age_s_max,
            options.history_bytes_max,
            options.quota_bytes,
        )


class Housekeeping:
    """Says when an empty batch is due; the driver appends it if it has no other one."""

    def __init__(
        self,
        options: NodeOptions,
        machine: StateMachine,
        *,
        stamps: Stamps,
        leadership: LeadershipWatch,
        wake: Callable[[], None],
    ) -> None:
        self._checkpoint_ms = options.lease_checkpoint_s * 1000
        self._machine = machine
        self._stamps = stamps
        self._leadership = leadership
        self._wake = wake
        self._awaited: Index | None = None  # the empty batch that is on its way
        self.is_due = False

    def tick(self) -> None:
        """Time passed."""
        if not self._leadership.is_leader:
            self.is_due, self._awaited = False, None
        elif self._awaited is None or self._awaited <= self._machine.applied_index:
            self._awaited = None
            self._look()

    def proposed(self, index: Index) -> None:
        """An empty batch was appended as entry ``index``."""
        self.is_due, self._awaited = False, index

    def applied(self, index: Index, _size_bytes: int) -> None:
        """Whatever came until ``index`` is done: is there more?"""
        if self._awaited is not None and index >= self._awaited:
            self._awaited = None
            self._look()
            if self.is_due:
                self._wake()

    def restored(self) -> None:
        """A snapshot took the place of everything; whoever gets one does not lead."""

    def _look(self) -> None:
        machine, stamp = self._machine, self._stamps.now()
        due_ms = machine.due_ms(stamp)
        if due_ms is not None and due_ms <= stamp.time_ms:
            self.is_due = True
        elif machine.lease_count:
            self.is_due = stamp.time_ms - machine.time_ms >= self._checkpoint_ms
