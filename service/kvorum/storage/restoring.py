"""The data directory of a member of a new cluster, made of a backup.

``identity.json`` decides, as everywhere: it is written first, saying that a restore is under way,
so that no node starts from what a crash leaves; and last, when everything else is durable. The
log begins behind the snapshot, and says so: should the snapshot be lost, the log refuses to be
without it.
"""

from collections.abc import Iterable
from pathlib import Path

from msgspec.structs import replace

from kvorum.errors import DataDirectoryError
from kvorum.raft.snapshot import Snapshot
from kvorum.storage.data_dir import make_directories
from kvorum.storage.fs import TEMPORARY_SUFFIX, FileSystem
from kvorum.storage.identity import IDENTITY, Identity, read_identity, write_identity
from kvorum.storage.lock import LOCK, lock_directory
from kvorum.storage.recovery import recover
from kvorum.storage.rescue import SNAPSHOTS, WAL
from kvorum.storage.segment import SEGMENT_BYTES
from kvorum.storage.snapshot_file import SnapshotWriter
from kvorum.storage.snapshot_files import SnapshotFiles
from kvorum.storage.snapshot_format import Head
from kvorum.storage.wal import continue_log, create_log

_NOBODYS = frozenset({LOCK, IDENTITY + TEMPORARY_SUFFIX, "lost+found"})
"""What may be in a directory that counts as empty; ext4 puts the last into every new volume."""


def restore_directory(
    fs: FileSystem,
    path: Path,
    identity: Identity,
    head: Head,
    blocks: Iterable[bytes],
    *,
    segment_bytes: int = SEGMENT_BYTES,
) -> Snapshot:
    """Make ``path`` the data directory of ``identity``, whose state at ``head`` is ``blocks``.

    The directory is missing, empty, or left by a restore that was interrupted. Raises
    DataDirectoryError.
    """
    try:
        refuse_occupied(fs, path)
        make_directories(fs, path)
        lock = lock_directory(fs, path)
        try:
            write_identity(fs, path, replace(identity, restoring=True))
            for directory in (path / SNAPSHOTS, path / WAL):
                _make_empty(fs, directory)
            snapshot = _write_snapshot(fs, path / SNAPSHOTS, head, blocks)
            _write_log(fs, path / WAL, snapshot, segment_bytes)
            write_identity(fs, path, identity)
            return snapshot
        finally:
            lock.close()
    except OSError as cause:
        raise DataDirectoryError(
            f"{cause.filename or path}: {cause.strerror}. Repair that, then restore again."
        ) from cause


def refuse_occupied(fs: FileSystem, path: Path) -> None:
    """Raises DataDirectoryError if somebody's data may be there; OSError."""
    if not fs.exists(path):
        return
    occupants = sorted(set(fs.names(path)) - _NOBODYS)
    if not occupants or _is_unfinished(fs, path):
        return
    raise DataDirectoryError(
        f"{path} is not empty, it holds {occupants[0]}: a backup is only restored into an empty "
        "directory. Move it away (do not merge it: it belongs to the former cluster), or choose "
        "another one."
    )


def _is_unfinished(fs: FileSystem, path: Path) -> bool:
    if not fs.exists(path / IDENTITY):
        return False
    identity = read_identity(fs, path)
    return isinstance(identity, Identity) and identity.restoring


def _make_empty(fs: FileSystem, directory: Path) -> None:
    if not fs.exists(directory):
        fs.make_directory(directory)
        fs.sync_directory(directory.parent)
    for name in fs.names(directory):
        fs.remove(directory / name)


def _write_snapshot(
    fs: FileSystem, directory: Path, head: Head, blocks: Iterable[bytes]
) -> Snapshot:
    files = SnapshotFiles(fs, directory, head.cluster_id)
    path = files.temporary_path(head.last)
    writer = SnapshotWriter(fs, path, head)
    try:
        for block in blocks:
            writer.write(block)
        snapshot = writer.finish()
    finally:
        writer.close()
    files.adopt(path, snapshot)
    return snapshot


def _write_log(fs: FileSystem, directory: Path, snapshot: Snapshot, segment_bytes: int) -> None:
    create_log(fs, directory, segment_bytes=segment_bytes)
    recovered = recover(fs, directory, snapshot.last)
    assert recovered.void, "an empty log does not continue a snapshot"
    continue_log(fs, recovered, segment_bytes=segment_bytes).close()
