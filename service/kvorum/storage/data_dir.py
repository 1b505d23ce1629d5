"""The data directory: one process, one node, one cluster."""

from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from kvorum.errors import DataDirectoryError, SnapshotDamaged
from kvorum.raft.membership import address_of
from kvorum.raft.types import NodeId
from kvorum.storage import former
from kvorum.storage.fs import TEMPORARY_SUFFIX, File, FileSystem
from kvorum.storage.identity import (
    FORMAT_VERSION,
    IDENTITY,
    FormerIdentity,
    Identity,
    read_identity,
    refuse_unfinished,
    remove_leftover,
    write_identity,
)
from kvorum.storage.lock import lock_directory
from kvorum.storage.recovery import is_empty, recover
from kvorum.storage.rescue import SNAPSHOTS, WAL, finish_rescue
from kvorum.storage.segment import SEGMENT_BYTES
from kvorum.storage.wal import create_log

__all__ = ["DataDirectory", "Identity"]


class DataDirectory:
    """An open, locked directory. ``identity`` is the recorded one."""

    def __init__(self, fs: FileSystem, path: Path, identity: Identity, lock: File) -> None:
        self.path = path
        self.identity = identity
        self._fs = fs
        self._lock = lock

    @property
    def wal_path(self) -> Path:
        return self.path / WAL

    @property
    def snapshots_path(self) -> Path:
        return self.path / SNAPSHOTS

    @classmethod
    def open(
        cls,
        fs: FileSystem,
        path: Path,
        *,
        node_id: str,
        address: str,
        cluster_id: str,
        members: Sequence[str],
        uid: str,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> "DataDirectory":
        """Create or open, lock, and check whose it is.

        After the first start, what is recorded counts: ``cluster_id``, ``members`` and ``uid``
        are for a new directory (``uid`` also for one that has none yet). Raises
        DataDirectoryError; CorruptLog if a log without identity is damaged.
        """
        given = Identity(FORMAT_VERSION, node_id, address, uid, cluster_id, tuple(members))
        try:
            make_directories(fs, path)
            lock = lock_directory(fs, path)
            try:
                return cls(fs, path, _settle(fs, path, given, segment_bytes), lock)
            except BaseException:
                lock.close()
                raise
        except OSError as cause:
            raise _unusable(path, cause) from cause

    def adopt(self, member_id: str, cluster_id: str) -> None:
        """The cluster that this node joins has given it an id.

        Only for a node whose log is empty; term and vote stay. Raises DataDirectoryError.
        """
        if address_of(NodeId(member_id)) != address_of(NodeId(self.identity.member_id)):
            raise DataDirectoryError(
                f"{self.path} belongs to {self.identity.member_id}, it cannot become {member_id}"
            )
        try:
            if recover(self._fs, self.wal_path).entries:
                raise DataDirectoryError(
                    f"{self.path} has a log already: it cannot become that of {member_id} in "
                    f"cluster {cluster_id}. Give a node that joins a new DATA_DIR."
                )
            identity = replace(
                self.identity, member_id=member_id, cluster_id=cluster_id, members=()
            )
            write_identity(self._fs, self.path, identity)
        except OSError as cause:
            raise _unusable(self.path, cause) from cause
        self.identity = identity

    def begin_anew(self, member_id: str, uid: str, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        """The member that lived here was removed for good; a new one lives at its address.

        What the former one had is put aside (:mod:`kvorum.storage.former`). Raises
        DataDirectoryError.
        """
        new = replace(self.identity, member_id=member_id, uid=uid, members=())
        try:
            self.identity = former.begin_anew(
                self._fs, self.path, self.identity, new, segment_bytes=segment_bytes
            )
        except OSError as cause:
            raise _unusable(self.path, cause) from cause

    def close(self) -> None:
        """Release the lock."""
        self._lock.close()


def make_directories(fs: FileSystem, path: Path) -> None:
    """The directory and its parents, durably, as far as they are missing."""
    if fs.exists(path):
        return
    if path.parent != path:
        make_directories(fs, path.parent)
    fs.make_directory(path)
    fs.sync_directory(path.parent)


def _settle(fs: FileSystem, path: Path, given: Identity, segment_bytes: int) -> Identity:
    """The recorded identity, after checking it; on the first start, record it."""
    remove_leftover(fs, path)
    if not fs.exists(path / IDENTITY):
        _prepare_log(fs, path, segment_bytes)
        write_identity(fs, path, given)
        return given
    recorded = read_identity(fs, path)
    _check_node(path, recorded.node_id, given)
    if isinstance(recorded, FormerIdentity):
        _check_address(path, recorded.members, given)
        upgraded = replace(given, cluster_id=recorded.cluster_id, members=recorded.members)
        write_identity(fs, path, upgraded)
        return upgraded
    refuse_unfinished(path, recorded)
    _check_address(path, (address_of(NodeId(recorded.member_id)),), given)
    if recorded.putting_aside is not None:
        return former.finish_beginning(fs, path, recorded, segment_bytes=segment_bytes)
    if recorded.rescue is None:
        return recorded
    try:
        return finish_rescue(fs, path, recorded, segment_bytes=segment_bytes)
    except SnapshotDamaged as damage:
        raise DataDirectoryError(
            f"a rescue that was begun cannot be finished: {damage}"
        ) from damage


def _prepare_log(fs: FileSystem, path: Path, segment_bytes: int) -> None:
    """A log before an identity: so an identity without a log means that it was lost."""
    wal = path / WAL
    if not fs.exists(wal):
        fs.make_directory(wal)
        fs.sync_directory(path)
    if not [name for name in fs.names(wal) if not name.endswith(TEMPORARY_SUFFIX)]:
        create_log(fs, wal, segment_bytes=segment_bytes)
    elif not is_empty(fs, wal):
        raise DataDirectoryError(
            f"{path} holds a log, but {IDENTITY} is missing, so that nobody knows whose it is. "
            "Restore that file, or choose another DATA_DIR."
        )


def _check_node(path: Path, recorded: str, given: Identity) -> None:
    if recorded != given.node_id:
        raise DataDirectoryError(
            f"{path} belongs to node {recorded!r}, but this node is {given.node_id!r}. "
            "Set SELF_ID back, or give this node its own DATA_DIR."
        )


def _check_address(path: Path, possible: Sequence[str], given: Identity) -> None:
    if given.member_id not in possible:
        raise DataDirectoryError(
            f"{path} belongs to the member at {' or '.join(possible)}, but SELF_ADDRESS is "
            f"{given.member_id}. A member keeps its address: set it back. To move a node, "
            "remove the member, then add it at its new address with a new DATA_DIR."
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
