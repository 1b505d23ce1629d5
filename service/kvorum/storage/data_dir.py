"""The data directory: one process, one node, one cluster."""

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from kvorum.errors import DataDirectoryError
from kvorum.storage.fs import TEMPORARY_SUFFIX, File, FileSystem, write_file
from kvorum.storage.recovery import recover
from kvorum.storage.segment import SEGMENT_BYTES
from kvorum.storage.wal import create_log

FORMAT_VERSION = 1
_LOCK = "LOCK"
_IDENTITY = "identity.json"
_WAL = "wal"


class Identity(Struct, frozen=True, gc=False, rename={"format_version": "format"}):
    """Whose data these are. ``members`` is the membership that the first start gave."""

    format_version: int
    node_id: str
    cluster_id: str
    members: tuple[str, ...]


class _AnyIdentity(Struct):
    format: int


class DataDirectory:
    """An open, locked directory. ``identity`` is the recorded one."""

    def __init__(self, path: Path, identity: Identity, lock: File) -> None:
        self.path = path
        self.identity = identity
        self._lock = lock

    @property
    def wal_path(self) -> Path:
        return self.path / _WAL

    @classmethod
    def open(
        cls,
        fs: FileSystem,
        path: Path,
        *,
        node_id: str,
        cluster_id: str,
        members: Sequence[str],
        segment_bytes: int = SEGMENT_BYTES,
    ) -> "DataDirectory":
        """Create or open, lock, and check whose it is.

        After the first start the recorded members count, not those given: compare and
        warn. Raises DataDirectoryError; CorruptLog if a log without identity is damaged.
        """
        try:
            _make_directories(fs, path)
            lock = _lock(fs, path)
            try:
                given = Identity(FORMAT_VERSION, node_id, cluster_id, tuple(members))
                return cls(path, _settle(fs, path, given, segment_bytes), lock)
            except BaseException:
                lock.close()
                raise
        except OSError as cause:
            raise _unusable(path, cause) from cause

    def close(self) -> None:
        """Release the lock."""
        self._lock.close()


def _make_directories(fs: FileSystem, path: Path) -> None:
    if fs.exists(path):
        return
    if path.parent != path:
        _make_directories(fs, path.parent)
    fs.make_directory(path)
    fs.sync_directory(path.parent)


def _lock(fs: FileSystem, path: Path) -> File:
    lock_path = path / _LOCK
    lock = fs.lock(lock_path)
    if lock is None:
        owner = fs.read(lock_path).decode(errors="replace").strip() or "unknown"
        raise DataDirectoryError(
            f"{path} is in use by process {owner}; each node needs its own DATA_DIR"
        )
    try:
        lock.write_durably([f"{os.getpid():<20}\n".encode()], 0)
    except BaseException:
        lock.close()
        raise
    return lock


def _settle(fs: FileSystem, path: Path, given: Identity, segment_bytes: int) -> Identity:
    """The recorded identity, after checking it; on the first start, record it."""
    identity_path = path / _IDENTITY
    leftover = identity_path.with_name(_IDENTITY + TEMPORARY_SUFFIX)
    if fs.exists(leftover):
        fs.remove(leftover)
    if fs.exists(identity_path):
        recorded = _read(fs, identity_path)
        _check(path, recorded, given)
        return recorded
    _prepare_log(fs, path, segment_bytes)
    write_file(fs, identity_path, msgspec.json.format(msgspec.json.encode(given)) + b"\n")
    return given


def _prepare_log(fs: FileSystem, path: Path, segment_bytes: int) -> None:
    """A log before an identity: so an identity without a log means that it was lost."""
    wal = path / _WAL
    if not fs.exists(wal):
        fs.make_directory(wal)
        fs.sync_directory(path)
    if not [name for name in fs.names(wal) if not name.endswith(TEMPORARY_SUFFIX)]:
        create_log(fs, wal, segment_bytes=segment_bytes)
    elif recover(fs, wal).tail.sequence > 1:
        raise DataDirectoryError(
            f"{path} holds a log, but {_IDENTITY} is missing, so that nobody knows whose it is. "
            "Restore that file, or choose another DATA_DIR."
        )


def _read(fs: FileSystem, path: Path) -> Identity:
    content = fs.read(path)
    try:
        version = msgspec.json.decode(content, type=_AnyIdentity).format
        if version == FORMAT_VERSION:
            return msgspec.json.decode(content, type=Identity)
    except (msgspec.DecodeError, UnicodeDecodeError) as cause:
        raise DataDirectoryError(
            f"{path} is damaged ({cause}). Restore the file, or choose another DATA_DIR."
        ) from cause
    raise DataDirectoryError(
        f"{path} has format version {version}, this release knows only {FORMAT_VERSION}. "
        "Use the release that wrote it, or choose another DATA_DIR."
    )


def _check(path: Path, recorded: Identity, given: Identity) -> None:
    if recorded.node_id != given.node_id:
        raise DataDirectoryError(
            f"{path} belongs to node {recorded.node_id!r}, but this node is {given.node_id!r}. "
            "Set SELF_ID back, or give this node its own DATA_DIR."
        )
    if recorded.cluster_id != given.cluster_id:
        raise DataDirectoryError(
            f"{path} belongs to cluster {recorded.cluster_id} with the members "
            f"{', '.join(recorded.members)}, but SELF_ADDRESS and OTHER_NODES name "
            f"{', '.join(given.members)} (cluster {given.cluster_id}). Members are fixed when a "
            "cluster is formed: set both variables back, or give this node its own DATA_DIR."
        )


def _unusable(path: Path, cause: OSError) -> DataDirectoryError:
    match cause:
        case PermissionError():
            advice = "Give the user of this process the right to write there"
        case NotADirectoryError() | FileExistsError():
            advice = "It, or one of its parents, is a file. Remove that"
        case _:
            advice = "Repair it"
    where = cause.filename or path
    return DataDirectoryError(
        f"{path} cannot be the data directory: {where}: {cause.strerror}. "
        f"{advice}, or choose another DATA_DIR."
    )
