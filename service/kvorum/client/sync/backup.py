# Generated from ../aio/backup.py by tools/generate_client.py.
"""Downloading a backup."""

from collections.abc import Iterator
from types import TracebackType
from typing import Self

import httpx

from kvorum.client.backup import SILENCE_S, BackupHead, cut_short, head_of_backup
from kvorum.client.calls import cluster
from kvorum.client.sync.shell import Opened, Shell


class Backup(Iterator[bytes]):
    """Parts of a backup file, to be written in this order; use it with ``with``.

    Raises :class:`ClientError` if it breaks off: what was written until then is of no use.
    """

    def __init__(self, shell: Shell, timeout_s: float | None) -> None:
        self._shell = shell
        self._timeout_s = timeout_s
        self._opened: Opened | None = None
        self._parts: Iterator[bytes] | None = None
        self._size_bytes = 0

    @property
    def head(self) -> BackupHead:
        """Name, revision and size, once it is open."""
        if self._opened is None:
            raise RuntimeError("open the backup by `with` first")
        return head_of_backup(self._opened.head)

    def __enter__(self) -> Self:
        self._opened = self._shell.open(cluster.snapshot(SILENCE_S), self._timeout_s)
        self._parts = self._opened.response.iter_raw()
        return self

    def __next__(self) -> bytes:
        head = self.head
        assert self._parts is not None, "it is open"
        try:
            part = next(self._parts, b"")
        except (httpx.RequestError, httpx.StreamError) as error:
            raise cut_short(head, self._size_bytes, str(error)) from error
        if not part:
            if head.size_bytes not in (None, self._size_bytes):
                raise cut_short(head, self._size_bytes, "the connection ended")
            raise StopIteration
        self._size_bytes += len(part)
        return part

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self._opened is not None:
            self._opened.response.close()
