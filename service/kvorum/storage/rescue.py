"""A new cluster made of one survivor's data, after the majority was lost for good.

What no majority can confirm any more is decided by this one log: its entries all stay, those
that were not known to be committed too, and behind them stands a membership whose only voter is
this node. The new cluster has a new id, so that members of the old one that come back
after all are strangers.

``identity.json`` decides: until it names the new cluster, nothing has happened; from then on
the rest is done by whoever opens the directory next, if a crash came between.
"""

from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from kvorum.errors import DataDirectoryError, SnapshotDamaged
from kvorum.raft.membership import Membership, address_of, encode_membership, new_member_id
from kvorum.raft.snapshot import Snapshot
from kvorum.raft.types import ORIGIN, Entry, EntryId, EntryKind, HardState, Index, NodeId, Term
from kvorum.storage.fs import FileSystem
from kvorum.storage.identity import (
    IDENTITY,
    Identity,
    Rescue,
    read_identity,
    refuse_unfinished,
    remove_leftover,
    write_identity,
)
from kvorum.storage.lock import lock_directory
from kvorum.storage.recovery import Recovered, recover
from kvorum.storage.segment import SEGMENT_BYTES
from kvorum.storage.snapshot_file import ForeignFile, SnapshotWriter, verify
from kvorum.storage.snapshot_files import SnapshotFiles
from kvorum.storage.wal import continue_log

WAL = "wal"
SNAPSHOTS = "snapshots"


class RescueReport(Struct, frozen=True):
    """What the new cluster begins with.

    ``last`` is the last entry kept. The last ``unconfirmed`` entries were not known to be
    committed: they are now. ``snapshot`` is the last entry that the snapshot covers.
    """

    cluster_id: str
    member_id: str
    last: EntryId
    snapshot: EntryId | None
    unconfirmed: int
    warnings: list[str]


def rescue(fs: FileSystem, path: Path, *, cluster_id: str, uid: str) -> RescueReport:
    """Make a new cluster of the data directory ``path``, whose node is not running.

    The node becomes a new member with a new id, of which ``uid`` is the directory. A rescue that
    was interrupted is finished instead, under the ids that it was begun with; one that is
    complete (``cluster_id`` is that of the directory) is only reported. Raises
    DataDirectoryError.
    """
    try:
        if not fs.exists(path / IDENTITY):
            raise DataDirectoryError(f"{path} is no data directory: {IDENTITY} is missing")
        lock = lock_directory(fs, path)
        try:
            return _rescue(fs, path, cluster_id, uid)
        finally:
            lock.close()
    except OSError as cause:
        raise DataDirectoryError(
            f"{cause.filename or path}: {cause.strerror}. Repair that, then try again."
        ) from cause
    except ForeignFile as foreign:
        raise DataDirectoryError(f"{foreign}. Move that file away, then try again.") from foreign


def finish_rescue(
    fs: FileSystem, path: Path, identity: Identity, *, segment_bytes: int = SEGMENT_BYTES
) -> Identity:
    """Carry out what ``identity.rescue`` says, wherever it was interrupted.

    The caller holds the lock. Raises CorruptLog, SnapshotDamaged, OSError.
    """
    survey = _Survey(fs, path, identity)
    survey.append_membership(segment_bytes)
    survey.rename_snapshots()
    finished = replace(identity, rescue=None)
    write_identity(fs, path, finished)
    return finished


def _rescue(fs: FileSystem, path: Path, cluster_id: str, uid: str) -> RescueReport:
    remove_leftover(fs, path)
    identity = read_identity(fs, path)
    if not isinstance(identity, Identity):
        raise DataDirectoryError(
            f"{path} was written by an older release: start its node with this one, stop it "
            "again, and then try again"
        )
    refuse_unfinished(path, identity)
    if identity.putting_aside is not None:
        raise DataDirectoryError(
            f"{path} was about to begin anew as {identity.member_id}. Start its node to finish "
            f"that; the data that were there are in former-{identity.putting_aside.member_id}"
        )
    survey = _Survey(fs, path, identity)
    if identity.rescue is None and identity.cluster_id != cluster_id:
        identity = survey.begin(cluster_id, uid)
    report = survey.report(identity)
    if identity.rescue is not None:
        finish_rescue(fs, path, identity)
    return report


