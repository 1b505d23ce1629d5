"""The verdict finds what it is there for."""

from kvorum.testing.linearizability import Kind, check
from tests.chaos.calls import Call, Outcome
from tests.chaos.verdict import (
    revisions_not_made_once,
    revisions_that_go_back,
    wrong_at_the_end,
)


def put(value: str, revision: int, *, start: float, end: float, key: str = "k") -> Call:
    return Call(
        "c0", key, Kind.PUT, (value,), f"id-{value}", start, end, Outcome.OK, revision=revision
    )


def get(value: str | None, revision: int, *, start: float, end: float) -> Call:
    outcome = Outcome.MISSING if value is None else Outcome.OK
    return Call("c1", "k", Kind.GET, (), "", start, end, outcome, value, revision)


SOUND = [
    put("a", 2, start=0, end=1),
    get("a", 2, start=2, end=3),
    put("b", 3, start=4, end=5),
    get("b", 3, start=6, end=7),
]


def test_a_sound_history_has_no_problems() -> None:
    assert check(call.operation() for call in SOUND) is None
    assert not revisions_not_made_once(SOUND, first=1, last=4)
    assert not revisions_that_go_back(SOUND)
    assert not wrong_at_the_end(SOUND, [get("b", 4, start=8, end=9)])


def test_a_stale_read_is_not_linearizable_and_its_revision_went_back() -> None:
    history = [*SOUND, get("a", 2, start=8, end=9)]
    assert check(call.operation() for call in history) is not None
    assert revisions_that_go_back(history)


def test_a_read_of_what_was_never_answered_is_linearizable() -> None:
    unknown = Call("c2", "k", Kind.PUT, ("c",), "id-c", 6.5, None, Outcome.UNKNOWN)
    history = [*SOUND, unknown, get("c", 4, start=8, end=9)]
    assert check(call.operation() for call in history) is None


def test_a_write_that_was_applied_twice_leaves_a_revision_that_nobody_made() -> None:
    (problem,) = revisions_not_made_once(SOUND, first=1, last=5)
    assert "no acknowledged write made: [4]" in problem


def test_two_writes_with_one_revision_are_found() -> None:
    history = [*SOUND, put("c", 3, start=8, end=9)]
    (problem,) = revisions_not_made_once(history, first=1, last=4)
    assert "one revision, several writes" in problem


def test_a_lost_write_is_missed_at_the_end() -> None:
    assert wrong_at_the_end(SOUND, [get("a", 3, start=8, end=9)])
    assert wrong_at_the_end(SOUND, [get(None, 3, start=8, end=9)])


def test_a_write_acknowledged_before_the_barrier_but_revised_after_it_is_found() -> None:
    (problem,) = revisions_not_made_once(SOUND, first=2, last=4)
    assert "revisions outside" in problem
