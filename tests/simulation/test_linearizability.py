"""The checker of histories: what it accepts and refuses, and a brute-force twin."""

import itertools
from collections.abc import Hashable, Iterator, Sequence
from random import Random

import pytest

from kvorum.testing import linearizability
from kvorum.testing.linearizability import (
    Answer,
    Impossible,
    Kind,
    Operation,
    TooConcurrent,
    check,
    register,
)

OK, MISSING, MISMATCH, UNKNOWN = Answer.OK, Answer.MISSING, Answer.MISMATCH, Answer.UNKNOWN


def operation(
    kind: Kind, *args: bytes, at: tuple[float, float | None], result: bytes | Answer, key: str = "k"
) -> Operation:
    return Operation("c", key, kind, args, result, at[0], at[1])


def put(value: bytes, begin: float, end: float | None, key: str = "k") -> Operation:
    result = UNKNOWN if end is None else OK
    return operation(Kind.PUT, value, at=(begin, end), result=result, key=key)


def get(result: bytes | Answer, begin: float, end: float, key: str = "k") -> Operation:
    return operation(Kind.GET, at=(begin, end), result=result, key=key)


def cas(old: bytes, new: bytes, result: Answer, begin: float, end: float | None) -> Operation:
    return operation(Kind.CAS, old, new, at=(begin, end), result=result)


def delete(result: Answer, begin: float, end: float | None) -> Operation:
    return operation(Kind.DELETE, at=(begin, end), result=result)


LINEARIZABLE = {
    "nothing": [],
    "in turn": [put(b"1", 0, 1), get(b"1", 2, 3), delete(OK, 4, 5), get(MISSING, 6, 7)],
    "a read beside a write sees the old value": [put(b"1", 0, 10), get(MISSING, 1, 2)],
    "a read beside a write sees the new value": [put(b"1", 0, 10), get(b"1", 1, 2)],
    "writes side by side take effect in either order": [
        put(b"1", 0, 10),
        put(b"2", 0, 10),
        get(b"2", 11, 12),
        get(b"2", 13, 14),
    ],
    "an answerless write is seen late": [put(b"1", 0, None), get(MISSING, 5, 6), get(b"1", 7, 8)],
    "an answerless write is never seen": [put(b"1", 0, None), get(MISSING, 5, 6)],
    "an answerless cas after what it expects": [
        cas(b"1", b"2", UNKNOWN, 0, None),
        put(b"1", 1, 2),
        get(b"2", 3, 4),
    ],
    "an answerless write makes a cas fail": [
        put(b"1", 0, 1),
        put(b"2", 2, None),
        cas(b"1", b"3", MISMATCH, 3, 4),
    ],
    "two answerless writes that nobody read explain two deletes": [
        put(b"1", 0, None),
        put(b"2", 0, None),
        delete(OK, 1, 2),
        delete(OK, 3, 4),
    ],
    "one of two compare-and-sets wins": [
        put(b"1", 0, 1),
        cas(b"1", b"2", OK, 2, 9),
        cas(b"1", b"3", MISMATCH, 2, 9),
    ],
    "equal times do not order": [put(b"1", 0, 1), get(MISSING, 1, 2)],
    "keys are independent": [put(b"1", 0, 1, key="a"), get(MISSING, 2, 3, key="b")],
}

NOT_LINEARIZABLE = {
    "a stale read": [put(b"1", 0, 1), put(b"2", 2, 3), get(b"1", 4, 5)],
    "a lost write": [put(b"1", 0, 1), get(MISSING, 2, 3)],
    "a value from nowhere": [put(b"1", 0, 1), get(b"7", 2, 3)],
    "a value that comes and goes": [put(b"1", 0, 10), get(b"1", 1, 2), get(MISSING, 3, 4)],
    "an answerless write seen before its call": [get(b"1", 0, 1), put(b"1", 2, None)],
    "an answerless write applied twice": [
        put(b"1", 0, None),
        get(b"1", 1, 2),
        delete(OK, 3, 4),
        get(b"1", 5, 6),
    ],
    "three deletes of two answerless writes": [
        put(b"1", 0, None),
        put(b"2", 0, None),
        delete(OK, 1, 2),
        delete(OK, 3, 4),
        delete(OK, 5, 6),
    ],
    "two compare-and-sets of one value": [
        put(b"1", 0, 1),
        cas(b"1", b"2", OK, 2, 9),
        cas(b"1", b"3", OK, 2, 9),
    ],
    "a cas that should have matched": [put(b"1", 0, 1), cas(b"1", b"2", MISMATCH, 2, 3)],
    "a cas of a key that is gone": [put(b"1", 0, 1), delete(OK, 2, 3), cas(b"1", b"2", OK, 4, 5)],
    "reads disagree on the order of writes": [
        put(b"1", 0, 1),
        put(b"2", 0, 20),
        put(b"3", 0, 20),
        get(b"2", 2, 3),
        get(b"3", 4, 5),
        get(b"2", 6, 7),
    ],
}


@pytest.mark.parametrize("name", LINEARIZABLE)
def test_accepts(name: str) -> None:
    assert check(LINEARIZABLE[name]) is None


