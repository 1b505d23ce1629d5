"""An event loop whose clock jumps instead of waiting: hours in seconds, the same every time.

Whenever nothing can run, time moves to the next timer. Nothing here depends on how busy the
machine is, so timings are exact and a seed replays.

Callbacks that belong to one simulated process pass its :class:`Gate`: it can be shut, as
SIGSTOP does, or destroyed, as kill -9 does, between any two of them. Whatever a task or callback
starts belongs to the same process, because contexts are inherited.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import Context, ContextVar, copy_context
from typing import TypeVarTuple, Unpack

Ts = TypeVarTuple("Ts")


class _Call(asyncio.TimerHandle):
    """A callback that is due some time, or now."""

    __slots__ = ("args", "callback", "context", "gone", "when_s")

    def __init__(
        self,
        when_s: float,
        callback: Callable[[Unpack[Ts]], object],
        args: tuple[*Ts],
        context: Context,
    ) -> None:
        # Not the superclass's: that one registers with the loop it was made for.
        self.when_s = when_s
        self.callback: Callable[..., object] = callback
        self.args: tuple[object, ...] = args
        self.context = context
        self.gone = False

    def __repr__(self) -> str:
        return f"<{self.callback} at {self.when_s:.6f}>"

    def run(self) -> None:
        self.context.run(self.callback, *self.args)

    def cancel(self) -> None:
        self.gone = True
        self.callback, self.args = _nothing, ()

    def cancelled(self) -> bool:
        return self.gone

    def when(self) -> float:
        return self.when_s


def _nothing() -> None:
    pass


class Gate:
    """Where the callbacks of one process pass, or wait, or end.

    ``after`` is called whenever one of them has run.
    """

    def __init__(self, loop: "VirtualTimeLoop", name: str) -> None:
        self.name = name
        self.is_open = True
        self.after: Callable[[], None] = _nothing
        self.context = copy_context()
        """Run what the process does first in here; all that follows from it belongs to it."""
        self.context.run(_gate.set, self)
        self._loop = loop
        self._held: list[_Call] = []
        self._is_destroyed = False

    def call_soon(self, callback: Callable[[Unpack[Ts]], object], *args: *Ts) -> None:
        """Something reaches the process from outside."""
        self._loop.call_soon(callback, *args, context=self.context)

    def call_later(
        self, delay_s: float, callback: Callable[[Unpack[Ts]], object], *args: *Ts
    ) -> None:
        self._loop.call_later(delay_s, callback, *args, context=self.context)

    def hold(self, call: _Call) -> None:
        """It is due while the gate is shut."""
        self._held.append(call)

    def shut(self) -> None:
        self.is_open = False

    def open(self) -> None:
        """All that has become due meanwhile runs now, in order."""
        if self._is_destroyed:
            return
        self.is_open = True
        held, self._held = self._held, []
        self._loop.put_first(held)

    def destroy(self) -> None:
        """Nothing of the process runs any more, not even what cleans up."""
        self.is_open, self._is_destroyed = False, True

    def bury(self) -> None:
        """The simulation is over: let the process's tasks be cancelled like all others."""
        self._is_destroyed, self.after = False, _nothing
        self.open()


_gate: ContextVar[Gate | None] = ContextVar("gate", default=None)


def present_gate() -> Gate | None:
    """Of the process that is running now."""
    return _gate.get()


class VirtualTimeLoop(asyncio.BaseEventLoop):
    """Timers, callbacks, tasks and futures; no sockets, no signals, no threads."""

    def __init__(self) -> None:
        super().__init__()
        self._now_s = 1_000.0
        self._due: deque[_Call] = deque()
        self._timers: list[tuple[float, int, _Call]] = []
        self._timer_count = 0

    def time(self) -> float:
        return self._now_s

    def call_soon(
        self,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.Handle:
        call = _Call(self._now_s, callback, args, copy_context() if context is None else context)
        self._due.append(call)
        return call

    call_soon_threadsafe = call_soon
    """There are no threads; asyncio wakes the loop by it when a signal arrives."""

    def call_later(
        self,
        delay: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now_s + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        call = _Call(when, callback, args, copy_context() if context is None else context)
        self._timer_count += 1  # equal times keep their order
        heapq.heappush(self._timers, (when, self._timer_count, call))
        return call

    def put_first(self, calls: Sequence[_Call]) -> None:
        """These were due before everything else that is."""
        self._due.extendleft(reversed(calls))

    def _run_once(self) -> None:
        """What the superclass calls again and again: everything that is due now."""
        due, timers = self._due, self._timers
        if not due:
            self._advance()
        while timers and timers[0][0] <= self._now_s:
            due.append(heapq.heappop(timers)[2])
        for _ in range(len(due)):
            call = due.popleft()
            if call.gone:
                continue
            gate = call.context.get(_gate)
            if gate is None:
                self._run(call)
            elif gate.is_open:
                self._run(call)
                gate.after()
            else:
                gate.hold(call)

    def _advance(self) -> None:
        timers = self._timers
        while timers and timers[0][2].gone:
            heapq.heappop(timers)
        if timers:
            self._now_s = max(self._now_s, timers[0][0])
        elif not self._stopping:  # type: ignore[attr-defined]  # the superclass's own flag
            raise RuntimeError("everyone waits and no timer is set: this would hang for ever")

    def _run(self, call: _Call) -> None:
        try:
            call.run()
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001 - as every event loop does
            self.call_exception_handler(
                {"message": f"exception in {call!r}", "exception": error, "handle": call}
            )

    def _process_events(self, event_list: object) -> None:
        """There are none: nothing comes from outside."""
