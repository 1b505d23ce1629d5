"""Snapshots to test with, and stores on a disk in memory."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from kvorum.raft.membership import Membership
from kvorum.raft.snapshot import Snapshot
from kvorum.raft.types import EntryId, Index, NodeId, Term
from kvorum.storage.fs import FileSystem
from kvorum.storage.snapshots import Snapshots, open_snapshots
from kvorum.testing.memory_fs import MemoryFileSystem
from tests.unit.storage.inline_worker import InlineWorker

DATA = Path("/data")
SNAPSHOTS = DATA / "snapshots"
CLUSTER = "c1"
MEMBERSHIP = Membership((NodeId("localhost:8001"), NodeId("localhost:8002")))
BLOCKS = (b"first", b"s" * 700, b"third")


def at(index: int, *, term: int = 1) -> EntryId:
    return EntryId(Term(term), Index(index))


def new_fs() -> MemoryFileSystem:
    fs = MemoryFileSystem()
    fs.make_directory(DATA)
    return fs


def opened(fs: FileSystem, *, cluster_id: str = CLUSTER) -> Snapshots:
    return open_snapshots(fs, SNAPSHOTS, InlineWorker(), cluster_id)


async def taken(store: Snapshots, last: EntryId, blocks: Sequence[bytes] = BLOCKS) -> Snapshot:
    sink = store.create(last, MEMBERSHIP)
    for block in blocks:
        await sink.write(block)
    return await sink.finish()


async def blocks_of(store: Snapshots, snapshot: Snapshot) -> list[bytes]:
    return [block async for block in store.load(snapshot)]


async def file_of(store: Snapshots, snapshot: Snapshot) -> bytes:
    content = await store.read(snapshot, 0, snapshot.size_bytes)
    store.done_with(snapshot)
    return content


def a_snapshot(
    index: int, blocks: Sequence[bytes] = BLOCKS, *, term: int = 1, cluster_id: str = CLUSTER
) -> tuple[Snapshot, bytes]:
    """A snapshot of another node, and its file."""

    async def make() -> tuple[Snapshot, bytes]:
        store = opened(new_fs(), cluster_id=cluster_id)
        snapshot = await taken(store, at(index, term=term), blocks)
        return snapshot, await file_of(store, snapshot)

    return asyncio.run(make())


async def received(
    store: Snapshots, snapshot: Snapshot, content: bytes, *, chunk_bytes: int = 100
) -> int:
    """What is missing comes; how many bytes are here then."""
    here = await store.received(snapshot)
    while here < len(content):
        here = await store.receive(snapshot, here, content[here : here + chunk_bytes])
    return here


async def adopted(store: Snapshots, snapshot: Snapshot, content: bytes) -> None:
    """It comes from another node, and takes its place among those kept."""
    await received(store, snapshot, content)
    await store.complete(snapshot)
    await store.adopt(snapshot)


def snaps(fs: FileSystem) -> list[str]:
    """Names of all files in the directory."""
    return sorted(fs.names(SNAPSHOTS))
