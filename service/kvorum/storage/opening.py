"""The whole order in which a node's data come back: snapshot, log, then leftovers go.

The newest sound snapshot is loaded; the log must continue it. Nothing is removed before it is
certain that both are good.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Generic, TypeVar

from msgspec import Struct

from kvorum.errors import CorruptLog, DataDirectoryError, SnapshotDamaged
from kvorum.raft.snapshot import Snapshot
from kvorum.raft.types import ORIGIN
from kvorum.storage.data_dir import DataDirectory
from kvorum.storage.fs import FileSystem
from kvorum.storage.recovery import Recovered
from kvorum.storage.segment import SEGMENT_BYTES
from kvorum.storage.snapshot_file import ForeignFile
from kvorum.storage.snapshots import Snapshots, open_snapshots
from kvorum.storage.wal import Observe, Wal, ignore, open_log
from kvorum.storage.worker import Worker

T = TypeVar("T")

Load = Callable[[Snapshot, AsyncIterator[bytes]], Awaitable[T]]
"""Makes a state of a snapshot's blocks. It reads them to the end, or what it made is void; it
may raise SnapshotDamaged for what it cannot read."""


class Storage(Struct, Generic[T], frozen=True):
    """Everything that a node has on its disk, ready to be continued.

    ``state`` is what was made of ``snapshot``; both are None if there is none. The log's
    ``recovered.entries`` follow it.
    """

    log: Wal
    snapshots: Snapshots
    snapshot: Snapshot | None
    state: T | None
    recovered: Recovered
    warnings: list[str]

    async def close(self) -> None:
        """Finish what is queued; the workers belong to whoever made them."""
        await self.log.close()
        await self.snapshots.close()


async def open_storage(
    fs: FileSystem,
    directory: DataDirectory,
    load: Load[T],
    *,
    log_worker: Worker,
    snapshot_worker: Worker,
    segment_bytes: int = SEGMENT_BYTES,
    observe: Observe = ignore,
) -> Storage[T]:
    """Load the newest sound snapshot, recover the log behind it.

    A damaged snapshot is passed over with a warning if the log reaches back to the older one.
    Raises DataDirectoryError, and CorruptLog, which is one.
    """
    try:
        snapshots = open_snapshots(
            fs, directory.snapshots_path, snapshot_worker, directory.identity.cluster_id
        )
        snapshot, state, damage = await _load_newest(snapshots, load)
        base = ORIGIN if snapshot is None else snapshot.last
        try:
            log, recovered = open_log(
                fs,
                directory.wal_path,
                log_worker,
                base=base,
                segment_bytes=segment_bytes,
                observe=observe,
            )
        except CorruptLog as refusal:
            raise _with_damage(refusal, damage) from refusal
        await _tidy(snapshots, log)
    except ForeignFile as foreign:
        raise DataDirectoryError(
            f"{foreign}. Move that file away, or choose another DATA_DIR."
        ) from foreign
    except OSError as error:
        raise DataDirectoryError(
            f"the data in {directory.path} cannot be opened: {error.strerror} "
            f"({error.filename or directory.path}). Repair that; or, while a majority of the "
            "members is well, start with an empty directory: the node is replaced."
        ) from error
    return Storage(log, snapshots, snapshot, state, recovered, [*damage, *recovered.warnings])


async def _load_newest(
    snapshots: Snapshots, load: Load[T]
) -> tuple[Snapshot | None, T | None, list[str]]:
    """The newest snapshot that can be loaded, and what was wrong with newer ones."""
    damage = list(snapshots.warnings)
    while (snapshot := snapshots.newest) is not None:
        try:
            async with aclosing(snapshots.load(snapshot)) as blocks:
                return snapshot, await load(snapshot, blocks), damage
        except (SnapshotDamaged, OSError) as error:
            await snapshots.distrust(snapshot)
            next_best = "the snapshot before it" if snapshots.newest else "the log alone"
            damage.append(f"{error}. What is left is {next_best}.")
    return None, None, damage


async def _tidy(snapshots: Snapshots, log: Wal) -> None:
    try:
        await snapshots.tidy()
    except BaseException:
        await log.close()
        raise


def _with_damage(refusal: CorruptLog, damage: list[str]) -> CorruptLog:
    """The log may be well, and only a snapshot lost."""
    if not damage:
        return refusal
    reason = " ".join([refusal.reason + ".", *damage]).removesuffix(".")
    return CorruptLog(refusal.file, refusal.offset, reason)
