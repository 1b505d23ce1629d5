"""Committed log entries in, store and outcomes out.

The state is a function of the entries applied: nothing here reads a clock, a
setting or the environment, and nothing depends on the interpreter's limits.
"""

from collections.abc import Collection, Iterator
from itertools import groupby
from typing import Final, NamedTuple, cast

from kvorum.mvcc.command import REPEATABLE, UNSTAMPED, Command, Put, Stamp, decode_batch
from kvorum.mvcc.digest import combine
from kvorum.mvcc.execution import Execution
from kvorum.mvcc.expiry import reap
from kvorum.mvcc.leases import Leases
from kvorum.mvcc.members import Members
from kvorum.mvcc.outcome import Outcome
from kvorum.mvcc.outcomes import Outcomes
from kvorum.mvcc.plain_puts import PUTS_MIN, PlainPuts
from kvorum.mvcc.quota import Quota
from kvorum.mvcc.snapshot import FrozenState, Head
from kvorum.mvcc.state_reads import StateReads
from kvorum.mvcc.store import Store
from kvorum.mvcc.writes import Writes

HISTORY_STEP_MS: Final = 10_000
"""By how much history may be over its age before an empty batch is due for that alone."""


class _Contents(NamedTuple):
    applied_index: int
    store: Store
    leases: Leases
    quota: Quota
    outcomes: Outcomes
    members: Members


