"""One snapshot file: written block by block, read and verified the same way.

Blocks; used on a worker. At most one block is in memory.
"""

from collections.abc import Collection
from pathlib import Path

from kvorum.errors import SnapshotDamaged
from kvorum.raft.snapshot import Snapshot
from kvorum.storage.fs import File, FileSystem, Opener
from kvorum.storage.snapshot_format import (
    HEAD_BYTES,
    PREFIX_BYTES,
    TRAILER_BYTES,
    BadSnapshot,
    ForeignSnapshot,
    Head,
    block_prefix,
    chained_crc,
    decode_head,
    decode_prefix,
    encode_head,
    encode_trailer,
    extend_crc,
    head_size_bytes,
)

SYNC_BYTES = 8 << 20
"""Synced whenever that much was written: a large sync would hold up those of the log."""


class ForeignFile(SnapshotDamaged):
    """Of another cluster or another format: nothing a crash or a bad disk makes."""


class SteadyFile:
    """Appends to a file, and never leaves much to be synced at once."""

    def __init__(self, file: File, size_bytes: int = 0) -> None:
        """``size_bytes``: where it goes on."""
        self._file = file
        self.size_bytes = size_bytes
        self._unsynced_bytes = 0
        self._is_open = True

    def append(self, *buffers: bytes) -> None:
        self._file.write(buffers, self.size_bytes)
        size = sum(map(len, buffers))
        self.size_bytes += size
        self._unsynced_bytes += size
        if self._unsynced_bytes >= SYNC_BYTES:
            self.sync()

    def sync(self) -> None:
        self._file.sync()
        self._unsynced_bytes = 0

    def close(self) -> None:
        """May be called again."""
        if self._is_open:
            self._is_open = False
            self._file.close()


class SnapshotWriter:
    """Creates the file at once; it is durable after ``finish``, but for its name."""

    def __init__(self, fs: FileSystem, path: Path, head: Head) -> None:
        self._head = head
        self._file = SteadyFile(fs.create(path))
        self._checksum = 0
        self._blocks = 0
        self._data_bytes = 0
        content = encode_head(head)
        self._chain = decode_head(content)[1]
        try:
            self._append(content)
        except BaseException:
            self.close()
            raise

    def write(self, block: bytes) -> None:
        prefix, self._chain = block_prefix(self._chain, block)
        self._append(prefix, block)
        self._blocks += 1
        self._data_bytes += len(block)

    def finish(self) -> Snapshot:
        self._append(encode_trailer(self._chain, self._blocks, self._data_bytes))
        self._file.sync()
        self._file.close()
        head = self._head
        return Snapshot(head.last, head.membership, self._file.size_bytes, self._checksum)

    def close(self) -> None:
        self._file.close()

    def _append(self, *buffers: bytes) -> None:
        self._file.append(*buffers)
        for buffer in buffers:
            self._checksum = extend_crc(self._checksum, buffer)


