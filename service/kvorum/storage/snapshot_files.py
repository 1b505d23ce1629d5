"""The directory of snapshots: which are kept, and which files mean nothing any more.

Blocks; used on one worker, or before it runs.
"""

from collections.abc import Sequence
from pathlib import Path

from kvorum.errors import SnapshotDamaged
from kvorum.raft.snapshot import Snapshot
from kvorum.raft.types import EntryId
from kvorum.storage.fs import TEMPORARY_SUFFIX, FileSystem
from kvorum.storage.snapshot_file import ForeignFile, SnapshotScan
from kvorum.storage.snapshot_format import parse_name, snapshot_name

SUFFIX = ".snap"
PART_SUFFIX = ".part"
KEPT = 2


def snapshot_path(directory: Path, snapshot: Snapshot) -> Path:
    """Where one that is kept lies."""
    return directory / (snapshot_name(snapshot) + SUFFIX)


class SnapshotFiles:
    """``kept`` are the last two, the older one first; it is replaced, never changed."""

    def __init__(
        self, fs: FileSystem, directory: Path, cluster_id: str, former_ids: Sequence[str] = ()
    ) -> None:
        """Looks at the heads of all files, and changes nothing.

        ``former_ids``: of clusters whose snapshots are accepted too. Raises ForeignFile, OSError.
        """
        self.fs = fs
        self.directory = directory
        self.cluster_id = cluster_id
        self.cluster_ids = (cluster_id, *former_ids)
        self.kept: tuple[Snapshot, ...] = ()
        self.warnings: list[str] = []
        found = (self._look_at(name) for name in sorted(fs.names(directory)))
        sound = [snapshot for snapshot in found if snapshot is not None]
        sound.sort(key=_by_age)
        self.kept = tuple(sound[-KEPT:])
        self._surplus = sound[:-KEPT]

    def path_of(self, snapshot: Snapshot) -> Path:
        return snapshot_path(self.directory, snapshot)

    def temporary_path(self, last: EntryId) -> Path:
        """For a snapshot being written."""
        return self.directory / f"{last.index:016x}-{last.term:016x}{SUFFIX}{TEMPORARY_SUFFIX}"

    def part_path(self, snapshot: Snapshot) -> Path:
        """For a snapshot being received."""
        return self.directory / (snapshot_name(snapshot) + PART_SUFFIX)

    def scan(self, snapshot: Snapshot) -> SnapshotScan:
        """Of one that is kept, or else was received. Raises SnapshotDamaged, OSError."""
        is_kept = snapshot in self.kept
        path = self.path_of(snapshot) if is_kept else self.part_path(snapshot)
        return SnapshotScan(self.fs, path, self.cluster_ids, snapshot)

    def adopt(self, unnamed: Path, snapshot: Snapshot) -> None:
        """A complete, durable file gets its name durably; the last two are kept."""
        self.fs.rename(unnamed, self.path_of(snapshot))
        self.fs.sync_directory(self.directory)
        others = [kept for kept in self.kept if kept != snapshot]
        self.kept = tuple(sorted([*others, snapshot], key=_by_age)[-KEPT:])
        self.drop_others()

    def distrust(self, snapshot: Snapshot) -> None:
        """It is damaged: not kept any more, and removed together with those that are too old."""
        self.kept = tuple(kept for kept in self.kept if kept != snapshot)

    def tidy(self) -> None:
        """Remove what a crash left, and all but the newest snapshot that was being received.

        Damaged files stay until the next snapshot is complete: somebody may look at them.
        """
        names = self.fs.names(self.directory)
        parts = sorted(name for name in names if name.endswith(PART_SUFFIX))
        for name in names:
            if name.endswith(TEMPORARY_SUFFIX) or name in parts[:-1]:
                self.fs.remove(self.directory / name)
        for snapshot in self._surplus:
            self.fs.remove(self.path_of(snapshot))
        self._surplus = []

    def drop_others(self) -> None:
        """Remove all but those kept; a crash may bring them back, until the directory is synced."""
        names = {self.path_of(kept).name for kept in self.kept}
        for name in self.fs.names(self.directory):
            if _named(name) is not None and name not in names:
                self.fs.remove(self.directory / name)
        self._surplus = []

    def _look_at(self, name: str) -> Snapshot | None:
        """The snapshot in that file, as far as its head tells; a damaged one is warned of."""
        named = _named(name)
        if named is None:
            return None
        last, checksum = named
        try:
            scan = SnapshotScan(self.fs, self.directory / name, self.cluster_ids)
        except ForeignFile:
            raise
        except SnapshotDamaged as damage:
            self.warnings.append(f"{damage}. It is not used.")
            return None
        scan.close()
        if scan.head.last != last:
            self.warnings.append(f"{scan.path}: the file was once named otherwise. It is not used.")
            return None
        return Snapshot(last, scan.head.membership, scan.size_bytes, checksum)


def _named(name: str) -> tuple[EntryId, int] | None:
    """Last entry and checksum, if it is the name of a snapshot."""
    return parse_name(name.removesuffix(SUFFIX)) if name.endswith(SUFFIX) else None


def _by_age(snapshot: Snapshot) -> EntryId:
    return snapshot.last
