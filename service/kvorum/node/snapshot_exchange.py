"""Snapshots between nodes: a leader sends chunks, a follower collects and installs (§5.3).

The core decides who needs a snapshot and from which byte; here the bytes are read, stored,
verified and turned into a state machine beside the one that serves.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from kvorum.errors import SnapshotDamaged
from kvorum.mvcc.state_machine import StateMachine
from kvorum.node.loading import load_state
from kvorum.node.ports import Peers, SnapshotStore
from kvorum.raft.core import Core
from kvorum.raft.messages import InstallSnapshot, InstallSnapshotResponse
from kvorum.raft.ready import ChunkWanted
from kvorum.raft.snapshot import Snapshot
from kvorum.raft.types import NodeId
from kvorum.telemetry.metrics import StateMetrics

_log = logging.getLogger("kvorum.node")

CHUNK_BYTES = 256 << 10


class SnapshotSender:
    """Reads what the core wants sent; one chunk per follower is under way."""

    def __init__(
        self, core: Core, *, store: SnapshotStore, peers: Peers, metrics: StateMetrics
    ) -> None:
        self._core = core
        self._store = store
        self._peers = peers
        self._metrics = metrics
        self._wanted: dict[NodeId, ChunkWanted] = {}
        self._wake = asyncio.Event()
        self._reading: list[Snapshot] = []  # their files are held open

    def want(self, chunk: ChunkWanted) -> None:
        """A later wish for the same follower replaces an earlier one."""
        self._wanted[chunk.to] = chunk
        self._wake.set()

    def look(self) -> None:
        """Let go of snapshots that nobody needs any more; called at every tick."""
        if not self._reading:
            return
        still = self._core.sending
        for snapshot in [snapshot for snapshot in self._reading if snapshot not in still]:
            self._reading.remove(snapshot)
            self._store.done_with(snapshot)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._wanted:
                peer = next(iter(self._wanted))
                await self._send(self._wanted.pop(peer))

    async def _send(self, chunk: ChunkWanted) -> None:
        peer, snapshot = chunk.to, chunk.snapshot
        if snapshot not in self._reading:
            self._reading.append(snapshot)
        size_bytes = min(CHUNK_BYTES, max(0, snapshot.size_bytes - chunk.offset))
        try:
            data = await self._store.read(snapshot, chunk.offset, size_bytes)
        except (OSError, SnapshotDamaged) as error:
            self._metrics.snapshot_failed()
            _log.error("cannot read a snapshot to send it", extra={"why": str(error)})
            return
        self._metrics.snapshot_sent(len(data))
        message = InstallSnapshot(
            to=peer,
            sender=self._core.state.node,
            term=chunk.term,
            snapshot=snapshot,
            offset=chunk.offset,
            data=data,
        )
        self._peers.send([message])


class SnapshotCollector:
    """Stores the leader's chunks; a complete snapshot is loaded, then ``install`` is called.

    ``install`` takes both over in one step, or ignores them if they came too late. What then
    is not needed any more is given back little by little: freeing a million keys at once
    would be a pause. ``freezing`` is held by whoever reads the state.
    """

    def __init__(
        self,
        core: Core,
        machine: StateMachine,
        *,
        store: SnapshotStore,
        peers: Peers,
        metrics: StateMetrics,
        install: Callable[[Snapshot, StateMachine], Awaitable[None]],
        freezing: asyncio.Lock,
    ) -> None:
        self._core = core
        self._machine = machine
        self._store = store
        self._peers = peers
        self._metrics = metrics
        self._install = install
        self._freezing = freezing
        self._chunk: InstallSnapshot | None = None  # the newest one that waits
        self._wake = asyncio.Event()

    def collect(self, chunk: InstallSnapshot) -> None:
        """Leaders send one at a time, so one place is enough."""
        self._chunk = chunk
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._chunk is not None:
                chunk, self._chunk = self._chunk, None
                await self._store_chunk(chunk)

    async def _store_chunk(self, chunk: InstallSnapshot) -> None:
        snapshot = chunk.snapshot
        if snapshot.last.index <= self._machine.applied_index:
            return  # the leader learns how far we are from the next heartbeat's answer
        try:
            here = await self._store.received(snapshot)
            if chunk.offset == here and chunk.data:
                here = await self._store.receive(snapshot, chunk.offset, chunk.data)
            if here >= snapshot.size_bytes:
                await self._complete(snapshot)
                return
        except SnapshotDamaged as error:
            here = 0
            self._failed("a snapshot from the leader arrived damaged: it is fetched anew", error)
        except OSError as error:
            self._failed("cannot store a snapshot from the leader; it will send again", error)
            return
        self._answer(chunk, here)

    def _failed(self, what: str, error: Exception) -> None:
        self._metrics.snapshot_failed()
        _log.error(what, extra={"why": str(error)})

    def _answer(self, chunk: InstallSnapshot, here: int) -> None:
        state = self._core.state
        response = InstallSnapshotResponse(
            to=chunk.sender,
            sender=state.node,
            term=state.term,
            last=chunk.snapshot.last,
            checksum=chunk.snapshot.checksum,
            offset=here,
        )
        self._peers.send([response])

    async def _complete(self, snapshot: Snapshot) -> None:
        await self._store.complete(snapshot)
        machine = await load_state(snapshot, self._store.load(snapshot))
        self._metrics.snapshot_installed()
        _log.info(
            "loaded a snapshot from the leader",
            extra={"index": snapshot.last.index, "bytes": snapshot.size_bytes},
        )
        await self._install(snapshot, machine)
        async with self._freezing:
            for _ in machine.drain():
                await asyncio.sleep(0)
