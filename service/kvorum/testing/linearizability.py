"""Whether a history of concurrent operations could have come from one copy of the data.

A history is linearizable (Herlihy and Wing) if every operation can be given one moment between
its call and its answer so that, one after the other, they give the answers that were seen. An
operation without an answer may have happened at any moment after its call, or never.

The search is Wing and Gong's with Lowe's two improvements (*Testing for linearizability*, 2017):
configurations are remembered, and operations are placed only when an answer has to be explained.
What changes nothing is placed as soon as it fits. Two more are for operations that were never
answered, of which there are many where nodes crash: of two configurations with the same state,
the one that used fewer of them can do all that the other can, so the other is dropped; and of
several that nobody can tell apart, the first is used first. Keys are independent and are checked
one by one.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from enum import StrEnum
from typing import assert_never

from msgspec import Struct
from msgspec.structs import replace

CONFIGURATIONS_MAX = 1_000_000
"""More than any history of a few dozen clients needs; beyond it, :class:`TooConcurrent`."""


class Kind(StrEnum):
    GET = "get"
    PUT = "put"
    CAS = "cas"
    DELETE = "delete"


class Answer(StrEnum):
    """What an operation said, if not the value that a get found."""

    OK = "ok"
    MISSING = "missing"  # there is no such key
    MISMATCH = "mismatch"  # cas: the key holds something else
    FULL = "full"  # there is no room: certainly not done
    UNKNOWN = "unknown"  # no answer: it may happen at any time from its call on


class Operation(Struct, frozen=True):
    """One call by one client, as the client saw it.

    ``args``: nothing for get and delete, the new value for put, the expected and the new value
    for cas. ``result``: what a get found, or an answer. ``start`` and ``end`` are times of one
    clock, in whatever unit; ``end`` is None if no answer came. ``revision`` is the store's
    revision that came with the answer, where there was one; :func:`check` does not look at it.
    An operation that certainly did not happen does not belong into a history.
    """

    client: str
    key: str
    kind: Kind
    args: tuple[bytes, ...]
    result: bytes | Answer
    start: float
    end: float | None
    revision: int | None = None

    @property
    def is_open(self) -> bool:
        """Whether it was never answered."""
        return self.end is None or self.result is Answer.UNKNOWN

    @property
    def only_looked(self) -> bool:
        """Whether its answer says that it changed nothing."""
        return self.kind is Kind.GET or self.result in (Answer.MISSING, Answer.MISMATCH)

    def __str__(self) -> str:
        args = ", ".join(
            (self.key, *(arg.decode("utf-8", "backslashreplace") for arg in self.args))
        )
        end = "…" if self.is_open or self.end is None else f"{self.end:.6f}"
        return (
            f"[{self.start:.6f}, {end}] {self.client}: {self.kind}({args}) → {_shown(self.result)}"
        )


class Impossible(Exception):
    """The operation cannot give its answer in this state."""


Model = Callable[[Hashable, Operation], Hashable]
"""``f(state, operation)`` → the state after it, or :class:`Impossible`.

