"""Endless streams and long listings as iterators, for asyncio."""

from collections.abc import AsyncGenerator, AsyncIterator
from types import TracebackType
from typing import Generic, Self, TypeVar

import httpx
from httpx_sse import EventSource, ServerSentEvent

from kvorum.client.aio.shell import Opened, Shell
from kvorum.client.feeds import Cut, Feed, WatchFeed
from kvorum.client.model import Change, KeyValue
from kvorum.client.paging import Pager

I = TypeVar("I")  # noqa: E741  # an item
T = TypeVar("T")


class Items(AsyncIterator[T]):
    """A listing, fetched page by page as it is read."""

    def __init__(self, shell: Shell, pager: Pager[T], timeout_s: float | None) -> None:
        self._shell = shell
        self._pager = pager
        self._timeout_s = timeout_s

    async def __anext__(self) -> T:
        while not self._pager.items:
            call = self._pager.wanted()
            if call is None:
                raise StopAsyncIteration
            self._pager.accept(await self._shell.run(call, self._timeout_s))
        return self._pager.items.popleft()


class RangeItems(Items[KeyValue]):
    """Keys of a range, all as they were at one revision."""

    @property
    def revision(self) -> int | None:
        """Of all items; None until the first page has come."""
        return self._pager.revision


class Stream(Generic[I]):
    """An iterator that survives its connections, and goes on at another endpoint.

    ``async with`` opens it at once, and closes it; otherwise the first item opens it.
    :meth:`close` may be called by any task: a waiting ``anext`` then ends the iteration.
    """

    def __init__(
        self, shell: Shell, feed: Feed[I], *, timeout_s: float | None, outage_s: float | None
    ) -> None:
        self._shell = shell
        self._feed = feed
        self._timeout_s = timeout_s
        self._outage_s = float("inf") if outage_s is None else outage_s
        self._is_closed = False
        self._was_open = False
        self._is_reading = False
        self._opened: Opened | None = None
        self._events: AsyncGenerator[ServerSentEvent, None] | None = None

    async def open(self) -> Self:
        """Connect now; raises what a call raises. Does nothing if it is open."""
        if self._events is None:
            self._shell.adopt(self)
            limit_s = self._outage_s if self._was_open else self._timeout_s
            self._opened = await self._shell.open(self._feed.call(), limit_s)
            self._events = EventSource(self._opened.response).aiter_sse()
            self._was_open = True
        return self

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> I:
        while not self._is_closed:
            self._is_reading = True
            try:
                item = await self._next_of_connection()
            except (httpx.RequestError, httpx.StreamError, Cut):
                item = None
            except BaseException:
                await self._drop(is_failure=False)
                self._shell.disown(self)
                raise
            finally:
                self._is_reading = False
            if item is not None:
                return item
            await self._drop(is_failure=not self._is_closed)
        raise StopAsyncIteration

    async def _next_of_connection(self) -> I | None:
        """None at the end of the connection."""
        await self.open()
        assert self._events is not None, "it was opened"
        async for event in self._events:
            item = self._feed.accept(event.event, event.data)
            if item is not None:
                return item
        return None

    async def _drop(self, *, is_failure: bool) -> None:
        opened, self._opened = self._opened, None
        events, self._events = self._events, None
        if events is not None and not self._is_reading:
            await events.aclose()
        if opened is not None:
            if is_failure:
                self._shell.router.failed(opened.head.endpoint, self._shell.clock())
            await opened.response.aclose()

    async def close(self) -> None:
        """End it, from any task."""
        self._is_closed = True
        self._shell.disown(self)
        opened = self._opened
        if opened is not None:
            await opened.response.aclose()

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self.close()
        await self._drop(is_failure=False)


class Watch(Stream[Change]):
    """Changes of keys, each revision once and in order."""

    def __init__(
        self, shell: Shell, feed: WatchFeed, *, timeout_s: float | None, outage_s: float | None
    ) -> None:
        super().__init__(shell, feed, timeout_s=timeout_s, outage_s=outage_s)
        self._watch = feed

    @property
    def revision(self) -> int | None:
        """All changes up to it were handed out: watch on from the next one. None: not open yet."""
        return self._watch.progress
