"""A plain request as the service sees it: it waits for one answer, and gets one."""

from typing import Any, cast

from kvorum.errors import OutcomeUnknown
from kvorum.mvcc.outcome import Status
from kvorum.rest.direct import Connection, Direct, _Waiting
from kvorum.rest.plain_request import PlainRequest
from tests.unit.node.fakes import STAMP, Bench, batch, entry, outcome, put_command


class Desk:
    """Where answers leave."""

    def __init__(self) -> None:
        self.answers: list[_Waiting] = []

    def has_answer(self, waiting: _Waiting) -> None:
        self.answers.append(waiting)


def waiting_at(desk: Desk) -> _Waiting:
    request = PlainRequest("PUT", b"k", b"")
    return _Waiting(
        cast("Direct", desk), cast("Connection", cast("Any", None)), request, "r", (b"1",)
    )


async def test_an_answered_write_gets_no_second_answer_when_its_time_is_over() -> None:
    bench, desk = Bench(), Desk()
    waiting = waiting_at(desk)
    bench.proposals.queue("r", put_command("r"), waiting)
    bench.proposals.take_batches(STAMP)
    bench.proposals.on_applied(entry(1, 2, batch("r")), [outcome("r")])
    bench.clock.advance(2 * bench.options.request_timeout_s)
    bench.proposals.expire()
    assert desk.answers == [waiting]
    assert waiting.result == outcome("r")
    assert waiting.error is None


async def test_a_write_nobody_decides_is_told_so_once() -> None:
    bench, desk = Bench(), Desk()
    waiting = waiting_at(desk)
    bench.proposals.queue("r", put_command("r"), waiting)
    bench.proposals.take_batches(STAMP)
    for _ in range(2):
        bench.clock.advance(2 * bench.options.request_timeout_s)
        bench.proposals.expire()
    bench.proposals.on_applied(entry(1, 2, batch("r")), [outcome("r")])
    assert desk.answers == [waiting]
    assert isinstance(waiting.error, OutcomeUnknown)


async def test_a_refusal_is_a_result() -> None:
    desk = Desk()
    waiting = waiting_at(desk)
    assert not waiting.done()
    refused = outcome("r")
    refused = type(refused)("r", Status.FULL, "full", 1, 0)
    waiting.set_result(refused)
    assert waiting.done()
    assert desk.answers[0].result is refused


async def test_an_id_that_a_client_had_guessed_is_answered_to_both() -> None:
    """As if both had chosen it; neither waits in vain, and nothing is counted for ever."""
    bench, desk = Bench(), Desk()
    guessed = bench.proposals.submit("r", put_command("r"))
    waiting = waiting_at(desk)
    bench.proposals.queue("r", put_command("r"), waiting)
    bench.proposals.take_batches(STAMP)
    bench.proposals.on_applied(entry(1, 2, batch("r")), [outcome("r")])
    assert await guessed == outcome("r")
    assert desk.answers == [waiting]
    assert bench.proposals.writes.size_bytes == 0
