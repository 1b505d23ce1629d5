"""Tests in virtual time."""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import ParamSpec

from kvorum.testing.virtual_time import VirtualTimeLoop

__all__ = ["VirtualTimeLoop", "in_virtual_time"]

P = ParamSpec("P")


def in_virtual_time(test: Callable[P, Coroutine[object, object, None]]) -> Callable[P, None]:
    """Make a synchronous test of a coroutine function, run on a :class:`VirtualTimeLoop`."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            runner.run(test(*args, **kwargs))

    return run
