"""The port ``SnapshotStore`` on a file system: written, received, read and dropped.

Every operation is a job of one worker, so none overlaps another and the event loop waits for
no disk. What fails here fails that snapshot alone; the log is not concerned.
"""

from asyncio import Future
from collections.abc import AsyncGenerator, Sequence
from functools import partial
from pathlib import Path

from kvorum.errors import SnapshotDamaged
from kvorum.raft.membership import Membership
from kvorum.raft.snapshot import Snapshot
from kvorum.raft.types import EntryId
from kvorum.storage.fs import FileSystem, Reader
from kvorum.storage.snapshot_file import (
    SnapshotScan,
    SnapshotWriter,
    SteadyFile,
    sound_prefix,
    verify,
)
from kvorum.storage.snapshot_files import PART_SUFFIX, SnapshotFiles
from kvorum.storage.snapshot_format import Head, snapshot_name
from kvorum.storage.worker import Worker


def open_snapshots(fs: FileSystem, directory: Path, worker: Worker, cluster_id: str) -> "Snapshots":
    """Look at what is there; ``tidy`` it once it is certain that the node starts. Blocks.

    Raises ForeignFile for a file that belongs to another cluster or release, and OSError.
    """
    if not fs.exists(directory):
        fs.make_directory(directory)
        fs.sync_directory(directory.parent)
    return Snapshots(SnapshotFiles(fs, directory, cluster_id), worker)


class Snapshots:
    """All snapshots of one node. Used by one event loop; whoever made the worker closes it."""

    def __init__(self, files: SnapshotFiles, worker: Worker) -> None:
        self._files = files
        self._worker = worker
        self._readers = _Readers(files)
        self._inbound = _Inbound(files)

    @property
    def kept(self) -> Sequence[Snapshot]:
        """The last two, the older one first."""
        return self._files.kept

    @property
    def newest(self) -> Snapshot | None:
        kept = self._files.kept
        return kept[-1] if kept else None

    @property
    def oldest(self) -> Snapshot | None:
        """The older of the two that are kept: the log must reach back to it.

        None while there are fewer: then nothing of the log may go yet.
        """
        kept = self._files.kept
        return kept[0] if len(kept) > 1 else None

    @property
    def warnings(self) -> list[str]:
        """Of files that were not what they should be, for people."""
        return self._files.warnings

    def create(self, last: EntryId, membership: Membership) -> "Sink":
        """One at a time. Nothing happens on the disk before the first block."""
        return Sink(self._files, self._worker, Head(self._files.cluster_id, last, membership))

    async def load(self, snapshot: Snapshot) -> AsyncGenerator[bytes, None]:
        """Blocks of one that is kept, or complete, in order, the next being read meanwhile.

        Only when the last was followed by the end, all is verified. Raises SnapshotDamaged,
        and from then on does not know the snapshot any more; OSError.
        """
        scan: SnapshotScan | None = None
        upcoming: Future[bytes | None] | None = None
        try:
            scan = await self._worker.submit(partial(self._files.scan, snapshot))
            upcoming = self._worker.submit(scan.next_block)
            while (block := await upcoming) is not None:
                upcoming = self._worker.submit(scan.next_block)
                yield block
        except SnapshotDamaged:
            await self.distrust(snapshot)
            raise
        finally:
            if upcoming is not None:
                upcoming.cancel()
            if scan is not None:
                await self._worker.submit(scan.close)

    def check(self, snapshot: Snapshot) -> "Future[None]":
        """Read all of it before it is sent; from then on it can be read until ``done_with``.

        Several may read one snapshot: every check that succeeds wants its own ``done_with``.
        Fails with ``SnapshotDamaged`` if it is not what it was, and with ``OSError``.
        """
        return self._worker.submit(partial(self._check, snapshot))

    def read(self, snapshot: Snapshot, offset: int, size_bytes: int) -> "Future[bytes]":
        """Bytes of the file, to send them; works until ``done_with`` even if it is dropped."""
        return self._worker.submit(partial(self._readers.read, snapshot, offset, size_bytes))

    def done_with(self, snapshot: Snapshot) -> None:
        """One of those who checked it reads it no more."""
        _ = self._worker.submit(partial(self._readers.leave, snapshot))

    def received(self, snapshot: Snapshot) -> "Future[int]":
        """How many of its bytes are here already; after a restart, as many as are sound."""
        return self._worker.submit(partial(self._inbound.size_bytes, snapshot))

    def receive(self, snapshot: Snapshot, offset: int, data: bytes) -> "Future[int]":
        """Store bytes that continue those here, ignore any others; how many are here then.

        Only one snapshot is received at a time: the first bytes of another one end it.
        """
        return self._worker.submit(partial(self._inbound.add, snapshot, offset, data))

    def complete(self, snapshot: Snapshot) -> "Future[None]":
        """All bytes are here: make them durable and verify them; from then on it can be loaded.

        Fails with ``SnapshotDamaged`` (and forgets the bytes) if they are not what they should be.
        """
        return self._worker.submit(partial(self._inbound.complete, snapshot))

    def adopt(self, snapshot: Snapshot) -> "Future[None]":
        """One that is complete was loaded: it gets its name durably, all but the last two go."""
        return self._worker.submit(partial(self._inbound.adopt, snapshot))

    def discard(self, snapshot: Snapshot) -> "Future[None]":
        """What was received of it is not needed."""
        return self._worker.submit(partial(self._inbound.discard, snapshot))

    def distrust(self, snapshot: Snapshot) -> "Future[None]":
        """It turned out to be damaged: forget it."""
        return self._worker.submit(partial(self._distrust, snapshot))

    def tidy(self) -> "Future[None]":
        """Remove what a crash left."""
        return self._worker.submit(self._files.tidy)

    async def close(self) -> None:
        """Finish what is queued, close all files."""
        await self._worker.submit(self._readers.close_all)
        await self._worker.submit(self._inbound.close)

    # --- on the worker -------------------------------------------------------------------

    def _check(self, snapshot: Snapshot) -> None:
        files = self._files
        verify(files.fs, files.path_of(snapshot), snapshot, files.cluster_ids)
        self._readers.join(snapshot)

    def _distrust(self, snapshot: Snapshot) -> None:
        self._readers.close(snapshot)
        self._files.distrust(snapshot)
        self._inbound.discard(snapshot)


