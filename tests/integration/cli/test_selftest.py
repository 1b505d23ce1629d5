"""`kvorum selftest` against a node, and against stores that do not do what they should."""

import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from kvorum.cli.selftest.trial import Trial
from kvorum.client import AsyncClient
from tests.integration.app.one_node import OneNode
from tests.integration.cli.test_members import dead_endpoint
from tests.support.command_line import CommandLine, line_of
from tests.support.wait import eventually


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneNode]:
    one = OneNode(Path(tmp_path_factory.mktemp("node")))
    try:
        one.start()
        yield one
    finally:
        one.close()


@pytest.fixture
def kvorum(node: OneNode) -> CommandLine:
    return CommandLine(f"http://{node.environ['REST_ADDRESS']}")


def test_all_steps_pass_and_leave_nothing_behind(kvorum: CommandLine) -> None:
    ran = kvorum("selftest")
    steps = " ".join(line.split()[0] for line in ran.lines)
    assert steps == "lease put get compare-and-set list watch delete clean passed"
    assert kvorum("ls", "--count").out == "0\n"
    assert kvorum("lease", "list", "-o", "json").out == ""


def test_as_json(kvorum: CommandLine) -> None:
    lines = kvorum("selftest", "-o", "json").json_lines
    assert lines[-1]["step"] == "passed"
    assert all(line["ms"] > 0 for line in lines)


def test_without_a_node() -> None:
    with dead_endpoint() as endpoint:
        ran = CommandLine(endpoint)("selftest", "--timeout", "300ms", code=5)
    assert "cannot be reached" in ran.err


@pytest.mark.parametrize(
    ("method", "answer", "why"),
    [
        ("get", {"value": "other"}, "get: 'other' was read, 'first' was put"),
        ("cas", {"revision": 10**9}, "done although the old value was wrong"),
        ("range", {}, "list: [] instead of the one key"),
        ("delete", {}, "the key can still be read"),
    ],
)
async def test_a_store_that_lies_is_found_out(
    node: OneNode, method: str, answer: dict[str, object], why: str
) -> None:
    told: list[str] = []
    async with AsyncClient(f"http://{node.environ['REST_ADDRESS']}") as client:
        lie(client, method, answer)
        with pytest.raises(Exception, match=why.replace("[", r"\[").replace("]", r"\]")):
            await Trial(client, 5.0, lambda step, _text, _seconds: told.append(step)).run()
        assert [lease async for lease in client.leases.list()] == []
    assert "delete" not in told


def lie(client: AsyncClient, method: str, answer: dict[str, object]) -> None:
    """``client`` answers so for good, whatever the store says."""

    class Answer:
        def __init__(self) -> None:
            self.mod_revision = 0
            self.value: object = None
            self.revision = 0
            for name, value in answer.items():
                setattr(self, name, value)

    async def single(*_: object, **__: object) -> Answer:
        return Answer()

    async def several() -> AsyncIterator[Answer]:
        nothing: tuple[Answer, ...] = ()
        for each in nothing:
            yield each

    setattr(client, method, (lambda **_: several()) if method == "range" else single)


def test_asked_to_end_it_ends_its_lease(kvorum: CommandLine) -> None:
    with kvorum.started("selftest") as process:
        assert line_of(process).startswith("lease")
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=60)
    assert code in (0, 143), "done before, or ended in order"
    eventually("nothing is left", lambda: kvorum("lease", "list", "-o", "json").out == "")
