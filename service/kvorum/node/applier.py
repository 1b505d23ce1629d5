"""Committed entries into the state machine, outcomes out to those who wait."""

from collections.abc import Sequence
from typing import Protocol

from kvorum.mvcc.state_machine import StateMachine
from kvorum.node.log_time import LogTime
from kvorum.node.ports import Clock
from kvorum.node.proposals import Proposals
from kvorum.raft.core import COMMITTED_MAX, Core
from kvorum.raft.membership import decode_membership
from kvorum.raft.types import Entry, EntryKind, Index
from kvorum.telemetry.distribution import Distribution

APPLY_TURN_S = 0.02
"""After so long no further entry is applied before messages and time had their turn."""


class Watcher(Protocol):
    """Told of every entry once it is applied; cheap, because that is the hot path."""

    def applied(self, index: Index, size_bytes: int, /) -> None: ...

    def restored(self) -> None:
        """A snapshot's state took the place of the one that was there."""
        ...


class Applier:
    def __init__(
        self,
        state_machine: StateMachine,
        proposals: Proposals,
        log_time: LogTime,
        watchers: Sequence[Watcher] = (),
    ) -> None:
        self._state_machine = state_machine
        self._proposals = proposals
        self._log_time = log_time
        self._watchers = watchers

    @property
    def applied(self) -> Index:
        return Index(self._state_machine.applied_index)

    def apply(self, entries: Sequence[Entry]) -> None:
        """Apply in order; an entry that cannot be read stops the node.

        Skipping it would make this replica differ from the others.
        """
        for entry in entries:
            if entry.kind is EntryKind.COMMANDS:
                outcomes = self._state_machine.apply(entry.index, entry.data)
                self._log_time.observe(self._state_machine.time_ms)
                self._proposals.on_applied(entry, outcomes)
            else:
                self._apply_other(entry)
                self._proposals.on_applied(entry, ())
            for watcher in self._watchers:
                watcher.applied(entry.index, len(entry.data))

    def _apply_other(self, entry: Entry) -> None:
        if entry.kind is EntryKind.MEMBERSHIP:
            members = decode_membership(entry.data).members
            self._state_machine.apply_membership(entry.index, members)
        else:
            self._state_machine.apply_noop(entry.index)

    def replace_state(self, machine: StateMachine) -> None:
        """A snapshot's state takes the place of ours, and whoever waits is told."""
        self._state_machine.adopt(machine)
        self._log_time.observe(self._state_machine.time_ms)
        for watcher in self._watchers:
            watcher.restored()
        self._proposals.on_restored(self._state_machine.outcome, self.applied)


def apply_for_a_turn(core: Core, applier: Applier, clock: Clock, took: Distribution) -> None:
    """Committed entries one by one, since one may cost as much as thousands of others.

    ``took`` counts how long each took, in seconds.
    """
    now_s = clock.monotonic_s()
    until_s = now_s + APPLY_TURN_S
    for _ in range(COMMITTED_MAX):
        entries = core.take_committed(1)
        if not entries:
            return
        began_s = now_s
        applier.apply(entries)
        now_s = clock.monotonic_s()
        took.observe(now_s - began_s)
        if now_s >= until_s:
            return
