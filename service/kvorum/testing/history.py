"""What clients saw: every call with its answer, and what follows from the answers at once."""

from collections.abc import Iterable, Sequence
from heapq import heappop, heappush

from msgspec import Struct

from kvorum.testing.linearizability import Answer, Kind, Operation


class WrongAnswer(AssertionError):
    """Clients were told something that cannot be true."""


class Read(Struct, frozen=True):
    """A value, and the store's revision at which it was read; None: there was no such key."""

    key: str
    value: bytes | None
    revision: int


class Ended(Struct, frozen=True):
    """A write that was answered for good, under its request id."""

    request_id: str
    operation: Operation


class History:
    """``operations`` are linearizable reads and writes, ``reads`` also stale ones.

    ``refused`` are request ids of writes that certainly did not happen.
    """

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self.ended: list[Ended] = []
        self.refused: list[str] = []
        self.reads: list[Read] = []

    def add_write(self, request_id: str, operation: Operation) -> None:
        if operation.result is not Answer.FULL:
            self.operations.append(operation)
        if not operation.is_open:
            self.ended.append(Ended(request_id, operation))

    def add_read(self, operation: Operation) -> None:
        self.operations.append(operation)
        value = operation.result if isinstance(operation.result, bytes) else None
        assert operation.revision is not None, "every read says at which revision"
        self.reads.append(Read(operation.key, value, operation.revision))


def check_revisions(operations: Iterable[Operation]) -> None:
    """Revisions follow real time: what was answered before cannot be newer.

    A write that changed something made a revision of its own, above all that anybody had been
    told of when it was called. Raises :class:`WrongAnswer`.
    """
    answered = [o for o in operations if not o.is_open and o.revision is not None]
    _check_unique(answered)
    newest, newest_by = 0, None
    waiting: list[tuple[float, int, int]] = []  # by end: not known to all later calls yet
    for number, operation in sorted(enumerate(answered), key=lambda item: item[1].start):
        while waiting and waiting[0][0] < operation.start:
            _, revision, earlier = heappop(waiting)
            if revision > newest:
                newest, newest_by = revision, answered[earlier]
        revision = operation.revision or 0
        if revision < newest + (1 if _made_one(operation) else 0):
            raise WrongAnswer(
                f"revision {revision} after {newest} had been seen: {operation}; "
                f"before it {newest_by}"
            )
        assert operation.end is not None, "it was answered"
        heappush(waiting, (operation.end, revision, number))


def _check_unique(operations: Sequence[Operation]) -> None:
    makers: dict[int, Operation] = {}
    for operation in operations:
        if _made_one(operation):
            other = makers.setdefault(operation.revision or 0, operation)
            if other is not operation:
                raise WrongAnswer(f"two writes made one revision: {other} and {operation}")


def _made_one(operation: Operation) -> bool:
    """Whether it changed the store."""
    return operation.kind is not Kind.GET and operation.result is Answer.OK
