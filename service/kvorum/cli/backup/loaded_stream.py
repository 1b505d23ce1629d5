"""A backup on its way from a node to where it is kept: loaded while it passes, as a node would.

So what is kept is what was loaded, nothing has to be stored meanwhile, and the end is only
reached when every block, their order and the hash of the whole state were right.
"""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from msgspec import Struct

from kvorum.app.restoring import Loading
from kvorum.cli.data.progress import Progress
from kvorum.cli.passing import Passing
from kvorum.errors import SnapshotDamaged
from kvorum.mvcc.snapshot import decode_head


class Content(Struct, frozen=True):
    """What a backup holds, every byte of it proven; ``sha256`` is that of the file."""

    size_bytes: int
    sha256: str
    cluster_id: str
    index: int
    revision: int
    keys: int
    leases: int


class LoadedStream:
    """What is to be kept, from ``read``; ``revision`` is known at once, ``content`` at the end.

    Raises SnapshotDamaged and what ``parts`` raise.
    """

    def __init__(self, name: str, parts: Iterator[bytes], size_bytes: int, tell: Progress) -> None:
        """``name`` is for messages; ``size_bytes`` is what the sender announced."""
        self._name = name
        self._tell = tell
        self._passing = Passing(parts, size_bytes)
        self._loading = Loading(self._passing, Path(name))
        self._content: Content | None = None
        self.revision = self._first_block()

    @property
    def content(self) -> Content:
        assert self._content is not None, "read it to its end first"
        return self._content

    def read(self, size_bytes: int, /) -> bytes:
        """So many bytes, fewer only at the end."""
        passed = self._passing.passed
        while len(passed) < size_bytes and self._content is None:
            self._step()
        part = bytes(passed[:size_bytes])
        del passed[: len(part)]
        return part

    def _first_block(self) -> int:
        first = self._loading.step()
        if first is None:
            raise SnapshotDamaged(f"{self._name}: it holds no state")
        return decode_head(first).revision

    def _step(self) -> None:
        if self._loading.step() is None:
            self._finish()
        self._tell(self._loading.offset)

    def _finish(self) -> None:
        self._passing.drain()
        backup = self._loading.finish()
        head, machine = backup.head, backup.machine
        self._content = Content(
            backup.size_bytes,
            self._passing.digest.hexdigest(),
            head.cluster_id,
            head.last.index,
            machine.revision,
            machine.key_count,
            machine.lease_count,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._loading.close()
