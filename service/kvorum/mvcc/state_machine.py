"""Committed log entries in, store and outcomes out.

The state is a function of the entries applied: nothing here reads a clock, a
setting or the environment, and nothing depends on the interpreter's limits.
"""

from collections.abc import Collection, Iterator, Mapping

from kvorum.mvcc.command import decode_batch
from kvorum.mvcc.digest import combine
from kvorum.mvcc.execution import Execution
from kvorum.mvcc.members import Introduction, Members
from kvorum.mvcc.outcome import Outcome
from kvorum.mvcc.outcomes import Outcomes
from kvorum.mvcc.record import Record
from kvorum.mvcc.snapshot import FrozenState, Head
from kvorum.mvcc.store import Store


class StateMachine:
    """The replicated state of one node: the store, its members, the outcomes of its commands.

    Entries are applied one by one in the order of the log, each exactly once.
    """

    __slots__ = ("_applied_index", "_execution", "_members", "_outcomes", "_store")

    def __init__(
        self,
        *,
        applied_index: int = 0,
        store: Store | None = None,
        outcomes: Outcomes | None = None,
        members: Members | None = None,
    ) -> None:
        """Empty, or made of parts that nobody else uses."""
        self._set_contents(
            applied_index,
            Store() if store is None else store,
            Outcomes() if outcomes is None else outcomes,
            Members() if members is None else members,
        )

    @property
    def applied_index(self) -> int:
        """Index of the last entry applied, 0 before the first."""
        return self._applied_index

    @property
    def revision(self) -> int:
        return self._store.revision

    @property
    def time_ms(self) -> int:
        """The log's own time, as of the last batch that brought some."""
        return self._outcomes.now_ms

    @property
    def key_count(self) -> int:
        return len(self._store)

    @property
    def size_bytes(self) -> int:
        """Lengths of all keys and values."""
        return self._store.size_bytes

    @property
    def outcome_count(self) -> int:
        return len(self._outcomes)

    @property
    def members(self) -> Mapping[str, Introduction]:
        """Who introduced themselves, by member id; read it, do not keep it."""
        return self._members.introductions

    @property
    def state_hash(self) -> int:
        """64 bits, equal on all nodes that applied the same entries; in O(1)."""
        outcomes = self._outcomes
        return combine(
            self._applied_index,
            self._store.revision,
            self._store.digest,
            len(outcomes),
            outcomes.digest,
            outcomes.now_ms,
            outcomes.forgotten_index,
            self._members.digest,
        )

    def get(self, key: bytes) -> Record | None:
        return self._store.get(key)

    def outcome(self, request_id: str) -> Outcome | None:
        """None if the id was never executed here, or so long ago that it was dropped."""
        return self._outcomes.get(request_id)

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
        may have had one which is forgotten changes nothing either.

        Raises ``ValueError``, with the state unchanged, for data that this release
        cannot read. The entry is committed, so skipping it would make this replica
        differ from the others: the node must stop.
        """
        self._check_next(index)
        stamp, commands = decode_batch(data)
        recorded, execution = self._outcomes, self._execution
        time_ms = recorded.advance_time(stamp)
        results = []
        for command in commands:
            outcome = recorded.get(command.request_id)
            if outcome is None:
                if command.after_index < recorded.forgotten_index:
                    outcome = execution.refuse_expired(command, time_ms)
                else:
                    outcome = execution.execute(command, time_ms)
                    recorded.add(outcome, index)
            results.append(outcome)
        recorded.evict(stamp)
        self._applied_index = index
        return results

    def freeze(self) -> FrozenState:
        """The state as it is now, to be written out while this one goes on; one at a time.

        Costs no more for a large state than for a small one.
        """
        store, outcomes = self._store, self._outcomes
        head = Head(
            applied_index=self._applied_index,
            revision=store.revision,
            time_ms=outcomes.now_ms,
            forgotten_index=outcomes.forgotten_index,
            key_count=len(store),
            size_bytes=store.size_bytes,
            outcome_count=len(outcomes),
            state_hash=self.state_hash,
            members=dict(sorted(self._members.introductions.items())),
        )
        return FrozenState(head, outcomes.view(), store)

    def adopt(self, other: "StateMachine") -> None:
        """Take over the contents of ``other``, which gets those of this one: O(1).

        A state that was frozen here stays what it is.
        """
        mine = self._contents()
        self._set_contents(*other._contents())  # noqa: SLF001 - one of its own kind
        other._set_contents(*mine)  # noqa: SLF001 - likewise

    def drain(self) -> Iterator[None]:
        """Give all memory back in small steps; the machine is of no use from the first on.

        To let go of a million records at once takes a good part of a second.
        """
        yield from self._outcomes.drain()
        yield from self._store.drain()

    def _contents(self) -> tuple[int, Store, Outcomes, Members]:
        return self._applied_index, self._store, self._outcomes, self._members

    def _set_contents(
        self, applied_index: int, store: Store, outcomes: Outcomes, members: Members
    ) -> None:
        self._applied_index = applied_index
        self._store = store
        self._outcomes = outcomes
        self._members = members
        self._execution = Execution(store, members)

    def _check_next(self, index: int) -> None:
        expected = self._applied_index + 1
        assert index == expected, f"entry {index} applied where {expected} was next"
