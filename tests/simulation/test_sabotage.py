"""The simulator finds a node that breaks its word, and says which word it was.

Many more planted bugs are in ``tests/mutants``; these show that each kind of verdict works.
"""

import pickle
from asyncio import Future
from collections.abc import Callable

import pytest

from kvorum.mvcc.outcomes import Outcomes
from kvorum.node.service import KvService
from kvorum.node.views import ReadResult
from kvorum.raft.state import State
from kvorum.testing import simulate
from kvorum.testing.memory_fs import MemoryFile
from kvorum.testing.simulation import Failed, run_seed

SEEDS = range(1, 16)
SECONDS = 30.0


def answers_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Votes and acknowledgements do not wait for the disk."""
    monkeypatch.setattr(State, "send_after_sync", State.send)


def disk_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Durable writes are not."""

    def write(file: MemoryFile, buffers: list[bytes], offset: int) -> None:
        file.write(buffers, offset)

    monkeypatch.setattr(MemoryFile, "write_durably", write)


def reads_locally(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reads do not ask anybody."""

    def get(service: KvService, request_id: str, key: bytes) -> "Future[ReadResult]":
        future: Future[ReadResult] = Future()
        future.set_result(service._get(request_id, key))
        return future

    monkeypatch.setattr(KvService, "get", get)


def forgets_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was executed under a request id is executed again."""

    def add(outcomes: Outcomes, *_: object) -> None:
        outcomes.forgotten_index = 0

    monkeypatch.setattr(Outcomes, "add", add)


@pytest.mark.parametrize(
    ("sabotage", "verdict"),
    [
        (answers_at_once, "durable before"),
        (disk_lies, "survives a crash|CorruptLog"),
        (reads_locally, "not linearizable|revision"),
        (forgets_requests, "executed|log says|outcome"),
    ],
)
def test_finds(
    sabotage: Callable[[pytest.MonkeyPatch], None], verdict: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sabotage(monkeypatch)
    with pytest.raises(Failed, match=verdict):
        hunt()


def hunt() -> None:
    for seed in SEEDS:
        run_seed(seed, seconds=SECONDS)


def test_a_failure_travels_between_processes() -> None:
    failure = pickle.loads(pickle.dumps(Failed(7, "what broke")))
    assert str(failure) == "seed 7: what broke"


def test_says_so_at_the_command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers_at_once(monkeypatch)
    assert simulate.main(["--seed=1", "--seconds=20"]) == 1
    assert capsys.readouterr().out.splitlines()[-1].startswith("seed 1: InvariantBroken: ")


def test_counts_what_it_has_done(capsys: pytest.CaptureFixture[str]) -> None:
    assert simulate.main(["--first=1", "--seeds=2", "--seconds=20", "--jobs=1"]) == 0
    first, *_, last = capsys.readouterr().out.splitlines()
    assert first == "seeds from 1 on"
    assert last.startswith("2 seeds, 0.0 virtual hours, ")
