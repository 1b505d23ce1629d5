"""Waiting for a condition, with a deadline: the only way tests let time pass."""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(what: str, condition: Callable[[], T | None], *, within_s: float = 60.0) -> T:
    """The first true value of ``condition``; fails, saying what was awaited, after the deadline."""
    deadline_s = time.monotonic() + within_s
    pause = threading.Event()
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline_s:
            raise AssertionError(f"not within {within_s} s: {what}; last seen: {value!r}")
        pause.wait(0.02)


async def soon(condition: Callable[[], object], *, within_s: float = 20.0) -> None:
    """The same on the event loop; fails with a TimeoutError after the deadline."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - what tests look at has no event
            await asyncio.sleep(0.001)
