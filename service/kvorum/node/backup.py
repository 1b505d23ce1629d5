"""The whole store as one file, while the node goes on serving."""

import asyncio
from asyncio import Future
from functools import partial

from kvorum.mvcc.state_machine import StateMachine
from kvorum.node.ports import SnapshotStore
from kvorum.node.snapshotting import SnapshotTaker
from kvorum.raft.snapshot import Snapshot


class Backup:
    """A snapshot's file, verified, to be read in pieces until it is closed."""

    def __init__(self, store: SnapshotStore, snapshot: Snapshot, revision: int) -> None:
        self._store = store
        self._snapshot = snapshot
        self._is_open = True
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
        if self._is_open:
            self._is_open = False
            self._store.done_with(self._snapshot)


async def open_backup(taker: SnapshotTaker, store: SnapshotStore, machine: StateMachine) -> Backup:
    """What is applied now, at least. Raises ``OSError``, ``SnapshotDamaged``."""
    revision = machine.revision
    snapshot = await taker.fresh()
    checked = store.check(snapshot)
    try:
        await asyncio.shield(checked)
    except asyncio.CancelledError:
        checked.add_done_callback(partial(_let_go, store, snapshot))
        raise
    return Backup(store, snapshot, revision)


def _let_go(store: SnapshotStore, snapshot: Snapshot, checked: "Future[None]") -> None:
    """Whoever asked went away while it was read: if it was opened, nobody reads it."""
    if not checked.cancelled() and checked.exception() is None:
        store.done_with(snapshot)
