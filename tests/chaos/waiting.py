"""Waiting for a condition in an event loop: the twin of tests.support.wait."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def eventually(
    what: str, condition: Callable[[], Awaitable[T | None]], *, within_s: float = 40.0
) -> T:
    """The first true value of ``condition``; fails, saying what was awaited, after the deadline."""
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + within_s
    while True:
        value = await condition()
        if value:
            return value
        if loop.time() > deadline_s:
            raise AssertionError(f"not within {within_s} s: {what}; last seen: {value!r}")
        await asyncio.sleep(0.02)
