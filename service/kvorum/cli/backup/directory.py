"""Backups in a directory: a volume, or whatever is mounted there."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from kvorum.cli.backup.loaded_stream import Content, LoadedStream
from kvorum.cli.backup.names import Names
from kvorum.cli.backup.places import refuse_other_bytes
from kvorum.cli.data.progress import Progress
from kvorum.cli.exits import Exit
from kvorum.cli.failed import CommandFailed
from kvorum.storage.fs import FileSystem
from kvorum.storage.snapshot_file import SteadyFile

_CHUNK_BYTES = 1 << 20


class Directory:
    """Files are for their owner only: they hold whatever the store holds."""

    def __init__(self, fs: FileSystem, path: Path, unfinished: str) -> None:
        """``unfinished`` is the name that a file has while it is written."""
        self._fs = fs
        self._path = path
        self._unfinished = path / unfinished

    def refuse_early(self, names: Names, *, needs_names: bool) -> None:
        """As of :class:`Place`; also makes room by removing what killed ones left."""
        del needs_names  # a directory can always be listed
        with self._telling("listed"):
            found = self._listed()
        with self._telling("changed"):
            for name in names.abandoned(found, datetime.now(UTC)):
                self._fs.remove(self._path / name)

    def keep(self, stream: LoadedStream, name: str, tell: Progress) -> Content:
        """As of :class:`Place`."""
        with self._telling("written"):
            if self._fs.exists(self._unfinished):
                raise CommandFailed(
                    Exit.CONFLICT, f"{self._unfinished} exists: is another backup being made?"
                )
            try:
                self._write(stream)
                content = stream.content
                parts = self._read(content.size_bytes)
                refuse_other_bytes(self.shown(name), content, parts, tell)
                self._fs.rename(self._unfinished, self._path / name)
            except BaseException:
                if self._fs.exists(self._unfinished):
                    self._fs.remove(self._unfinished)
                raise
            self._fs.sync_directory(self._path)
        return content

    def names(self, names: Names) -> list[str]:
        """As of :class:`Place`."""
        with self._telling("listed"):
            return [name for name in self._fs.names(self._path) if name.startswith(names.beginning)]

    def remove(self, name: str) -> None:
        """As of :class:`Place`."""
        with self._telling("changed"):
            self._fs.remove(self._path / name)
            self._fs.sync_directory(self._path)

    def shown(self, name: str) -> str:
        """As of :class:`Place`."""
        return str(self._path / name)

    def _listed(self) -> list[str]:
        try:
            return self._fs.names(self._path)
        except (FileNotFoundError, NotADirectoryError):
            raise CommandFailed(
                Exit.FAILED,
                f"{self._path} is no directory: make it, or mount what shall hold backups there",
            ) from None

    def _write(self, stream: LoadedStream) -> None:
        file = SteadyFile(self._fs.create(self._unfinished))
        try:
            while part := stream.read(_CHUNK_BYTES):
                file.append(part)
            file.sync()
        finally:
            file.close()

    def _read(self, size_bytes: int) -> Iterator[bytes]:
        reader = self._fs.open_to_read(self._unfinished)
        try:
            for offset in range(0, size_bytes + 1, _CHUNK_BYTES):  # + 1: nothing may follow
                yield reader.read(offset, _CHUNK_BYTES)
        finally:
            reader.close()

    @contextmanager
    def _telling(self, done: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            where = error.filename or self._path
            raise CommandFailed(
                Exit.FAILED, f"{where} cannot be {done}: {error.strerror}"
            ) from error
