"""Taking snapshots, so that the log need not grow for ever (§5.1).

The state machine is frozen at one entry, and while its blocks are made one by one, each in
about a millisecond, the node goes on: what changes is copied before. When the file is
durable the core may forget the entries it covers, and the disk those that the older of the
two snapshots kept covers too.
"""

import asyncio
import logging
from asyncio import Future
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from kvorum.errors import Rejected
from kvorum.mvcc.state_machine import StateMachine
from kvorum.node.options import NodeOptions
from kvorum.node.ports import Clock, SnapshotSink, SnapshotStore
from kvorum.raft.core import Core
from kvorum.raft.snapshot import Snapshot
from kvorum.raft.types import EntryId, Index
from kvorum.telemetry.state_metrics import StateMetrics

_log = logging.getLogger("kvorum.node")

RETRY_S = 30.0
"""A snapshot that could not be written, or not be read again, is tried again after so long."""
SHARE: Final = 8
"""Making the blocks gets one part in so many of a busy event loop's time."""
IDLE_S: Final = 200e-6
"""An event loop that comes back within this time had little else to do."""
_STOPPED = "this node takes no snapshots any more: it is stopping; ask another one"


class SnapshotTaker:
    """``taken`` is called with each new snapshot once it is durable.

    ``freezing`` is held while the state is read.
    """

    def __init__(
        self,
        options: NodeOptions,
        core: Core,
        machine: StateMachine,
        *,
        store: SnapshotStore,
        clock: Clock,
        metrics: StateMetrics,
        taken: Callable[[Snapshot], None],
        freezing: asyncio.Lock,
    ) -> None:
        self._options = options
        self._core = core
        self._machine = machine
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._taken = taken
        self._freezing = freezing
        self._wanted = asyncio.Event()
        self._log_bytes = 0  # applied since the last snapshot
        self._retry_s = 0.0  # not before
        self._stopped = False
        self._asked: list[Future[Snapshot]] = []  # by those who wait for a fresh one

    def applied(self, _index: Index, size_bytes: int) -> None:
        """Look whether the log has grown enough."""
        self._log_bytes += size_bytes
        if not self._wanted.is_set() and self._is_due():
            self._wanted.set()

    def restored(self) -> None:
        """A snapshot from the leader took the place of everything."""
        self._log_bytes = 0

    def take_another(self) -> None:
        """The newest one turned out to be unreadable: at once, but no two within ``RETRY_S``."""
        now_s = self._clock.monotonic_s()
        if now_s >= self._retry_s:
            self._retry_s = now_s + RETRY_S
            self._wanted.set()

    async def fresh(self) -> Snapshot:
        """One of the state as it is now or later, taken if need be. Raises ``OSError``.

        ``Rejected`` if the node stops.
        """
        newest = self._store.newest
        if newest is not None and newest.last.index >= self._machine.applied_index:
            return newest
        if self._stopped:
            raise Rejected(_STOPPED)
        asked: Future[Snapshot] = asyncio.get_running_loop().create_future()
        self._asked.append(asked)
        self._wanted.set()
        return await asked

    def _is_due(self) -> bool:
        """The log has grown enough; writing the state costs no more than the log itself did."""
        newest = self._store.newest
        covered, size_bytes = (newest.last.index, newest.size_bytes) if newest else (0, 0)
        entries = self._machine.applied_index - covered
        bytes_max = max(self._options.snapshot_bytes, size_bytes)
        is_due = entries >= self._options.snapshot_entries or self._log_bytes >= bytes_max
        return is_due and self._clock.monotonic_s() >= self._retry_s

    async def run(self) -> None:
        """Until cancelled. Then nobody is left waiting for a fresh one, or may begin to."""
        asked: list[Future[Snapshot]] = []
        try:
            while True:
                await self._wanted.wait()
                async with self._freezing:
                    asked, self._asked = self._asked, []  # from here on they want the next one
                    await self._take(asked)
                if not self._asked:
                    self._wanted.clear()
        finally:
            self._stopped = True
            _fail(asked + self._asked, Rejected(_STOPPED))

    async def _take(self, asked: "Sequence[Future[Snapshot]]") -> None:
        index = Index(self._machine.applied_index)
        term = self._core.state.log.term_at(index)
        assert term is not None, "the last entry applied is in the log or right before it"
        began_s, log_bytes = self._clock.monotonic_s(), self._log_bytes
        try:
            snapshot = await self._write(EntryId(term, index))
        except OSError as error:
            self._retry_s = self._clock.monotonic_s() + RETRY_S
            _fail(asked, error)
            self._metrics.snapshot_failed()
            _log.error(
                "cannot write a snapshot; the log stays until one succeeds",
                extra={"why": str(error), "retry_s": RETRY_S},
            )
            return
        seconds = self._clock.monotonic_s() - began_s
        self._log_bytes -= min(log_bytes, self._log_bytes)
        self._metrics.snapshot_taken(seconds, snapshot.size_bytes)
        _log.info(
            "took a snapshot",
            extra={
                "index": index,
                "bytes": snapshot.size_bytes,
                "seconds": round(seconds, 3),
            },
        )
        self._taken(snapshot)
        for one in asked:
            if not one.done():
                one.set_result(snapshot)

    async def _write(self, last: EntryId) -> Snapshot:
        frozen = self._machine.freeze()
        try:
            sink = self._store.create(last, self._core.membership_at(last.index))
            try:
                await write_beside(frozen.blocks(), sink, self._clock)
                return await sink.finish()
            except OSError:
                await sink.abort()
                raise
        finally:
            frozen.close()


async def write_beside(blocks: Iterator[bytes], sink: SnapshotSink, clock: Clock) -> None:
    """All blocks; making them takes at most one ``SHARE``-th of a busy event loop's time.

    Nobody is in such a hurry for a snapshot as those are whose requests would wait. An idle loop
    goes on at once.
    """
    began_s = clock.monotonic_s()
    for block in blocks:
        made_s = clock.monotonic_s()
        await sink.write(block)
        written_s = clock.monotonic_s()
        await asyncio.sleep(0)
        now_s = clock.monotonic_s()
        if now_s - written_s > IDLE_S:
            rest_s = (made_s - began_s) * (SHARE - 1) - (now_s - made_s)
            await asyncio.sleep(max(0.0, rest_s))
        began_s = clock.monotonic_s()


def _fail(asked: "Sequence[Future[Snapshot]]", error: Exception) -> None:
    for one in asked:
        if not one.done():
            one.set_exception(error)
