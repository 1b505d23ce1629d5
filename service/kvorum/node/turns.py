"""When the driver takes its next turn: in the next iteration of the loop, once for all who ask.

A turn costs about as much as some requests do. So what cannot be done before something else
has ended asks for none: whatever ends that takes a turn itself.
"""

import asyncio
from asyncio import Handle
from collections.abc import Callable
from contextvars import copy_context


class Turns:
    """Make it inside the event loop that runs the driver.

    ``is_batch_out`` is the driver's to set: new writes have to wait for the end of a save
    or for a leader's receipt, and gather until then.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._turn: Callable[[], None] | None = None
        self._context = copy_context()
        self._scheduled: Handle | None = None
        self._is_due = False  # before there was a driver
        self.is_batch_out = False

    def begin(self, turn: Callable[[], None]) -> None:
        """From now on ``turn`` is called, in the context of whoever calls this."""
        self._turn, self._context = turn, copy_context()
        if self._is_due:
            self.ask()

    def end(self) -> None:
        """No further turns."""
        self._turn = None
        self._forget_scheduled()

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

    def take(self) -> None:
        """The turn, now: whatever it was asked for is part of it."""
        self._forget_scheduled()
        if self._turn is not None:
            self._turn()

    def _forget_scheduled(self) -> None:
        if self._scheduled is not None:
            self._scheduled.cancel()
            self._scheduled = None
