"""The cluster itself, for threads."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

import httpx

from kvorum.client.backup import SILENCE_S, BackupHead, cut_short, head_of_backup
from kvorum.client.calls import cluster
from kvorum.client.errors import ClientError
from kvorum.client.model import Members, NodeStatus
from kvorum.client.routing import lone_router
from kvorum.client.sync.shell import Opened, Shell


class Cluster:
    """State, members, history and backups: ``client.cluster``."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def members(self, *, timeout_s: float | None = None) -> Members:
        """The membership; what only the leader knows is None if another node answered."""
        return self._shell.run(cluster.members(), timeout_s)

    def status(self, *, timeout_s: float = 3.0) -> tuple[NodeStatus, ...]:
        """What each endpoint says of itself, all asked at once; never raises for a silent one."""
        endpoints = self._shell.router.endpoints
        with ThreadPoolExecutor(min(len(endpoints), 16)) as pool:
            return tuple(pool.map(lambda endpoint: self._ask(endpoint, timeout_s), endpoints))

    def _ask(self, endpoint: str, timeout_s: float) -> NodeStatus:
        try:
            return self._shell.run(cluster.info(), timeout_s, router=lone_router(endpoint))
        except ClientError as error:
            return NodeStatus(endpoint, error=error.detail)

    def compact(
        self,
        revision: int | None = None,
        *,
        keep_revisions: int | None = None,
        request_id: str = "",
        timeout_s: float | None = None,
    ) -> int:
        """Forget what came before ``revision``, or all but so many; the oldest that is left."""
        call = cluster.compact(revision, keep_revisions=keep_revisions, request_id=request_id)
        return self._shell.run(call, timeout_s)

    def snapshot(self, *, timeout_s: float | None = None) -> "Backup":
        """A backup of the whole store as a file's bytes; ``timeout_s`` is for its beginning."""
        return Backup(self._shell, timeout_s)


class Backup(Iterator[bytes]):
    """Parts of a backup file, to be written in this order; use it with ``with``.

    Raises :class:`ClientError` if it breaks off: what was written until then is of no use.
    """

    def __init__(self, shell: Shell, timeout_s: float | None) -> None:
        self._shell = shell
        self._timeout_s = timeout_s
        self._opened: Opened | None = None
        self._head: BackupHead | None = None
        self._parts: Iterator[bytes] = iter(())
        self._size = 0

    @property
    def head(self) -> BackupHead:
        """Name, revision and size, once it is open."""
        assert self._head is not None, "open it by `with`"
        return self._head

    def __enter__(self) -> Self:
        call = cluster.snapshot(SILENCE_S)
        self._opened = self._shell.open(call, self._timeout_s, threading.Event())
        self._head = head_of_backup(self._opened.head)
        self._parts = self._opened.response.iter_raw()
        return self

    def __next__(self) -> bytes:
        assert self._opened is not None, "open it by `with`"
        try:
            part = next(self._parts, b"")
        except (httpx.TransportError, httpx.StreamError) as error:
            raise cut_short(self.head, self._size, str(error)) from error
        if not part:
            if self.head.size_bytes not in (None, self._size):
                raise cut_short(self.head, self._size, "the connection ended")
            raise StopIteration
        self._size += len(part)
        return part

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self._opened is not None:
            self._opened.response.close()
