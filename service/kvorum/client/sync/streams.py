"""Endless streams and long listings as iterators, for threads."""

import socket
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Generic, Self, TypeVar

import httpx
from httpx_sse import EventSource, ServerSentEvent

from kvorum.client.errors import ClientClosed
from kvorum.client.feeds import Cut, Feed, WatchFeed
from kvorum.client.model import Change, KeyValue
from kvorum.client.paging import Pager
from kvorum.client.sync.shell import Opened, Shell

I = TypeVar("I")  # noqa: E741  # an item
T = TypeVar("T")


class Items(Iterator[T]):
    """A listing, fetched page by page as it is read."""

    def __init__(self, shell: Shell, pager: Pager[T], timeout_s: float | None) -> None:
        self._shell = shell
        self._pager = pager
        self._timeout_s = timeout_s

    def __next__(self) -> T:
        while not self._pager.items:
            call = self._pager.wanted()
            if call is None:
                raise StopIteration
            self._pager.accept(self._shell.run(call, self._timeout_s))
        return self._pager.items.popleft()


class RangeItems(Items[KeyValue]):
    """Keys of a range, all as they were at one revision."""

    @property
    def revision(self) -> int | None:
        """Of all items; None until the first page has come."""
        return self._pager.revision


class Stream(Generic[I]):
    """An iterator that survives its connections, and goes on at another endpoint.

    ``with`` opens it at once, and closes it; otherwise the first ``next`` opens it.
    :meth:`close` may be called by any thread: a waiting ``next`` then ends the iteration.
    """

    def __init__(
        self, shell: Shell, feed: Feed[I], *, timeout_s: float | None, outage_s: float | None
    ) -> None:
        self._shell = shell
        self._feed = feed
        self._timeout_s = timeout_s
        self._outage_s = float("inf") if outage_s is None else outage_s
        self._closing = threading.Event()
        self._was_open = False
        self._opened: Opened | None = None
        self._events: Iterator[ServerSentEvent] | None = None

    def open(self) -> Self:
        """Connect now; raises what a call raises. Does nothing if it is open."""
        if self._events is None:
            self._shell.adopt(self)
            limit_s = self._outage_s if self._was_open else self._timeout_s
            self._opened = self._shell.open(self._feed.call(), limit_s, self._closing)
            self._events = EventSource(self._opened.response).iter_sse()
            self._was_open = True
        return self

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> I:
        while not self._closing.is_set():
            try:
                item = self._next_of_connection()
            except (httpx.RequestError, httpx.StreamError, Cut):
                item = None
            except BaseException as error:
                self._drop(is_failure=False)
                self._shell.disown(self)
                if isinstance(error, ClientClosed) and self._closing.is_set():
                    break
                raise
            if item is not None:
                return item
            self._drop(is_failure=not self._closing.is_set())
        raise StopIteration

    def _next_of_connection(self) -> I | None:
        """None at the end of the connection."""
        self.open()
        assert self._events is not None, "it was opened"
        for event in self._events:
            item = self._feed.accept(event.event, event.data)
            if item is not None:
                return item
        return None

    def _drop(self, *, is_failure: bool) -> None:
        opened, self._opened, self._events = self._opened, None, None
        if opened is not None:
            if is_failure:
                self._shell.router.failed(opened.head.endpoint, self._shell.clock())
            opened.response.close()

    def close(self) -> None:
        """End it, from any thread."""
        self._closing.set()
        self._shell.disown(self)
        opened = self._opened
        if opened is not None:
            _wake_reader(opened.response)

    def __del__(self) -> None:
        self._drop(is_failure=False)  # somebody left a loop over it, and forgot it

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()
        self._drop(is_failure=False)


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


def _wake_reader(response: httpx.Response) -> None:
    """Closing a socket wakes nobody who reads from it; shutting it down does."""
    network = response.extensions.get("network_stream")
    sock = network.get_extra_info("socket") if network is not None else None
    if isinstance(sock, socket.socket):
        try:
            socket.socket.shutdown(sock, socket.SHUT_RDWR)
        except OSError:
            return  # the connection is over already, so nobody waits on it
