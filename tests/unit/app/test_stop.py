"""The order in which a node stops."""

import asyncio
from typing import Any, cast

from kvorum.app.process import _stop


class Recorder:
    """Node, transport and web server at once: notes who was called, and when."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.transport = self
        self.exit = asyncio.Event()

    def announce_stop(self) -> None:
        self.calls.append("not ready any more")

    async def hand_over(self) -> None:
        self.calls.append("hand over")

    def give_up_requests(self) -> None:
        self.calls.append("give up requests")

    async def stop(self) -> None:
        self.calls.append("peers")

    def __setattr__(self, name: str, value: object) -> None:
        if name == "should_exit":
            self.calls.append("clients")
            self.exit.set()
        super().__setattr__(name, value)


async def test_it_is_not_ready_from_the_first_moment() -> None:
    """Those who probe must send nobody here while leadership moves."""
    recorder = Recorder()
    serving: asyncio.Task[Any] = asyncio.create_task(recorder.exit.wait())
    node = cast("Any", recorder)
    await _stop(node, serving, node, [])
    assert recorder.calls == [
        "not ready any more",
        "hand over",
        "clients",
        "give up requests",
        "peers",
    ]
