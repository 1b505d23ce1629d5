"""What a node needs from the outside, owned by the node: disk, network, time."""

from asyncio import Future
from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

from kvorum.raft.membership import Membership
from kvorum.raft.messages import Message
from kvorum.raft.snapshot import Snapshot
from kvorum.raft.types import Entry, EntryId, HardState, Index, NodeId


class LogStore(Protocol):
    """All the driver needs from disk; ``storage.Wal`` fits, so will a faulty one."""

    def append(
        self, hard_state: HardState | None, entries: Sequence[Entry], base: EntryId | None = None
    ) -> "Future[None]":
        """Write one batch; the future is done when it is durable.

        With ``base`` a snapshot that ends there was installed: all that was stored before
        is void, and ``entries`` begin right behind it.

        Entries may begin at or below the last one stored: they replace it and all
        that follow. The caller waits for one append before it starts the next. A
        failed write is final: the process must end, because the page cache may
        have dropped what it could not write.
        """
        ...

    def release(self, index: Index) -> "Future[None]":
        """Entries up to ``index`` are not needed any more: free what holds nothing else."""
        ...


class SnapshotSink(Protocol):
    """A snapshot being written; nothing of it is seen before ``finish`` is done."""

    def write(self, block: bytes) -> "Future[None]":
        """Append one block; wait for it before the next. Fails with ``OSError``."""
        ...

    def finish(self) -> "Future[Snapshot]":
        """Make it durable and the newest one, and drop all but the last two."""
        ...

    def abort(self) -> "Future[None]":
        """Remove what was written."""
        ...


class SnapshotStore(Protocol):
    """Snapshots on disk. Futures fail with ``OSError`` or ``SnapshotDamaged``.

    A snapshot is a sequence of blocks; over the network it travels as the bytes of its file.
    """

    @property
    def newest(self) -> Snapshot | None: ...

    @property
    def oldest(self) -> Snapshot | None:
        """Of those kept, all taken here or loaded once: the log must reach back to it."""
        ...

    def create(self, last: EntryId, membership: Membership) -> SnapshotSink: ...

    def load(self, snapshot: Snapshot) -> AsyncGenerator[bytes, None]:
        """Blocks of one that is kept, or complete, in order and verified.

        Once it raised ``SnapshotDamaged``, that snapshot is not known any more.
        """
        ...

    def check(self, snapshot: Snapshot) -> "Future[None]":
        """Read all of it before it is sent; from then on it can be read until ``done_with``.

        Several may read one snapshot: every check that succeeds wants its own ``done_with``.
        Fails with ``SnapshotDamaged`` if it is not what it was, and with ``OSError``.
        """
        ...

    def read(self, snapshot: Snapshot, offset: int, size_bytes: int) -> "Future[bytes]":
        """Bytes of the file, to send them; works until ``done_with`` even if it is dropped."""
        ...

    def done_with(self, snapshot: Snapshot) -> None:
        """One of those who checked it reads it no more."""
        ...

    def received(self, snapshot: Snapshot) -> "Future[int]":
        """How many of its bytes are here already, in a file that is not complete."""
        ...

    def receive(self, snapshot: Snapshot, offset: int, data: bytes) -> "Future[int]":
        """Store bytes that continue those here; how many are here then."""
        ...

    def complete(self, snapshot: Snapshot) -> "Future[None]":
        """All bytes are here: make them durable and verify them; from then on it can be loaded.

        Fails with ``SnapshotDamaged`` (and forgets the bytes) if they are not what they should be.
        """
        ...

    def adopt(self, snapshot: Snapshot) -> "Future[None]":
        """One that is complete was loaded: from now on it is kept, and all but the last two go."""
        ...

    def discard(self, snapshot: Snapshot) -> "Future[None]":
        """What was received of it is not needed."""
        ...

    def distrust(self, snapshot: Snapshot) -> "Future[None]":
        """It turned out to be damaged: it is not kept any more."""
        ...


class Peers(Protocol):
    """All the driver needs from the network."""

    def send(self, messages: Sequence[Message]) -> None:
        """Queue messages to the members they name.

        Never blocks and never raises: what does not fit is dropped, Raft repeats it.
        """
        ...

    def set_members(self, index: Index, members: Sequence[NodeId]) -> None:
        """Who belongs to the cluster since the log's entry ``index``: keep links to all of them."""
        ...


class Clock(Protocol):
    """Time from outside the core; it never jumps. Nothing in a node asks for the date."""

    def monotonic_s(self) -> float: ...
