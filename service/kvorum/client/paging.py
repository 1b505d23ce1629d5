"""Long listings page by page: which page to ask for, and what is left of the last one. No I/O."""

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from kvorum.client.call import Call
from kvorum.client.model import Page

T = TypeVar("T")

PAGE_SIZE = 500

PageCall = Callable[[str, int], Call[Page[T]]]
"""Makes the call for the page behind a cursor ("" is the first one), of so many items."""


class Pager(Generic[T]):
    """At most ``limit`` items (None: all), at most ``page_size`` at a time."""

    def __init__(
        self, page_call: PageCall[T], *, limit: int | None = None, page_size: int = PAGE_SIZE
    ) -> None:
        self._page_call = page_call
        self._left = limit
        self._page_size = page_size
        self._cursor = ""
        self._is_over = limit is not None and limit <= 0
        self.items: deque[T] = deque()
        self.revision: int | None = None

    def wanted(self) -> Call[Page[T]] | None:
        """The call for the next page; None if there is none, or items still wait."""
        if self.items or self._is_over:
            return None
        size = self._page_size if self._left is None else min(self._left, self._page_size)
        return self._page_call(self._cursor, size)

    def accept(self, page: Page[T]) -> None:
        self.items.extend(page.items)
        self.revision = page.revision
        self._cursor = page.cursor
        if self._left is not None:
            self._left -= len(page.items)
        self._is_over = not page.cursor or self._left == 0
