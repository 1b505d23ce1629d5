"""Reading a queue of claims: all of it, since a part would not tell who holds.

A long queue is read in pages, as of one revision, and whoever asks at that revision shares
what the first one found.
"""

import asyncio
from asyncio import Future
from collections.abc import Sequence
from typing import Protocol

from kvorum.errors import Compacted
from kvorum.mvcc.query import KeyRange, RangePage
from kvorum.mvcc.record import Record
from kvorum.node.views import KeyRead

PAGE_KEYS = 1000
_ATTEMPTS = 3


class Ranges(Protocol):
    """What reading a queue needs of the service."""

    def new_request_id(self) -> str: ...

    def range(
        self,
        request_id: str,
        keys: KeyRange,
        *,
        revision: int = 0,
        limit: int,
        reverse: bool = False,
        stale: bool = False,
    ) -> "Future[KeyRead]": ...


class ClaimQueue:
    """All claims on a name, as they were at ``revision``, first come first.

    Keys that somebody else made there are no claims: nobody would ever end them.
    """

    __slots__ = ("items", "keys", "places", "revision")

    def __init__(
        self, keys: KeyRange, revision: int, items: Sequence[tuple[bytes, Record]]
    ) -> None:
        self.keys = keys
        self.revision = revision
        claims = [item for item in items if _is_claim(*item)]
        self.items = sorted(claims, key=lambda item: item[1].create_revision)
        self.places = {key: place for place, (key, _) in enumerate(self.items)}


def _is_claim(key: bytes, record: Record) -> bool:
    """It ends with the lease that it is named after."""
    return bool(record.lease) and key.endswith(b"/" + record.lease.encode())


class ClaimQueues:
    def __init__(self, keys: Ranges) -> None:
        self._keys = keys
        # The last one of more than a page, for all who ask.
        self._long = ClaimQueue(KeyRange(b"", b""), 0, ())
        self._looking = asyncio.Lock()

    async def look(self, claims: KeyRange) -> ClaimQueue:
        """All claims, first come first: a part of them would not tell who holds."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return await self._look(claims)
            except Compacted:  # meanwhile: the look took a while
                if attempt == _ATTEMPTS:
                    raise
        raise AssertionError("the last attempt returns or raises")

    async def _look(self, claims: KeyRange) -> ClaimQueue:
        request_id = self._keys.new_request_id()
        first = (await self._keys.range(request_id, claims, limit=1)).page
        if not first.more:
            return ClaimQueue(claims, first.revision, first.items)
        page = await self._page(claims, first.revision)
        if not page.more:
            return ClaimQueue(claims, first.revision, page.items)
        async with self._looking:  # those who ask at one revision share what the first one finds
            long = self._long
            if (long.keys, long.revision) != (claims, first.revision):
                items = await self._further(claims, page)
                long = self._long = ClaimQueue(claims, first.revision, items)
        return long

    async def _further(self, claims: KeyRange, page: RangePage) -> list[tuple[bytes, Record]]:
        """That page and all that follow it, with turns for others in between."""
        items, revision = list(page.items), page.revision
        while page.more:
            await asyncio.sleep(0)
            assert page.last is not None, "a page that is not the last one tells where it ended"
            page = await self._page(KeyRange(page.last + b"\0", claims.end), revision)
            items += page.items
        return items

    async def _page(self, keys: KeyRange, revision: int) -> RangePage:
        """From memory, as of a revision that was read before."""
        request_id = self._keys.new_request_id()
        read = await self._keys.range(
            request_id, keys, revision=revision, limit=PAGE_KEYS, stale=True
        )
        return read.page
