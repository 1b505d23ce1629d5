"""The whole store as one file, while the node goes on serving."""

from kvorum.mvcc.state_machine import StateMachine
from kvorum.node.ports import SnapshotStore
from kvorum.node.snapshotting import SnapshotTaker
from kvorum.raft.snapshot import Snapshot


class Backup:
    """A snapshot's file, verified, to be read in pieces.

    It stays readable as long as the node keeps that snapshot: until it has taken two more.
    """

    def __init__(self, store: SnapshotStore, snapshot: Snapshot, revision: int) -> None:
        self._store = store
        self._snapshot = snapshot
        self.revision = revision
        """Of the store when the backup was asked for: all of that is in it."""

    @property
    def name(self) -> str:
        """For a file."""
        return f"kvorum-{self._snapshot.last.index}.snapshot"

    @property
    def size_bytes(self) -> int:
        return self._snapshot.size_bytes

    async def read(self, offset: int, size_bytes: int) -> bytes:
        """Fewer bytes only at the end. Raises ``OSError``."""
        return await self._store.read(self._snapshot, offset, size_bytes)

    def close(self) -> None:
        self._store.done_with(self._snapshot)


async def open_backup(taker: SnapshotTaker, store: SnapshotStore, machine: StateMachine) -> Backup:
    """What is applied now, at least. Raises ``OSError``, ``SnapshotDamaged``."""
    revision = machine.revision
    snapshot = await taker.fresh()
    await store.check(snapshot)
    return Backup(store, snapshot, revision)
