"""Seconds of a load beside something else, and what they make together."""

from concurrent.futures import Future
from itertools import count

import pytest

from bench.generators import Run
from bench.million import together, until_done


def run(requests: int, p99_ms: float = 1.0, longest_ms: float = 2.0) -> Run:
    return Run(requests, 1.0, 0.5, p99_ms, longest_ms, 100, 0, 0)


def test_runs_are_added_and_the_longest_stays() -> None:
    found = together([run(10, 1.0, 2.0), run(20, 5.0, 90.0), run(30, 3.0, 4.0)])
    assert (found.requests, found.seconds, found.per_s) == (60, 3.0, 20.0)
    assert (found.p99_ms, found.longest_ms) == (3.0, 90.0)


@pytest.mark.parametrize(("seconds", "expected"), [(1, [0]), (2, [0]), (4, [0, 1, 2])])
def test_the_run_that_outlasts_the_task_does_not_count(seconds: int, expected: list[int]) -> None:
    task: Future[None] = Future()
    numbers = count()

    def second() -> Run:
        number = next(numbers)
        if number == seconds - 1:
            task.set_result(None)
        return run(number)

    assert [each.requests for each in until_done(task, second)] == expected


def test_a_task_that_fails_is_not_hidden() -> None:
    task: Future[None] = Future()
    task.set_exception(RuntimeError("no snapshot"))
    with pytest.raises(RuntimeError, match="no snapshot"):
        until_done(task, lambda: run(1))