For an open operation: the state after it if it has an effect, or :class:`Impossible`. Arguments
and results are only ever compared for being equal.
"""

_NEVER_READ = b"(a value that nobody read)"


def register(state: Hashable, operation: Operation) -> Hashable:
    """A key: its state is its value, or None while there is no such key."""
    kind, args, result = operation.kind, operation.args, operation.result
    match kind:
        case Kind.GET:
            after, answer = state, Answer.MISSING if state is None else state
        case Kind.PUT:
            after, answer = args[0], Answer.OK
        case Kind.CAS:
            after, answer = _compare_and_set(state, *args)
        case Kind.DELETE:
            after, answer = None, Answer.MISSING if state is None else Answer.OK
        case _:
            assert_never(kind)
    if operation.is_open:
        if after == state:
            raise Impossible
    elif answer != result:
        raise Impossible
    return after


def _compare_and_set(state: Hashable, expected: bytes, new: bytes) -> tuple[Hashable, Answer]:
    if state is None:
        return state, Answer.MISSING
    return (new, Answer.OK) if state == expected else (state, Answer.MISMATCH)


class Violation(Struct, frozen=True):
    """No order of the operations on ``key`` gives the answer that ``operation`` got.

    ``states`` are all in which the key may have been until then, ``others`` the operations under
    way, ``earlier`` the last ones answered before, oldest first.
    """

    key: str
    operation: Operation
    states: tuple[Hashable, ...]
    others: tuple[Operation, ...]
    earlier: tuple[Operation, ...]

    def __str__(self) -> str:
        states = ", ".join(map(_shown, self.states))
        lines = [
            f"not linearizable: {self.operation}",
            f"  when it was called or later, {self.key!r} was one of: {states}",
            "  answered before:",
            *(f"    {operation}" for operation in self.earlier),
            "  under way or never answered:",
            *(f"    {operation}" for operation in self.others),
        ]
        return "\n".join(lines)


class TooConcurrent(Exception):
    """So much is under way at once that looking at every order would take for ever."""


def check(
    history: Iterable[Operation], model: Model = register, initial: Hashable = None
) -> Violation | None:
    """The first answer that cannot be explained, or None: the history is linearizable.

    Raises :class:`TooConcurrent`. Times that are equal do not order operations.
    """
    by_key: defaultdict[str, list[Operation]] = defaultdict(list)
    for operation in history:
        by_key[operation.key].append(operation)
    for operations in by_key.values():
        violation = _Search(operations, model, initial).run()
        if violation is not None:
            return violation
    return None


_EARLIER_SHOWN = 12
_Place = tuple[Hashable, int]
"""A state, and the operations among those under way that have been placed, as bits."""


class _Configurations:
    """Places and the sets of open operations spent to get there, none a superset of another."""

    def __init__(self) -> None:
        self.spent: dict[_Place, list[int]] = {}
        self.count = 0

    def add(self, place: _Place, spent: int) -> bool:
        """False if what is there already can do all that this one could."""
        others = self.spent.setdefault(place, [])
        if any(other & spent == other for other in others):
            return False
        kept = [other for other in others if other & spent != spent]
        self.count += 1 + len(kept) - len(others)
        self.spent[place] = [*kept, spent]
        if self.count > CONFIGURATIONS_MAX:
            raise TooConcurrent(f"over {CONFIGURATIONS_MAX} configurations of one key")
        return True

    def __iter__(self) -> Iterator[tuple[_Place, int]]:
        for place, sets in self.spent.items():
            for spent in sets:
                yield place, spent


class _Search:
    """One key's operations, event by event: calls join, answers must be explained."""

    def __init__(self, operations: Sequence[Operation], model: Model, initial: Hashable) -> None:
        self._operations = operations
        self._model = model
        self._configurations = _Configurations()
        self._configurations.add((initial, 0), 0)
        self._read = _values_read(operations)
        # Under way, by bit, to be answered later.
        self._looking: dict[int, Operation] = {}
        self._changing: dict[int, Operation] = {}
        # Those whose answer never comes, with their bits; all in one list are alike.
        self._open: defaultdict[tuple[Kind, tuple[bytes, ...]], list[tuple[int, Operation]]]
        self._open = defaultdict(list)
        self._earlier: list[Operation] = []

    def run(self) -> Violation | None:
        for operation, bit, is_call in _events(self._operations):
            if is_call:
                self._call(operation, bit)
                continue
            explained = self._explain(bit)
            if not explained.count:
                return self._violation(operation, bit)
            self._configurations = explained
            del (self._looking if operation.only_looked else self._changing)[bit]
            self._earlier.append(operation)
        return None

    def _call(self, operation: Operation, bit: int) -> None:
        if not operation.is_open:
            (self._looking if operation.only_looked else self._changing)[bit] = operation
        elif operation.kind is not Kind.GET:
            args = tuple(arg if arg in self._read else _NEVER_READ for arg in operation.args)
            self._open[operation.kind, args].append((bit, replace(operation, args=args)))

    def _explain(self, bit: int) -> _Configurations:
        """All configurations in which the operation is placed; its bit is then free again."""
        explained, seen = _Configurations(), _Configurations()
        todo = [(self._with_looks(place), spent) for place, spent in self._configurations]
        while todo:
            following: list[tuple[_Place, int]] = []
            for (state, placed), spent in todo:
                if placed & bit:
                    explained.add((state, placed & ~bit), spent)
                    continue
                for step, now_spent in self._steps(state, placed, spent):
                    place = self._with_looks(step)
                    if seen.add(place, now_spent):
                        following.append((place, now_spent))
            todo = following
        return explained

    def _with_looks(self, place: _Place) -> _Place:
        """What changes nothing and fits here is placed here: waiting gains nothing."""
        state, placed = place
        for bit, operation in self._looking.items():
            if not placed & bit and _after(self._model, state, operation) is not None:
                placed |= bit
        return state, placed

    def _steps(self, state: Hashable, placed: int, spent: int) -> Iterator[tuple[_Place, int]]:
        for bit, operation in self._changing.items():
            if not placed & bit:
                after = _after(self._model, state, operation)
                if after is not None:
                    yield (after[0], placed | bit), spent
        for alike in self._open.values():
            bit, operation = next(((b, o) for b, o in alike if not spent & b), alike[-1])
            after = None if spent & bit else _after(self._model, state, operation)
            if after is not None:
                yield (after[0], placed), spent | bit

    def _violation(self, operation: Operation, bit: int) -> Violation:
        states = dict.fromkeys(state for (state, _), _ in self._configurations)
        answered = {**self._changing, **self._looking}
        others = [other for number, other in answered.items() if number != bit]
        others += [other for alike in self._open.values() for _, other in alike]
        return Violation(
            operation.key,
            operation,
            tuple(states),
            tuple(others),
            tuple(self._earlier[-_EARLIER_SHOWN:]),
        )


def _values_read(operations: Iterable[Operation]) -> frozenset[bytes]:
    """Values that make a difference: found by a get, or expected by a cas."""
    found = {o.result for o in operations if isinstance(o.result, bytes)}
    expected = {o.args[0] for o in operations if o.kind is Kind.CAS}
    return frozenset(found | expected)


def _after(model: Model, state: Hashable, operation: Operation) -> tuple[Hashable] | None:
    """The state after it, in a tuple because None is a state too."""
    try:
        return (model(state, operation),)
    except Impossible:
        return None


def _events(operations: Sequence[Operation]) -> Iterator[tuple[Operation, int, bool]]:
    """Calls and answers in the order of time, calls first where it is the same.

    Every operation has a bit; those of answered operations are used again, so that the sets stay
    small.
    """
    moments: list[tuple[float, int, int]] = []
    for number, operation in enumerate(operations):
        moments.append((operation.start, 0, number))
        if not operation.is_open and operation.end is not None:
            moments.append((operation.end, 1, number))
    free: list[int] = []
    bits: dict[int, int] = {}
    open_bits = 0
    for _, is_answer, number in sorted(moments):
        operation = operations[number]
        if is_answer:
            bit = bits.pop(number)
            yield operation, bit, False
            free.append(bit)
        elif operation.is_open:
            yield operation, 1 << open_bits, True
            open_bits += 1
        else:
            bits[number] = free.pop() if free else 1 << len(bits)
            yield operation, bits[number], True


def _shown(value: object) -> str:
    if value is None:
        return "no such key"
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