class Sink:
    """A snapshot being written; nothing of it is seen before ``finish`` is done."""

    def __init__(self, files: SnapshotFiles, worker: Worker, head: Head) -> None:
        self._files = files
        self._worker = worker
        self._head = head
        self._path = files.temporary_path(head.last)
        self._writer: SnapshotWriter | None = None

    def write(self, block: bytes) -> "Future[None]":
        """Append one block; wait for it before the next. Fails with ``OSError``."""
        return self._worker.submit(partial(self._write, block))

    def finish(self) -> "Future[Snapshot]":
        """Make it durable and the newest one, and drop all but the last two."""
        return self._worker.submit(self._finish)

    def abort(self) -> "Future[None]":
        """Remove what was written; nothing once ``finish`` is done."""
        return self._worker.submit(self._abort)

    def _open(self) -> SnapshotWriter:
        if self._writer is None:
            self._writer = SnapshotWriter(self._files.fs, self._path, self._head)
        return self._writer

    def _write(self, block: bytes) -> None:
        self._open().write(block)

    def _finish(self) -> Snapshot:
        snapshot = self._open().finish()
        self._files.adopt(self._path, snapshot)
        return snapshot

    def _abort(self) -> None:
        if self._writer is not None:
            self._writer.close()
        if self._files.fs.exists(self._path):
            self._files.fs.remove(self._path)