class StateMachine(StateReads):
    """The replicated state of one node: the store, its leases, members and outcomes.

    Entries are applied one by one in the order of the log, each exactly once.
    """

    __slots__ = ("_applied_index", "_execution", "_puts", "_writes")

    def __init__(
        self,
        *,
        applied_index: int = 0,
        store: Store | None = None,
        leases: Leases | None = None,
        is_full: bool = False,
        outcomes: Outcomes | None = None,
        members: Members | None = None,
    ) -> None:
        """Empty, or made of parts that nobody else uses."""
        self._take_over(
            _Contents(
                applied_index,
                Store() if store is None else store,
                Leases() if leases is None else leases,
                Quota(is_full=is_full),
                Outcomes() if outcomes is None else outcomes,
                Members() if members is None else members,
            )
        )

    @property
    def applied_index(self) -> int:
        """Index of the last entry applied, 0 before the first."""
        return self._applied_index

    @property
    def state_hash(self) -> int:
        """64 bits, equal on all nodes that applied the same entries; in O(1)."""
        outcomes, leases = self._outcomes, self._leases
        return combine(
            self._applied_index,
            self._store.revision,
            self._store.digest,
            len(leases),
            leases.digest,
            self._quota.is_full,
            len(outcomes),
            outcomes.digest,
            outcomes.now_ms,
            outcomes.forgotten_index,
            self._members.digest,
        )

    def apply_noop(self, index: int) -> None:
        """Count an entry that carries no commands."""
        self._check_next(index)
        self._applied_index = index

    def apply_membership(self, index: int, members: Collection[str]) -> None:
        """Count an entry that puts a membership in force; forget who is no member any more."""
        self._check_next(index)
        self._members.retain(members)
        self._applied_index = index

    def apply(self, index: int, data: bytes) -> list[Outcome]:
        """Execute the batch in entry ``index``; one outcome per command, in its order.

        A command whose request id has an outcome changes nothing and gets that
        outcome again, also within one batch and whatever else it says. A command that
        may have had one which is forgotten changes nothing either. Neither holds for those
        whose outcomes are not kept: they are executed each time, whatever their request id.

        After the commands, leases end whose time is over, and what is too old is forgotten:
        of events none that this entry made, so that whoever looks at them after each entry
        sees all.

        Raises ``ValueError``, with the state unchanged, for data that this release
        cannot read. The entry is committed, so skipping it would make this replica
        differ from the others: the node must stop.
        """
        self._check_next(index)
        stamp, commands = decode_batch(data)
        time_ms = self._outcomes.advance_time(stamp)
        self._store.begin(time_ms)
        self._quota.begin(stamp)
        results: list[Outcome] = []
        for kind, run in groupby(commands, type):
            results += self._execute(kind, list(run), index)
        reap(self._leases, self._writes, time_ms)
        self._quota.settle(self._store.size_bytes)
        self._evict(stamp, time_ms)
        self._applied_index = index
        return results

    def due_ms(self, stamp: Stamp) -> int | None:
        """The log's time at which a batch without commands would have something to do.

        ``stamp`` is what it would carry. None: nothing as it stands. It may be in the past.
        """
        store = self._store
        if (
            store.history_revisions > stamp.history_revisions_max
            or store.history_bytes > stamp.history_bytes_max
            or store.has_arrears
        ):
            return self.time_ms
        due_ms, oldest_ms = self._leases.first_deadline_ms, store.oldest_event_ms
        if oldest_ms is None:
            return due_ms
        too_old_ms = oldest_ms + stamp.history_age_s_max * 1000 + HISTORY_STEP_MS
        return too_old_ms if due_ms is None else min(due_ms, too_old_ms)

    def rebase(self, bump: int) -> None:
        """Begin another life from a backup, ``bump`` revisions later.

        Keys and leases stay. What belongs to the former life goes: history, outcomes, members.
        """
        self._store.rebase(bump)
        # Whatever is under way from the former life counts as one whose outcome is forgotten.
        outcomes = Outcomes(now_ms=self.time_ms, forgotten_index=self._applied_index)
        self._take_over(self._contents()._replace(outcomes=outcomes, members=Members()))

    def freeze(self) -> FrozenState:
        """The state as it is now, to be written out while this one goes on; one at a time.

        Costs no more for a large state than for a small one.
        """
        store, outcomes = self._store, self._outcomes
        head = Head(
            applied_index=self._applied_index,
            revision=store.revision,
            compacted_revision=store.compacted_revision,
            time_ms=outcomes.now_ms,
            forgotten_index=outcomes.forgotten_index,
            key_count=len(store),
            size_bytes=store.size_bytes,
            outcome_count=len(outcomes),
            lease_count=len(self._leases),
            is_full=self._quota.is_full,
            state_hash=self.state_hash,
            members=dict(sorted(self._members.introductions.items())),
        )
        return FrozenState(head, outcomes.view(), self._leases, store)

    def adopt(self, other: "StateMachine") -> None:
        """Take over the contents of ``other``, which gets those of this one: O(1).

        A state that was frozen here stays what it is.
        """
        mine = self._contents()
        self._take_over(other._contents())  # noqa: SLF001 - one of its own kind
        other._take_over(mine)  # noqa: SLF001 - likewise

    def drain(self) -> Iterator[None]:
        """Give all memory back in small steps; the machine is of no use from the first on.

        To let go of a million records at once takes a good part of a second.
        """
        yield from self._outcomes.drain()
        yield from self._store.drain()
        yield from self._leases.drain()

    def _execute(self, kind: type[Command], run: list[Command], index: int) -> list[Outcome]:
        """Commands of one kind that follow on one another."""
        if kind is Put and len(run) >= PUTS_MIN:
            outcomes = self._puts.carry_out(cast("list[Put]", run), index)
            if outcomes is not None:
                return outcomes
        return [self._execute_one(command, index) for command in run]

    def _execute_one(self, command: Command, index: int) -> Outcome:
        recorded, execution, time_ms = self._outcomes, self._execution, self._outcomes.now_ms
        if type(command) in REPEATABLE:
            return execution.execute(command, time_ms)
        outcome = recorded.get(command.request_id)
        if outcome is None:
            if command.after_index < recorded.forgotten_index:
                return execution.refuse_expired(command, time_ms)
            outcome = execution.execute(command, time_ms)
            recorded.add(outcome, index)
        return outcome

    def _evict(self, stamp: Stamp, time_ms: int) -> None:
        """Not without a stamp: no leader appends such a batch, and zeros are not "keep none"."""
        if stamp == UNSTAMPED:
            return
        self._outcomes.evict(stamp)
        self._store.evict(
            stamp.history_revisions_max,
            time_ms - stamp.history_age_s_max * 1000,
            stamp.history_bytes_max,
        )

    def _contents(self) -> _Contents:
        return _Contents(
            self._applied_index,
            self._store,
            self._leases,
            self._quota,
            self._outcomes,
            self._members,
        )

    def _take_over(self, contents: _Contents) -> None:
        index, store, leases, quota, outcomes, members = contents
        self._applied_index = index
        self._store = store
        self._leases = leases
        self._quota = quota
        self._outcomes = outcomes
        self._members = members
        self._writes = Writes(store, leases)
        self._execution = Execution(store, leases, quota, members, self._writes)
        self._puts = PlainPuts(store, quota, outcomes, self._writes)

    def _check_next(self, index: int) -> None:
        expected = self._applied_index + 1
        assert index == expected, f"entry {index} applied where {expected} was next"
