"""Snapshots between nodes: a leader sends chunks, a follower collects and installs (§5.3).

The core decides who needs a snapshot and from which byte; here the bytes are read, stored,
verified and turned into a state machine beside the one that serves.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import aclosing

from kvorum.errors import SnapshotDamaged
from kvorum.mvcc.state_machine import StateMachine
from kvorum.node.loading import load_state
from kvorum.node.ports import Clock, Peers, SnapshotStore
from kvorum.raft.core import Core
from kvorum.raft.messages import InstallSnapshot, InstallSnapshotResponse
from kvorum.raft.ready import ChunkWanted
from kvorum.raft.snapshot import Snapshot
from kvorum.raft.types import NodeId
from kvorum.telemetry.state_metrics import StateMetrics

_log = logging.getLogger("kvorum.node")

CHUNK_BYTES = 256 << 10

RETRY_S = 30.0
"""After a snapshot that this release cannot read, none is fetched for so long."""


class SnapshotSender:
    """Reads what the core wants sent; one chunk per follower is under way.

    A file is read as a whole before its first chunk leaves, and again if a follower that had
    all of it wants all of it: what has rotted on the disk is not sent but replaced.
    ``take_another`` asks for a new snapshot, at every tick until there is one.
    """

    def __init__(
        self,
        core: Core,
        *,
        store: SnapshotStore,
        peers: Peers,
        metrics: StateMetrics,
        take_another: Callable[[], None],
    ) -> None:
        self._core = core
        self._store = store
        self._peers = peers
        self._metrics = metrics
        self._take_another = take_another
        self._wanted: dict[NodeId, ChunkWanted] = {}
        self._wake = asyncio.Event()
        self._reading: list[Snapshot] = []  # sound; their files are held open
        self._ended: dict[NodeId, Snapshot] = {}  # whose last bytes left for it
        self._unusable: list[Snapshot] = []  # the core does not know it yet

    def want(self, chunk: ChunkWanted) -> None:
        """A later wish for the same follower replaces an earlier one."""
        self._wanted[chunk.to] = chunk
        self._wake.set()

    def look(self) -> None:
        """Let go of what nobody needs, or may get, any more; called in turns, at every tick."""
        for snapshot in self._unusable:
            self._core.withdraw(snapshot)
            self._wanted = {to: one for to, one in self._wanted.items() if one.snapshot != snapshot}
        self._unusable.clear()
        if self._core.lacks_snapshot:
            self._take_another()
        if not self._reading:
            return
        still = self._core.sending
        for snapshot in [snapshot for snapshot in self._reading if snapshot not in still]:
            self._reading.remove(snapshot)
            self._store.done_with(snapshot)
        self._ended = {peer: one for peer, one in self._ended.items() if one in still}

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
        if snapshot in self._unusable:
            return
        size_bytes = min(CHUNK_BYTES, max(0, snapshot.size_bytes - chunk.offset))
        try:
            await self._check(chunk)
            data = await self._store.read(snapshot, chunk.offset, size_bytes)
        except (OSError, SnapshotDamaged) as error:
            await self._give_up(snapshot, error)
            return
        if chunk.offset + len(data) >= snapshot.size_bytes:
            self._ended[peer] = snapshot
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

    async def _check(self, chunk: ChunkWanted) -> None:
        """Before the first chunk, and before a first chunk that follows a last one."""
        peer, snapshot = chunk.to, chunk.snapshot
        is_again = not chunk.offset and self._ended.get(peer) == snapshot
        if snapshot not in self._reading or is_again:
            await self._store.check(snapshot)
            if snapshot in self._reading:
                self._store.done_with(snapshot)  # all followers together are one reader
            else:
                self._reading.append(snapshot)
        if is_again:
            self._ended.pop(peer, None)  # unless nobody was sent it any more meanwhile

    async def _give_up(self, snapshot: Snapshot, error: Exception) -> None:
        self._metrics.snapshot_failed()
        _log.error(
            "a snapshot to be sent cannot be read: it is not used any more, another one is taken",
            extra={"index": snapshot.last.index, "why": str(error)},
        )
        self._unusable.append(snapshot)
        if snapshot in self._reading:
            self._reading.remove(snapshot)
        self._ended = {peer: one for peer, one in self._ended.items() if one != snapshot}
        await self._store.distrust(snapshot)


class SnapshotCollector:
    """Stores the leader's chunks; a complete snapshot is loaded, then ``install`` is called.

    Only once its state is there does a snapshot take the place of the node's own ones: it
    might be sound and yet hold what this release cannot read, and the own ones are what the
    node starts from. It does so before ``install``, so that it is durable before the log
    says that it begins there.

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
        clock: Clock,
        metrics: StateMetrics,
        install: Callable[[Snapshot, StateMachine], Awaitable[None]],
        freezing: asyncio.Lock,
    ) -> None:
        self._core = core
        self._machine = machine
        self._store = store
        self._peers = peers
        self._clock = clock
        self._metrics = metrics
        self._install = install
        self._freezing = freezing
        self._unreadable: Snapshot | None = None  # sound, but this release cannot load it
        self._retry_s = 0.0  # nothing is fetched before
        self._told_s = -RETRY_S  # when it was last said that nothing can be stored
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
        if snapshot == self._unreadable:
            self._answer(chunk, snapshot.size_bytes)  # so that it sends no bytes
            return
        if self._clock.monotonic_s() < self._retry_s:
            return
        try:
            here = await self._store.received(snapshot)
            if chunk.offset == here and chunk.data:
                here = await self._store.receive(snapshot, chunk.offset, chunk.data)
            if here >= snapshot.size_bytes and await self._complete(chunk):
                return
        except SnapshotDamaged as error:
            here = 0
            self._failed("a snapshot from the leader arrived damaged: it is fetched anew", error)
        except OSError as error:
            self._cannot_store(error)
            return
        self._answer(chunk, here)

    def _cannot_store(self, error: OSError) -> None:
        """The leader sends again and again: often enough to go on soon, too often to tell."""
        now_s = self._clock.monotonic_s()
        if now_s < self._told_s + RETRY_S:
            self._metrics.snapshot_failed()
            return
        self._told_s = now_s
        self._failed("cannot store a snapshot from the leader; it will send again", error)

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

    async def _complete(self, chunk: InstallSnapshot) -> bool:
        """All bytes are here; false if this release cannot read them."""
        snapshot = chunk.snapshot
        await self._store.complete(snapshot)
        machine = await self._load(chunk)
        if machine is None:
            return False
        self._metrics.snapshot_installed()
        _log.info(
            "loaded a snapshot from the leader",
            extra={"index": snapshot.last.index, "bytes": snapshot.size_bytes},
        )
        try:
            await self._take_over(snapshot, machine)
        except OSError:
            await self._give_back(machine)
            raise
        await self._give_back(machine)
        return True

    async def _take_over(self, snapshot: Snapshot, machine: StateMachine) -> None:
        if snapshot.last.index <= self._core.state.log.commit:
            await self._store.discard(snapshot)  # the log came as far by itself
            return
        await self._store.adopt(snapshot)
        await self._install(snapshot, machine)

    async def _give_back(self, machine: StateMachine) -> None:
        async with self._freezing:
            for _ in machine.drain():
                await asyncio.sleep(0)

    async def _load(self, chunk: InstallSnapshot) -> StateMachine | None:
        """None if the bytes are sound, but not a state that this release can read."""
        snapshot = chunk.snapshot
        try:
            async with aclosing(self._store.load(snapshot)) as blocks:
                return await load_state(snapshot, blocks)
        except SnapshotDamaged as error:
            if await self._store.received(snapshot) < snapshot.size_bytes:
                raise  # the bytes have changed since they were verified
            self._unreadable = snapshot
            self._retry_s = self._clock.monotonic_s() + RETRY_S
            self._metrics.snapshot_failed()
            _log.error(
                "a snapshot from the leader arrived whole, but its state cannot be loaded: this "
                "node cannot follow until it runs a release that can, the leader's own",
                extra={
                    "leader": chunk.sender,
                    "index": snapshot.last.index,
                    "why": str(error),
                    "retry_s": RETRY_S,
                },
            )
            return None
