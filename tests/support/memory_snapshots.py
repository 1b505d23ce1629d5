"""Snapshots kept in memory: the port of the node without files."""

import asyncio
import zlib
from asyncio import Future
from collections.abc import AsyncGenerator
from typing import Any, TypeVar

import msgspec

from kvorum.errors import SnapshotDamaged
from kvorum.raft.membership import Membership
from kvorum.raft.snapshot import Snapshot
from kvorum.raft.types import EntryId

T = TypeVar("T")


def done(value: T) -> "Future[T]":
    future: Future[T] = asyncio.get_running_loop().create_future()
    future.set_result(value)
    return future


def failed(error: Exception) -> "Future[Any]":
    future: Future[Any] = asyncio.get_running_loop().create_future()
    future.set_exception(error)
    return future


class MemorySnapshots:
    """What is complete survives a crash of the node, what is not does not."""

    def __init__(self) -> None:
        self.kept: list[tuple[Snapshot, bytes]] = []  # oldest first
        self.error: OSError | None = None  # what writing fails with
        self._parts: dict[Snapshot, bytes] = {}
        self._open: dict[Snapshot, bytes] = {}  # being sent, whether they are kept or not
        self.readers: dict[Snapshot, int] = {}  # how many checks want their ``done_with``

    @property
    def newest(self) -> Snapshot | None:
        return self.kept[-1][0] if self.kept else None

    @property
    def oldest(self) -> Snapshot | None:
        return self.kept[0][0] if self.kept else None

    def create(self, last: EntryId, membership: Membership) -> "MemorySink":
        return MemorySink(self, last, membership)

    def keep(self, snapshot: Snapshot, data: bytes) -> None:
        self.kept = [*self.kept[-1:], (snapshot, data)]

    def blocks(self, snapshot: Snapshot) -> list[bytes]:
        data = {**self._parts, **dict(self.kept)}[snapshot]
        return msgspec.msgpack.decode(data, type=list[bytes])

    async def load(self, snapshot: Snapshot) -> AsyncGenerator[bytes, None]:
        for block in self.blocks(snapshot):
            await asyncio.sleep(0)
            yield block

    def check(self, snapshot: Snapshot) -> "Future[None]":
        data = dict(self.kept).get(snapshot)
        if data is None:
            return failed(FileNotFoundError("it was dropped"))
        if zlib.crc32(data) != snapshot.checksum:
            return failed(SnapshotDamaged("checksum"))
        self._open[snapshot] = data
        self.readers[snapshot] = self.readers.get(snapshot, 0) + 1
        return done(None)

    def read(self, snapshot: Snapshot, offset: int, size_bytes: int) -> "Future[bytes]":
        self._open |= {kept: data for kept, data in self.kept if kept == snapshot}
        return done(self._open[snapshot][offset : offset + size_bytes])

    def done_with(self, snapshot: Snapshot) -> None:
        left = self.readers.pop(snapshot, 0) - 1
        if left > 0:
            self.readers[snapshot] = left
        else:
            self._open.pop(snapshot, None)

    def received(self, snapshot: Snapshot) -> "Future[int]":
        return done(len(self._parts.get(snapshot, b"")))

    def receive(self, snapshot: Snapshot, offset: int, data: bytes) -> "Future[int]":
        if self.error is not None:
            return failed(self.error)
        part = self._parts.get(snapshot, b"")
        assert offset == len(part), "bytes continue those here"
        self._parts[snapshot] = part + data
        return done(offset + len(data))

    def complete(self, snapshot: Snapshot) -> "Future[None]":
        if zlib.crc32(self._parts[snapshot]) != snapshot.checksum:
            del self._parts[snapshot]
            return failed(SnapshotDamaged("checksum"))
        return done(None)

    def adopt(self, snapshot: Snapshot) -> "Future[None]":
        self.keep(snapshot, self._parts.pop(snapshot))
        return done(None)

    def discard(self, snapshot: Snapshot) -> "Future[None]":
        self._parts.pop(snapshot, None)
        return done(None)

    def distrust(self, snapshot: Snapshot) -> "Future[None]":
        self.kept = [(one, data) for one, data in self.kept if one != snapshot]
        return done(None)


class MemorySink:
    def __init__(self, store: MemorySnapshots, last: EntryId, membership: Membership) -> None:
        self._store = store
        self._last = last
        self._membership = membership
        self._blocks: list[bytes] = []

    def write(self, block: bytes) -> "Future[None]":
        if self._store.error is not None:
            return failed(self._store.error)
        self._blocks.append(block)
        return done(None)

    def finish(self) -> "Future[Snapshot]":
        data = msgspec.msgpack.encode(self._blocks)
        snapshot = Snapshot(self._last, self._membership, len(data), zlib.crc32(data))
        self._store.keep(snapshot, data)
        return done(snapshot)

    def abort(self) -> "Future[None]":
        self._blocks.clear()
        return done(None)
