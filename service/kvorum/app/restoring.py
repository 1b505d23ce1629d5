"""A backup into the data directory of one member of a new cluster.

Every member restores the same file by itself; that they agree on everything, without talking,
follows from what goes in: the file, the members, how far the revision is raised, and the restore
id. The last is another one each time that somebody restores, so that two clusters made of one
backup are strangers to each other, and the later one goes on above the earlier one.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from kvorum.app.restore_id import RestoreId
from kvorum.errors import DataDirectoryError, SnapshotDamaged
from kvorum.mvcc.restore import Restore
from kvorum.mvcc.state_machine import StateMachine
from kvorum.raft.membership import Membership
from kvorum.raft.types import EntryId, NodeId
from kvorum.storage.fs import FileSystem, Opener
from kvorum.storage.identity import FORMAT_VERSION, Identity
from kvorum.storage.restoring import refuse_occupied, restore_directory
from kvorum.storage.segment import SEGMENT_BYTES
from kvorum.storage.snapshot_file import SnapshotScan
from kvorum.storage.snapshot_format import Head

Progress = Callable[[int, int], None]
"""``f(done, total)``, in bytes of the file."""

REVISION_MAX = 8 * 10**15
"""Below 2^53, above which JSON numbers are not exact everywhere, with room to go on."""


class Backup(Struct, frozen=True):
    """A backup that was read to its end and loaded: nothing in it is damaged."""

    head: Head
    machine: StateMachine
    size_bytes: int
    digest: str  # SHA-256 of what it holds, hexadecimal


class Restored(Struct, frozen=True):
    """What a new cluster begins with, as this member's directory holds it."""

    cluster_id: str
    restore_id: str
    former_cluster_id: str
    member_id: str
    members: tuple[str, ...]
    last: EntryId
    revision: int
    former_revision: int
    key_count: int


class Loading:
    """A backup that is being read, checked and loaded, block by block."""

    def __init__(self, fs: Opener, path: Path) -> None:
        """Reads no more than the head. Raises as :func:`load_backup` does."""
        self._path = path
        self._scan = SnapshotScan(fs, path, None)
        self._restore = Restore()
        self._digest = hashlib.sha256()

    @property
    def offset(self) -> int:
        """All bytes before are loaded."""
        return self._scan.offset

    @property
    def size_bytes(self) -> int:
        return self._scan.size_bytes

    def step(self) -> bytes | None:
        """Loads one block, which it returns; None at the end."""
        block = self._scan.next_block()
        if block is not None:
            with self._naming_the_file():
                self._restore.add(block)
            self._digest.update(hashlib.sha256(block).digest())
        return block

    def finish(self) -> Backup:
        """What was loaded, once ``step`` has returned None."""
        with self._naming_the_file():
            machine = self._restore.finish()
        head = self._scan.head
        if machine.applied_index != head.last.index:
            raise SnapshotDamaged(
                f"{self._path}: it ends with entry {head.last.index}, but holds the state of entry "
                f"{machine.applied_index}"
            )
        return Backup(head, machine, self._scan.size_bytes, self._digest.hexdigest())

    def close(self) -> None:
        self._scan.close()

    @contextmanager
    def _naming_the_file(self) -> Iterator[None]:
        try:
            yield
        except SnapshotDamaged as damage:
            raise SnapshotDamaged(f"{self._path}: {damage}") from damage


def load_backup(fs: Opener, path: Path, progress: Progress) -> Backup:
    """Raises SnapshotDamaged, which names file and place, and OSError."""
    loading = Loading(fs, path)
    try:
        while loading.step() is not None:
            progress(loading.offset, loading.size_bytes)
        backup = loading.finish()
    finally:
        loading.close()
    progress(backup.size_bytes, backup.size_bytes)
    return backup


def restored_cluster_id(
    backup: Backup, members: Sequence[str], bump_revision: int, restore_id: RestoreId
) -> str:
    """16 hex digits, the same for every member that restores the same in the same way.

    Those who would not hold equal states at equal entries are strangers to each other, and so
    are those who are of two restores.
    """
    last = backup.head.last
    told = [
        "restored",
        backup.head.cluster_id,
        backup.digest,
        f"{last.term}.{last.index}",
        str(bump_revision),
        restore_id.text,
        *sorted(members),
    ]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]


def restore_backup(
    fs: FileSystem,
    backup_path: Path,
    data_dir: Path,
    *,
    opener: Opener | None = None,
    node_id: str,
    address: str,
    members: Sequence[str],
    uid: str,
    bump_revision: int,
    restore_id: RestoreId,
    segment_bytes: int = SEGMENT_BYTES,
    progress: Progress,
) -> Restored:
    """Make ``data_dir`` that of the member at ``address``, of a new cluster of ``members``.

    All of them are voters from the start. History and outcomes are forgotten, and no revision
    that a client may have seen is used twice: the new ones begin at the time of the restore in
    microseconds, which no cluster that was restored earlier can have reached unless it made
    more than a million revisions a second ever since; and at least ``bump_revision`` above the
    backup's, whatever the clock says. The backup is read through ``opener``, or else ``fs``. Raises
    DataDirectoryError, SnapshotDamaged, OSError of ``backup_path``.
    """
    try:
        refuse_occupied(fs, data_dir)  # before anything takes long
    except OSError as cause:
        raise DataDirectoryError(f"{data_dir}: {cause.strerror}") from cause
    backup = load_backup(opener or fs, backup_path, progress)
    machine, former_revision = backup.machine, backup.machine.revision
    revision = max(former_revision + bump_revision, restore_id.time_us)
    if revision > REVISION_MAX:
        raise DataDirectoryError(
            f"revision {former_revision} of the backup cannot go on as {revision}: at most "
            f"{REVISION_MAX} is possible. Raise it less."
        )
    cluster_id = restored_cluster_id(backup, members, bump_revision, restore_id)
    voters = tuple(NodeId(member) for member in sorted(members))
    head = Head(cluster_id, backup.head.last, Membership(voters))
    identity = Identity(FORMAT_VERSION, node_id, address, uid, cluster_id, ())
    machine.rebase(revision - former_revision)
    frozen = machine.freeze()
    try:
        restore_directory(
            fs, data_dir, identity, head, frozen.blocks(), segment_bytes=segment_bytes
        )
    finally:
        frozen.close()
    return Restored(
        cluster_id,
        restore_id.text,
        backup.head.cluster_id,
        address,
        tuple(voters),
        head.last,
        machine.revision,
        former_revision,
        machine.key_count,
    )
