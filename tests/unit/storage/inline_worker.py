"""A worker without a thread: every job is done when it is submitted."""

import asyncio
from asyncio import Future
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class InlineWorker:
    def submit(self, job: Callable[[], T]) -> "Future[T]":
        future: Future[T] = asyncio.get_running_loop().create_future()
        try:
            future.set_result(job())
        except Exception as error:  # noqa: BLE001 - as a real worker does
            future.set_exception(error)
        return future

    async def close(self) -> None:
        """Nothing waits."""