class _Readers:
    """Files open for sending, each once however many read it. On the worker."""

    def __init__(self, files: SnapshotFiles) -> None:
        self._files = files
        self._open: dict[str, Reader] = {}
        self._count: dict[str, int] = {}  # of those who read one

    def join(self, snapshot: Snapshot) -> None:
        self.open(snapshot)
        name = snapshot_name(snapshot)
        self._count[name] = self._count.get(name, 0) + 1

    def leave(self, snapshot: Snapshot) -> None:
        name = snapshot_name(snapshot)
        left = self._count.get(name, 0) - 1
        if left > 0:
            self._count[name] = left
        else:
            self.close(snapshot)

    def open(self, snapshot: Snapshot) -> Reader:
        name = snapshot_name(snapshot)
        reader = self._open.get(name)
        if reader is None:
            reader = self._files.fs.open_to_read(self._files.path_of(snapshot))
            self._open[name] = reader
        return reader

    def read(self, snapshot: Snapshot, offset: int, size_bytes: int) -> bytes:
        return self.open(snapshot).read(offset, size_bytes)

    def close(self, snapshot: Snapshot) -> None:
        """For all who read it."""
        self._count.pop(snapshot_name(snapshot), None)
        reader = self._open.pop(snapshot_name(snapshot), None)
        if reader is not None:
            reader.close()

    def close_all(self) -> None:
        while self._open:
            self._open.popitem()[1].close()


class _Inbound:
    """The snapshot being received. On the worker.

    Its bytes are synced only now and then. After a restart the file is read: its blocks tell
    how much of it is sound. It takes no other's place before it is adopted: sound bytes may
    still hold a state that this release cannot read.
    """

    def __init__(self, files: SnapshotFiles) -> None:
        self._files = files
        self._name = ""
        self._file: SteadyFile | None = None
        self._complete: Snapshot | None = None  # durable and verified

    def size_bytes(self, snapshot: Snapshot) -> int:
        if snapshot in self._files.kept:
            return snapshot.size_bytes
        file = self._reopened(snapshot)
        return 0 if file is None else file.size_bytes

    def add(self, snapshot: Snapshot, offset: int, data: bytes) -> int:
        if snapshot in self._files.kept:
            return snapshot.size_bytes
        file = self._reopened(snapshot)
        if offset != (0 if file is None else file.size_bytes):
            return 0 if file is None else file.size_bytes
        if offset + len(data) > snapshot.size_bytes:
            self._forget()
            raise SnapshotDamaged(
                f"{self._files.part_path(snapshot)}: more bytes came than the snapshot has"
            )
        try:
            file = file or self._created(snapshot)
            file.append(data)
        except OSError:
            self._forget()  # a full disk needs the space
            raise
        return file.size_bytes

    def complete(self, snapshot: Snapshot) -> None:
        if snapshot in self._files.kept:
            return
        path = self._files.part_path(snapshot)
        file = self._reopened(snapshot)
        if file is None:
            raise SnapshotDamaged(f"{path}: nothing was received")
        file.sync()
        try:
            verify(self._files.fs, path, snapshot, self._files.cluster_ids)
        except SnapshotDamaged:
            self._forget()
            raise
        self._complete = snapshot

    def adopt(self, snapshot: Snapshot) -> None:
        if snapshot in self._files.kept:
            return
        assert snapshot == self._complete, "only what was verified is adopted"
        self.close()
        self._files.adopt(self._files.part_path(snapshot), snapshot)

    def discard(self, snapshot: Snapshot) -> None:
        path = self._files.part_path(snapshot)
        if self._name == path.name:
            self.close()
        if self._files.fs.exists(path):
            self._files.fs.remove(path)

    def close(self) -> None:
        self._complete = None
        if self._file is not None:
            self._file.close()
            self._file = None

    def _reopened(self, snapshot: Snapshot) -> SteadyFile | None:
        """The file in which this snapshot is being received, if there is one."""
        fs, path = self._files.fs, self._files.part_path(snapshot)
        if self._file is not None and self._name == path.name:
            return self._file
        if not fs.exists(path):
            return None
        size_bytes = sound_prefix(fs, path, self._files.cluster_ids)
        self.close()
        self._name, self._file = path.name, SteadyFile(fs.open(path), size_bytes)
        return self._file

    def _created(self, snapshot: Snapshot) -> SteadyFile:
        self._forget()
        path = self._files.part_path(snapshot)
        self._name, self._file = path.name, SteadyFile(self._files.fs.create(path))
        return self._file

    def _forget(self) -> None:
        """Remove everything that was received; nothing is worth keeping."""
        self.close()
        for name in self._files.fs.names(self._files.directory):
            if name.endswith(PART_SUFFIX):
                self._files.fs.remove(self._files.directory / name)