@pytest.mark.parametrize("name", NOT_LINEARIZABLE)
def test_refuses(name: str) -> None:
    assert check(NOT_LINEARIZABLE[name]) is not None


def test_explains_the_answer_that_does_not_fit() -> None:
    history = [put(b"1", 0, 1), put(b"2", 2, 3), put(b"9", 2.5, None), get(b"1", 4, 5)]
    violation = check(history)
    assert violation is not None
    assert violation.operation == history[-1]
    assert violation.states == (b"2",)
    assert "get(k) → 1" in str(violation)
    assert "c: put(k, 2) → ok" in str(violation)
    assert "unknown" in str(violation)


def test_agrees_with_brute_force() -> None:
    """Random small histories, many of them impossible ones."""
    random = Random(7)
    verdicts = []
    for _ in range(3000):
        history = list(_random_history(random))
        expected = _brute_force(history)
        assert (check(history) is None) == expected, history
        verdicts.append(expected)
    assert 500 < sum(verdicts) < 2500


def test_accepts_every_run_of_a_real_register() -> None:
    """Also long ones, with many clients and many calls whose answer is lost."""
    random = Random(11)
    for _ in range(20):
        assert check(_real_history(random, clients=10, operations=500, lost=0.2)) is None


def test_notices_one_wrong_read_in_a_long_history() -> None:
    random = Random(13)
    for _ in range(20):
        history = _real_history(random, clients=5, operations=300, lost=0.1)
        values = [o.args[-1] for o in history if o.kind is Kind.PUT and not o.is_open]
        late = history[-1].start + 1_000
        newer = [put(b"new", late, late + 1), get(values[0], late + 2, late + 3)]
        assert check([*history, *newer]) is not None


def test_gives_up_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linearizability, "CONFIGURATIONS_MAX", 100)
    with pytest.raises(TooConcurrent, match="100 configurations"):
        check([put(str(number).encode(), 0, 1) for number in range(20)])


def _random_history(random: Random) -> Iterator[Operation]:
    for _ in range(random.randint(1, 5)):
        begin = random.randint(0, 8)
        end = None if random.random() < 0.25 else begin + random.randint(1, 8)
        one, other = (random.choice((b"1", b"2")) for _ in range(2))
        match random.choice(list(Kind)):
            case Kind.GET:
                yield get(random.choice((b"1", b"2", MISSING)), begin, begin + 3)
            case Kind.PUT:
                yield put(one, begin, end)
            case Kind.CAS:
                answer = random.choice((OK, MISSING, MISMATCH)) if end else UNKNOWN
                yield cas(one, other, answer, begin, end)
            case Kind.DELETE:
                yield delete(random.choice((OK, MISSING)) if end else UNKNOWN, begin, end)


def _brute_force(history: Sequence[Operation]) -> bool:
    """Try every order of every choice of the answerless operations."""
    answered = [o for o in history if not o.is_open]
    unanswered = [o for o in history if o.is_open]
    for size in range(len(unanswered) + 1):
        for chosen in itertools.combinations(unanswered, size):
            orders = itertools.permutations([*answered, *chosen])
            if any(_respects_time(order) and _gives_answers(order) for order in orders):
                return True
    return False


def _respects_time(order: Sequence[Operation]) -> bool:
    return not any(
        later.end is not None and later.end < earlier.start
        for earlier, later in itertools.combinations(order, 2)
    )


def _gives_answers(order: Sequence[Operation]) -> bool:
    state: Hashable = None
    try:
        for each in order:
            state = register(state, each)
    except Impossible:
        return False
    return True


def _real_history(random: Random, *, clients: int, operations: int, lost: float) -> list[Operation]:
    """What clients see of an atomic register: each call takes effect between its ends."""
    state: bytes | None = None
    history: list[Operation] = []
    free_at = [0.0] * clients
    calls = []
    for number in range(operations):
        client = random.randrange(clients)
        begin = free_at[client] + random.random()
        end = free_at[client] = begin + random.expovariate(1)
        calls.append((random.uniform(begin, end), begin, end, client, number))
    for _, begin, end, client, number in sorted(calls):
        new, expected = b"%d" % number, random.choice((state or b"0", b"0"))
        kind = random.choice(list(Kind))
        args = {Kind.PUT: (new,), Kind.CAS: (expected, new)}.get(kind, ())
        answer, state = _apply(state, kind, args)
        is_lost = random.random() < lost
        result = UNKNOWN if is_lost else answer
        moment = None if is_lost else end
        history.append(Operation(f"c{client}", "k", kind, args, result, begin, moment))
    return history


def _apply(
    state: bytes | None, kind: Kind, args: tuple[bytes, ...]
) -> tuple[bytes | Answer, bytes | None]:
    """The answer, and the state after it."""
    if kind is Kind.PUT:
        return OK, args[0]
    if state is None:
        return MISSING, None
    if kind is Kind.GET:
        return state, state
    if kind is Kind.DELETE:
        return OK, None
    return (OK, args[1]) if state == args[0] else (MISMATCH, state)
