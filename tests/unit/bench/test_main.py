"""One step that fails does not take the others with it, and is not forgotten."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytest

from bench.__main__ import attempt, parse
from bench.checking import DisturbedError, WrongDataError
from bench.progress import Progress
from bench.results import Row
from bench.stage import Effort, Scene, Stage
from bench.systems import Etcd, Kvorum

ROW = Row("put", "anywhere", "per second", {"kvorum": [1.0]})


class Step:
    """Raises what it is given, one after the other, then succeeds."""

    group = "put"
    title = "put: anywhere"
    scene = Scene()

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)

    def takes_s(self, effort: Effort) -> float:
        return 1.0

    def run(self, stage: Stage) -> Sequence[Row]:
        if self.errors:
            raise self.errors.pop(0)
        return [ROW]


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """Without clusters."""
    nobody = cast("Kvorum", None), cast("Etcd", None)
    return Stage(*nobody, Effort(1, 1, 1), tmp_path, Progress(1, 1.0))


def test_a_step_gives_its_rows(stage: Stage) -> None:
    assert attempt(Step(), stage).rows == [ROW]


def test_a_disturbed_step_is_done_again(stage: Stage) -> None:
    found = attempt(Step(DisturbedError("another leader")), stage)
    assert (found.rows, found.failure) == ([ROW], "")


def test_not_for_ever(stage: Stage) -> None:
    found = attempt(Step(*[DisturbedError("another leader")] * 3), stage)
    assert not found.rows
    assert "disturbed 3 times" in found.failure


@pytest.mark.parametrize(
    "error", [WrongDataError("lost"), ExceptionGroup("", [RuntimeError("503")]), TimeoutError("x")]
)
def test_wrong_data_is_a_failure_at_once(stage: Stage, error: Exception) -> None:
    step = Step(error, WrongDataError("never raised"))
    found = attempt(step, stage)
    assert found.failure.startswith("put: anywhere: ")
    assert len(step.errors) == 1


def test_the_command_line_is_understood() -> None:
    arguments = parse(["run", "--quick", "--rounds", "2", "--only", "put", "get"])
    assert (arguments.quick, arguments.rounds, arguments.only) == (True, 2, ["put", "get"])


def test_help_names_the_loads(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["run", "--help"])
    assert "failover" in capsys.readouterr().out
