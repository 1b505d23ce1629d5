"""Where blocking work goes: one job after the other, beside the event loop.

The log and the snapshot files have a worker each, so that neither waits for the other.
A simulator supplies its own, on virtual time.
"""

import asyncio
from asyncio import Future
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Worker(Protocol):
    """Runs jobs in the order in which they were submitted. Used by one event loop."""

    def submit(self, job: Callable[[], T]) -> "Future[T]":
        """The future gets what ``job`` returns or raises; cancelling it does not stop the job."""
        ...

    async def close(self) -> None:
        """Finish what was submitted, then end; may be called again."""
        ...


class ThreadWorker:
    """One thread, started at once. Make it inside the event loop that uses it."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None] = SimpleQueue()
        self._closed = False
        self._stopped: Future[None] = self._loop.create_future()
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, job: Callable[[], T]) -> "Future[T]":
        future: Future[T] = self._loop.create_future()
        if self._closed:
            future.set_exception(RuntimeError(f"the worker {self._thread.name} is closed"))
        else:
            self._jobs.put((job, future))
        return future

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._jobs.put(None)
        await asyncio.shield(self._stopped)
        self._thread.join()

    def _run(self) -> None:
        """The thread. Every exit is reported to the loop."""
        jobs, report = self._jobs, self._loop.call_soon_threadsafe
        while (item := jobs.get()) is not None:
            job, future = item
            try:
                result = job()
            except Exception as error:  # noqa: BLE001 - whoever submitted it must learn of any
                report(_fail, future, error)
            else:
                report(_succeed, future, result)
        report(self._stopped.set_result, None)


def _succeed(future: "Future[Any]", result: object) -> None:
    if not future.cancelled():
        future.set_result(result)


def _fail(future: "Future[Any]", error: Exception) -> None:
    if not future.cancelled():
        future.set_exception(error)
