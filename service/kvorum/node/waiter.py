"""Whoever waits for a result: a future, or what a front end has in its place.

A future wakes its task, or calls its callbacks, one by one at a later time. A front end that
answers hundreds of requests at once can do with less.
"""

import asyncio
from asyncio import AbstractEventLoop, Future
from typing import Any, Protocol, TypeVar

T_contra = TypeVar("T_contra", contravariant=True)


class Waiter(Protocol[T_contra]):
    """Gets one result or one error, on the event loop and in the middle of other work.

    So neither may raise nor take long. A :class:`~asyncio.Future` is one.
    """

    def done(self) -> bool:
        """It has got one, or wants none any more."""
        ...

    def set_result(self, result: T_contra, /) -> None: ...

    def set_exception(self, error: Exception, /) -> None: ...


class Futures:
    """Makes futures of the running event loop.

    It asks which one that is only once: in Python 3.11 the question is a system call.
    """

    __slots__ = ("_loop",)

    def __init__(self) -> None:
        self._loop: AbstractEventLoop | None = None

    def new(self) -> "Future[Any]":
        """Call it on the event loop, always the same one."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        return self._loop.create_future()