class SnapshotScan:
    """One pass over one file. What is wrong raises SnapshotDamaged with file and reason.

    Only when ``next_block`` has returned None was everything verified.
    """

    def __init__(
        self,
        fs: Opener,
        path: Path,
        cluster_ids: Collection[str] | None,
        expected: Snapshot | None = None,
    ) -> None:
        """Reads the head, which must name one of ``cluster_ids``; None: a backup, of any."""
        self.path = path
        self._expected = expected
        self._reader = fs.open_to_read(path)
        self._offset = 0
        self._checksum = 0
        self._blocks = 0
        self._data_bytes = 0
        try:
            self.size_bytes = self._reader.size_bytes()
            self.head, self._chain = self._read_head(cluster_ids)
            self._compare_head()
        except BaseException:
            self._reader.close()
            raise

    @property
    def offset(self) -> int:
        """All bytes before are sound."""
        return self._offset

    @property
    def checksum(self) -> int:
        """CRC of all bytes before."""
        return self._checksum

    def next_block(self) -> bytes | None:
        """The next block, sound by itself and in its place; None at the end."""
        try:
            return self._next_block()
        except BadSnapshot as bad:
            raise self._damage(str(bad)) from bad

    def close(self) -> None:
        self._reader.close()

    def _read_head(self, cluster_ids: Collection[str] | None) -> tuple[Head, int]:
        try:
            content = self._head_bytes()
            head, crc = decode_head(content)
        except ForeignSnapshot as foreign:
            raise ForeignFile(f"{self.path}: {foreign}") from foreign
        except BadSnapshot as bad:
            raise self._damage(str(bad)) from bad
        if cluster_ids is not None and head.cluster_id not in cluster_ids:
            raise ForeignFile(
                f"{self.path}: it belongs to cluster {head.cluster_id}, this node to cluster "
                f"{' or '.join(cluster_ids)}"
            )
        self._passed(content)
        return head, crc

    def _head_bytes(self) -> bytes:
        size = head_size_bytes(self._reader.read(0, HEAD_BYTES))
        content = self._reader.read(0, size)
        if len(content) < size:
            raise BadSnapshot("it ends inside its head")
        return content

    def _compare_head(self) -> None:
        expected = self._expected
        if expected is None:
            return
        last = self.head.last
        if (last, self.size_bytes) != (expected.last, expected.size_bytes):
            raise self._damage(
                f"it ends with entry {last.index} of term {last.term} and has {self.size_bytes} "
                f"bytes, expected were entry {expected.last.index} of term {expected.last.term} "
                f"and {expected.size_bytes} bytes"
            )
        if self.head.membership != expected.membership:
            raise self._damage("its membership is not the expected one")

    def _next_block(self) -> bytes | None:
        prefix = self._reader.read(self._offset, PREFIX_BYTES)
        length, crc = decode_prefix(prefix)
        if not length:
            self._end()
            return None
        block = self._reader.read(self._offset + PREFIX_BYTES, length)
        if len(block) < length:
            raise BadSnapshot("it ends inside a block")
        if chained_crc(self._chain, length, block) != crc:
            raise BadSnapshot(f"block {self._blocks + 1} is damaged or misplaced")
        self._chain = crc
        self._blocks += 1
        self._data_bytes += length
        self._passed(prefix)
        self._passed(block)
        return block

    def _end(self) -> None:
        trailer = self._reader.read(self._offset, TRAILER_BYTES)
        if trailer != encode_trailer(self._chain, self._blocks, self._data_bytes):
            raise BadSnapshot("its trailer is damaged, or blocks before it are missing")
        self._passed(trailer)
        if self._offset != self.size_bytes:
            raise BadSnapshot(f"{self.size_bytes - self._offset} bytes follow its trailer")
        if self._expected is not None and self._checksum != self._expected.checksum:
            raise BadSnapshot("it is sound, but its checksum is not the expected one")

    def _passed(self, content: bytes) -> None:
        self._offset += len(content)
        self._checksum = extend_crc(self._checksum, content)

    def _damage(self, reason: str) -> SnapshotDamaged:
        return SnapshotDamaged(f"{self.path}: damaged near byte {self._offset}: {reason}")


def verify(fs: FileSystem, path: Path, snapshot: Snapshot, cluster_ids: Collection[str]) -> None:
    """Read all of it; raises SnapshotDamaged unless it is what ``snapshot`` says."""
    scan = SnapshotScan(fs, path, cluster_ids, snapshot)
    try:
        while scan.next_block() is not None:
            pass
    finally:
        scan.close()


def sound_prefix(fs: FileSystem, path: Path, cluster_ids: Collection[str]) -> int:
    """How many of the file's bytes are certainly right; a crash may have lost any others."""
    try:
        scan = SnapshotScan(fs, path, cluster_ids)
    except SnapshotDamaged:
        return 0
    try:
        while scan.next_block() is not None:
            pass
    except SnapshotDamaged:
        return scan.offset
    finally:
        scan.close()
    return scan.offset
