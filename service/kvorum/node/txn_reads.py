"""What the operations of a transaction met: found in history, for its answer.

A transaction's reads are no part of the log. They see the store as its comparisons saw it, at the
revision before its own, whatever came after it.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

from kvorum.errors import Compacted
from kvorum.mvcc.command import DeleteOp
from kvorum.mvcc.outcome import Outcome, Status
from kvorum.mvcc.query import KeyRange, RangePage
from kvorum.mvcc.state_machine import StateMachine
from kvorum.node.views import Deleted, Get, TxnOp, TxnOpResult, TxnResult

READ_BYTES_MAX: Final = 8 << 20
"""Keys and values that a transaction's reads return, roughly."""
READ_REVISIONS_MAX: Final = 4096
"""A transaction that so many revisions came after is not read for again: that gets expensive."""
ITEMS_PER_TURN: Final = 512
"""After so many items or operations others have a turn."""
LIGHT_MAX: Final = 16
"""Keys that are looked up in one go: each passes over the changes that the key has had since."""

_SUCCESS: Final = Status.SUCCESS
_OTHERWISE: Final = Status.OTHERWISE


def is_light(ops: Iterable[TxnOp]) -> bool:
    """Whether few operations read or delete, and none of them more than one key."""
    looked_up = 0
    for op in ops:
        if isinstance(op, Get):
            if not op.is_single:
                return False
        elif not isinstance(op, DeleteOp):
            continue
        elif op.end is not None:
            return False
        looked_up += 1
    return looked_up <= LIGHT_MAX


def revision_before(outcome: Outcome) -> int:
    """That of the store which the command met."""
    return outcome.revision - 1 if outcome.changed else outcome.revision


class TxnReads:
    """Reads of one state machine.

    They raise ``Compacted`` if the transaction was applied, but what it read is forgotten by now,
    or too long ago to be looked for.
    """

    __slots__ = ("_machine",)

    def __init__(self, machine: StateMachine) -> None:
        self._machine = machine

    def light(self, outcome: Outcome, then: Sequence[TxnOp], orelse: Sequence[TxnOp]) -> TxnResult:
        """All in one go: for branches that are :func:`is_light`."""
        ops, revision = _taken(outcome, then, orelse), revision_before(outcome)
        if not revision:
            return TxnResult(outcome, tuple(map(_of_nothing, ops)))
        try:
            self._check_age(revision)
            return TxnResult(outcome, tuple([self._met(op, revision) for op in ops]))
        except Compacted as gone:
            raise _told(outcome, gone) from gone

    async def any(
        self, outcome: Outcome, then: Sequence[TxnOp], orelse: Sequence[TxnOp]
    ) -> TxnResult:
        """Others have their turns in between: the revision stays, whatever comes after it."""
        ops, revision = _taken(outcome, then, orelse), revision_before(outcome)
        if not revision:  # asked for revision 0, the machine would show what is there now
            return TxnResult(outcome, tuple(map(_of_nothing, ops)))
        try:
            self._check_age(revision)
            return TxnResult(outcome, await self._met_by_all(ops, revision))
        except Compacted as gone:
            raise _told(outcome, gone) from gone

    def _check_age(self, revision: int) -> None:
        if self._machine.revision - revision > READ_REVISIONS_MAX:
            raise Compacted(
                f"more than {READ_REVISIONS_MAX} revisions came after it",
                oldest_revision=self._machine.compacted_revision,
            )

    async def _met_by_all(self, ops: Sequence[TxnOp], revision: int) -> tuple[TxnOpResult, ...]:
        left_bytes, work = READ_BYTES_MAX, 0
        results: list[TxnOpResult] = []
        for op in ops:
            if work >= ITEMS_PER_TURN:
                work = 0
                await asyncio.sleep(0)
            result = self._met(op, revision, max(1, left_bytes))
            results.append(result)
            if isinstance(result, RangePage):
                left_bytes -= sum(len(key) + len(record.value) for key, record in result.items)
            work += _work_of(result, revisions_since=self._machine.revision - revision)
        return tuple(results)

    def _met(self, op: TxnOp, revision: int, bytes_max: int = READ_BYTES_MAX) -> TxnOpResult:
        """What ``op`` found at ``revision``; a single key is looked up, that is much quicker."""
        machine = self._machine
        if isinstance(op, Get):
            if op.is_single:
                key = op.range.start
                record = machine.get_at(key, revision)
                return RangePage(revision, () if record is None else ((key, record),), more=False)
            return machine.range(op.range, revision=revision, limit=op.limit, bytes_max=bytes_max)
        if isinstance(op, DeleteOp):
            if op.end is None:
                return Deleted(0 if machine.get_at(op.key, revision) is None else 1)
            count = machine.count(KeyRange(op.key, op.end or None), revision)
            return Deleted(min(count, op.limit) if op.limit else count)
        return None


def _taken(outcome: Outcome, then: Sequence[TxnOp], orelse: Sequence[TxnOp]) -> Sequence[TxnOp]:
    """The branch that was carried out; none if the transaction was refused."""
    if outcome.status is _SUCCESS:
        return then
    return orelse if outcome.status is _OTHERWISE else ()


def _told(outcome: Outcome, gone: Compacted) -> Compacted:
    return Compacted(
        f"the transaction was applied at revision {outcome.revision}, but what it read "
        "is not kept for so long: read again what you need",
        oldest_revision=gone.oldest_revision,
    )


def _work_of(result: TxnOpResult, revisions_since: int) -> int:
    """In items: a read of the past also looks at what came since."""
    if result is None:
        return 1
    items = len(result.items) if isinstance(result, RangePage) else 1
    return items + revisions_since


def _of_nothing(op: TxnOp) -> TxnOpResult:
    """What an operation meets in the first transaction of a store."""
    match op:
        case Get():
            return RangePage(0, (), more=False)
        case DeleteOp():
            return Deleted(0)
    return None