class _Survey:
    """What is there: the newest sound snapshot and the log behind it. As careful as any start."""

    def __init__(self, fs: FileSystem, path: Path, identity: Identity) -> None:
        self._fs = fs
        self._path = path
        self._identity = identity
        self._warnings: list[str] = []
        self._files = self._snapshot_files()
        snapshot = self._newest()
        self._snapshot = None if snapshot is None else snapshot.last
        self._log: Recovered = recover(fs, path / WAL, self._snapshot or ORIGIN)
        self._warnings += self._log.warnings

    def begin(self, cluster_id: str, uid: str) -> Identity:
        """From here on, this is the new cluster."""
        identity, last = self._identity, self._last_id()
        term, index = max(self._log.hard_state.term, last.term) + 1, Index(last.index + 1)
        new = replace(
            identity,
            member_id=new_member_id(address_of(NodeId(identity.member_id)), index),
            uid=uid,
            cluster_id=cluster_id,
            members=(),
            rescue=Rescue(identity.cluster_id, term, index),
        )
        write_identity(self._fs, self._path, new)
        return new

    def report(self, identity: Identity) -> RescueReport:
        """``identity``: as it is meanwhile."""
        last, commit = self._last_id(), self._log.hard_state.commit
        return RescueReport(
            identity.cluster_id,
            identity.member_id,
            last,
            self._snapshot,
            max(0, last.index - commit),
            self._warnings,
        )

    def append_membership(self, segment_bytes: int) -> None:
        """Behind everything else that is in the log, if it is not there yet."""
        entry, log = self._entry(), self._log
        if log.entries and log.entries[-1] == entry:
            return
        if self._last_id().index + 1 != entry.index:
            raise DataDirectoryError(
                f"{self._path}: the log was changed while the node was rescued: it ends with entry "
                f"{self._last_id().index}. Restore the directory from a copy and begin again."
            )
        state = HardState(entry.term, NodeId(self._identity.member_id), log.hard_state.commit)
        writer = continue_log(self._fs, log, segment_bytes=segment_bytes)
        try:
            writer.write(writer.frame(state, [entry]))
        finally:
            writer.close()

    def rename_snapshots(self) -> None:
        """Those of the former cluster are written anew for the new one; others go."""
        if self._files is None:
            return
        files = self._files
        for snapshot in files.kept:
            try:
                self._rename(files, snapshot)
            except SnapshotDamaged:
                files.distrust(snapshot)
        files.tidy()
        files.drop_others()
        self._fs.sync_directory(files.directory)

    def _rename(self, files: SnapshotFiles, snapshot: Snapshot) -> None:
        scan = files.scan(snapshot)
        try:
            if scan.head.cluster_id == files.cluster_id:
                return
            path = files.temporary_path(snapshot.last)
            writer = SnapshotWriter(self._fs, path, replace(scan.head, cluster_id=files.cluster_id))
            try:
                while (block := scan.next_block()) is not None:
                    writer.write(block)
                renamed = writer.finish()
            finally:
                writer.close()
        finally:
            scan.close()
        files.distrust(snapshot)
        files.adopt(path, renamed)

    def _snapshot_files(self) -> SnapshotFiles | None:
        directory, identity = self._path / SNAPSHOTS, self._identity
        if not self._fs.exists(directory):
            return None
        former = () if identity.rescue is None else (identity.rescue.former_cluster_id,)
        files = SnapshotFiles(self._fs, directory, identity.cluster_id, former)
        self._warnings += files.warnings
        return files

    def _newest(self) -> Snapshot | None:
        files = self._files
        while files is not None and files.kept:
            snapshot = files.kept[-1]
            try:
                verify(self._fs, files.path_of(snapshot), snapshot, files.cluster_ids)
            except SnapshotDamaged as damage:
                self._warnings.append(f"{damage}. It is left out.")
                files.distrust(snapshot)
            else:
                return snapshot
        return None

    def _last_id(self) -> EntryId:
        """The last entry kept; the new membership is not among them."""
        rescue = self._identity.rescue
        kept = [e for e in self._log.entries[-2:] if rescue is None or e.index < rescue.index]
        return kept[-1].id if kept else self._log.base

    def _entry(self) -> Entry:
        identity = self._identity
        assert identity.rescue is not None, "a rescue was begun"
        membership = Membership((NodeId(identity.member_id),))
        return Entry(
            Term(identity.rescue.term),
            Index(identity.rescue.index),
            EntryKind.MEMBERSHIP,
            encode_membership(membership),
        )
