"""A plain request as the service sees it: it waits for one answer, and gets one."""

from typing import Any, cast

from kvorum.errors import OutcomeUnknown
from kvorum.mvcc.outcome import Status
from kvorum.node.service import KvService
from kvorum.rest.direct_keys import DirectKeyRequest
from kvorum.rest.direct_request import Connection, DirectRequest
from kvorum.rest.observer import KEY_ROUTE
from kvorum.rest.plain_request import PlainRequest
from tests.unit.node.fakes import STAMP, Bench, batch, entry, outcome, put_command


class SilentService:
    """Takes a write, and leaves it to the test what becomes of it."""

    def new_request_id(self) -> str:
        return "r"

    def put_for(self, *_: object) -> None:
        pass


def waiting_at(answers: list[DirectRequest[Any]]) -> DirectRequest[Any]:
    request = DirectKeyRequest(PlainRequest("PUT", KEY_ROUTE, b"", b"k"), b"1")
    connection = cast("Connection", cast("Any", None))
    request.begin(cast("KvService", SilentService()), connection, answers.append)
    return request


def queue(bench: Bench, waiting: DirectRequest[Any]) -> None:
    bench.proposals.queue("r", put_command("r"), waiting)
    bench.proposals.take_batches(STAMP)


async def test_an_answered_write_gets_no_second_answer_when_its_time_is_over() -> None:
    bench, answers = Bench(), list[DirectRequest[Any]]()
    waiting = waiting_at(answers)
    queue(bench, waiting)
    bench.proposals.on_applied(entry(1, 2, batch("r")), [outcome("r")])
    bench.clock.advance(2 * bench.options.request_timeout_s)
    bench.proposals.expire()
    assert answers == [waiting]
    assert waiting.result == outcome("r")
    assert waiting.error is None


async def test_a_write_nobody_decides_is_told_so_once() -> None:
    bench, answers = Bench(), list[DirectRequest[Any]]()
    waiting = waiting_at(answers)
    queue(bench, waiting)
    for _ in range(2):
        bench.clock.advance(2 * bench.options.request_timeout_s)
        bench.proposals.expire()
    bench.proposals.on_applied(entry(1, 2, batch("r")), [outcome("r")])
    assert answers == [waiting]
    assert isinstance(waiting.error, OutcomeUnknown)


async def test_a_refusal_is_a_result() -> None:
    answers: list[DirectRequest[Any]] = []
    waiting = waiting_at(answers)
    assert not waiting.done()
    refused = outcome("r")
    refused = type(refused)("r", Status.FULL, "full", 1, 0)
    waiting.set_result(refused)
    assert waiting.done()
    assert answers[0].result is refused


async def test_an_id_that_a_client_had_guessed_is_answered_to_both() -> None:
    """As if both had chosen it; neither waits in vain, and nothing is counted for ever."""
    bench, answers = Bench(), list[DirectRequest[Any]]()
    guessed = bench.proposals.submit("r", put_command("r"))
    waiting = waiting_at(answers)
    queue(bench, waiting)
    bench.proposals.on_applied(entry(1, 2, batch("r")), [outcome("r")])
    assert await guessed == outcome("r")
    assert answers == [waiting]
    assert bench.proposals.writes.size_bytes == 0
