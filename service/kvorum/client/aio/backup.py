"""Downloading a backup."""

from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self

import httpx

from kvorum.client.aio.shell import Opened, Shell
from kvorum.client.backup import SILENCE_S, BackupHead, cut_short, head_of_backup
from kvorum.client.calls import cluster


class Backup(AsyncIterator[bytes]):
    """Parts of a backup file, to be written in this order; use it with ``async with``.

    Raises :class:`ClientError` if it breaks off: what was written until then is of no use.
    """

    def __init__(self, shell: Shell, timeout_s: float | None) -> None:
        self._shell = shell
        self._timeout_s = timeout_s
        self._opened: Opened | None = None
        self._parts: AsyncIterator[bytes] | None = None
        self._size_bytes = 0

    @property
    def head(self) -> BackupHead:
        """Name, revision and size, once it is open."""
        if self._opened is None:
            raise RuntimeError("open the backup by `async with` first")
        return head_of_backup(self._opened.head)

    async def __aenter__(self) -> Self:
        self._opened = await self._shell.open(cluster.snapshot(SILENCE_S), self._timeout_s)
        self._parts = self._opened.response.aiter_raw()
        return self

    async def __anext__(self) -> bytes:
        head = self.head
        assert self._parts is not None, "it is open"
        try:
            part = await anext(self._parts, b"")
        except (httpx.RequestError, httpx.StreamError) as error:
            raise cut_short(head, self._size_bytes, str(error)) from error
        if not part:
            if head.size_bytes not in (None, self._size_bytes):
                raise cut_short(head, self._size_bytes, "the connection ended")
            raise StopAsyncIteration
        self._size_bytes += len(part)
        return part

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self._opened is not None:
            await self._opened.response.aclose()
