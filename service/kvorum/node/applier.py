"""Committed entries into the state machine, outcomes out to those who wait."""

from collections.abc import Sequence

from kvorum.mvcc.state_machine import StateMachine
from kvorum.node.log_time import LogTime
from kvorum.node.proposals import Proposals
from kvorum.raft.types import Entry, EntryKind, Index


class Applier:
    def __init__(
        self, state_machine: StateMachine, proposals: Proposals, log_time: LogTime
    ) -> None:
        self._state_machine = state_machine
        self._proposals = proposals
        self._log_time = log_time

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
                self._state_machine.apply_noop(entry.index)
                self._proposals.on_applied(entry, ())
