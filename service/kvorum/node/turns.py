"""When the driver takes a turn: in the next iteration of the loop, once for all who ask.

A turn costs about as much as some requests do. So what cannot be done before something else
has ended asks for none: whatever ends that takes a turn itself.
"""

import asyncio
from asyncio import Future, Handle, TimerHandle
from collections.abc import Callable
from contextvars import copy_context

Step = Callable[[], None]


class Turns:
    """Make it inside the event loop that runs the driver.

    ``is_batch_out`` is the driver's to set: new writes have to wait for the end of a save
    or for a leader's receipt, and gather until then.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._turn: Step | None = None
        self._ended: Future[None] = self._loop.create_future()
        self._context = copy_context()
        self._scheduled: Handle | None = None
        self._timer: TimerHandle | None = None
        self._is_due = False  # since before there was somebody to take it
        self.is_batch_out = False

    async def run(self, turn: Step, tick_s: float) -> None:
        """Take turns, one every ``tick_s`` at least, until cancelled; raises what one raises.

        All run in the context of whoever calls this.
        """
        self._turn, self._context = turn, copy_context()
        self._start_timer(tick_s)
        if self._is_due:
            self.ask()
        try:
            await self._ended
        finally:
            self._end()

    def ask(self) -> None:
        """There is something to do."""
        if self._scheduled is not None:
            return
        if self._turn is None:
            self._is_due = True
        else:
            self._scheduled = self._loop.call_soon(self.take, context=self._context)

    def ask_to_write(self) -> None:
        """There is something to propose."""
        if not self.is_batch_out:
            self.ask()

    def later(self, delay_s: float, step: Step) -> TimerHandle:
        """No turn but ``step``, which may ask for one."""
        return self._loop.call_later(delay_s, step)

    def take(self) -> None:
        """The turn, now: whatever it was asked for is part of it."""
        if self._scheduled is not None:
            self._scheduled.cancel()
            self._scheduled = None
        if self._turn is not None:
            self._do(self._turn)

    def do_soon(self, step: Step) -> None:
        """No turn but ``step``, behind everything that the loop has been given to do so far."""
        self._loop.call_soon(self._do, step, context=self._context)

    def _do(self, step: Step) -> None:
        if self._ended.done():
            return
        try:
            step()
        except Exception as error:  # noqa: BLE001 - ``run`` raises it
            self._ended.set_exception(error)

    def _start_timer(self, tick_s: float) -> None:
        self._timer = self._loop.call_later(tick_s, self._on_timer, tick_s)

    def _on_timer(self, tick_s: float) -> None:
        self._start_timer(tick_s)
        self.take()

    def _end(self) -> None:
        self._turn = None
        for waiting in (self._scheduled, self._timer):
            if waiting is not None:
                waiting.cancel()
        self._scheduled = self._timer = None
