"""A snapshot from the leader meets the node's own ones: files on a disk in memory, real core."""

import asyncio
import errno
import logging
from asyncio import Future
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from kvorum.mvcc.command import Put, Stamp, encode_batch, encode_command
from kvorum.mvcc.state_machine import StateMachine
from kvorum.node.loading import load_state
from kvorum.node.member import core_options
from kvorum.node.snapshot_exchange import CHUNK_BYTES, RETRY_S, SnapshotCollector
from kvorum.raft.core import Core
from kvorum.raft.membership import Membership
from kvorum.raft.messages import AppendEntries, InstallSnapshot, InstallSnapshotResponse
from kvorum.raft.snapshot import Snapshot
from kvorum.raft.types import EntryId, HardState, Index, Term
from kvorum.storage.opening import Storage, open_storage
from kvorum.telemetry.state_metrics import StateMetrics
from kvorum.testing.memory_fs import MemoryFileSystem, no_fault
from tests.support.memory_snapshots import done
from tests.unit.node.fakes import OPTIONS, OTHER, SELF, THIRD, FakeClock, RecordingPeers
from tests.unit.storage.inline_worker import InlineWorker
from tests.unit.storage.logs import entry, flipped, state
from tests.unit.storage.snaps import a_snapshot, at, snaps, taken
from tests.unit.storage.test_opening import directory


def blocks_at(index: int) -> list[bytes]:
    """The state after so many entries."""
    frozen = machine_at(index).freeze()
    blocks = list(frozen.blocks())
    frozen.close()
    return blocks


def machine_at(index: int) -> StateMachine:
    machine = StateMachine()
    for number in range(1, index + 1):
        put = encode_command(Put(f"r{number}", b"k", b"1", 0))
        machine.apply(number, encode_batch([put], Stamp(1, 1000, 10)))
    return machine


def of_next_release(index: int) -> tuple[Snapshot, bytes]:
    """Sound as a file; its state is of a version that this release cannot read."""
    first, *rest = blocks_at(index)
    return a_snapshot(index, [bytes((4,)) + first[1:], *rest])


READABLE = a_snapshot(250, blocks_at(250))
UNREADABLE = [of_next_release(200), of_next_release(300)]


async def opened(fs: MemoryFileSystem) -> Storage[StateMachine]:
    data, worker = directory(fs), InlineWorker()
    try:
        return await open_storage(
            fs,
            data,
            load_state,
            log_worker=worker,
            snapshot_worker=worker,
            segment_bytes=2048,
        )
    finally:
        data.close()


async def take(storage: Storage[StateMachine], index: int) -> None:
    await taken(storage.snapshots, at(index), blocks_at(index))
    if storage.snapshots.oldest is not None:
        await storage.log.release(storage.snapshots.oldest.last.index)


async def with_own_snapshots(fs: MemoryFileSystem) -> Storage[StateMachine]:
    """60 entries, snapshots at 20 and 40, and the log from the older one on."""
    storage = await opened(fs)
    for index in range(1, 61):
        await storage.log.append(state(1, "n", index), [entry(index, data=b"d" * 200)])
        if index in {20, 40}:
            await take(storage, index)
    return storage


class Bench:
    """A collector whose node has applied 60 entries and follows ``OTHER``."""

    def __init__(self, storage: Storage[StateMachine]) -> None:
        self.store = storage.snapshots
        self.clock = FakeClock()
        self.peers = RecordingPeers()
        self.registry = CollectorRegistry()
        self.installed: list[tuple[Snapshot, list[Snapshot]]] = []  # and what was kept then
        self.core = Core(
            core_options(OPTIONS),
            Membership((SELF, OTHER, THIRD)),
            lambda low, _: low,
            HardState(Term(1), None, Index(60)),
            [entry(index) for index in range(1, 61)],
        )
        self.collector = SnapshotCollector(
            self.core,
            machine_at(60),
            store=self.store,
            peers=self.peers,
            clock=self.clock,
            metrics=StateMetrics(self.registry),
            install=self._install,
            freezing=asyncio.Lock(),
        )

    def _install(self, snapshot: Snapshot, _machine: StateMachine) -> "Future[None]":
        self.installed.append((snapshot, list(self.store.kept)))
        return done(None)

    @property
    def failures(self) -> float:
        return self.registry.get_sample_value("kvorum_snapshot_failures_total") or 0.0

    async def send(self, snapshot: Snapshot, content: bytes) -> list[int]:
        """As a leader does that sends what the answers ask for; the answers."""
        offset, answers = 0, []
        while True:
            data = content[offset : offset + CHUNK_BYTES]
            await self.collector._store_chunk(
                InstallSnapshot(
                    to=SELF, sender=OTHER, term=Term(1), snapshot=snapshot, offset=offset, data=data
                )
            )
            told = [
                one.offset for one in self.peers.take() if isinstance(one, InstallSnapshotResponse)
            ]
            answers += told
            if not told or told[-1] in {0, len(content)}:
                return answers
            offset = told[-1]


async def test_one_that_cannot_be_loaded_takes_no_own_ones_place() -> None:
    """Two of them would leave nothing to start from."""
    fs = MemoryFileSystem()
    storage = await with_own_snapshots(fs)
    own = list(storage.snapshots.kept)
    bench = Bench(storage)
    for snapshot, content in UNREADABLE:
        assert await bench.send(snapshot, content) == [len(content)]
        bench.clock.advance(RETRY_S)
    assert (bench.installed, bench.failures) == ([], 2)
    assert list(storage.snapshots.kept) == own
    await take(storage, 60)
    assert [one.last.index for one in storage.snapshots.kept] == [40, 60], "its own go on"
    await storage.close()
    again = await opened(fs)
    assert again.snapshot is not None
    assert (again.snapshot.last, again.warnings) == (at(60), [])
    await again.close()


async def test_one_that_cannot_be_loaded_is_told_of_once_and_sent_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    [(snapshot, content), _] = UNREADABLE
    bench = Bench(await with_own_snapshots(MemoryFileSystem()))
    with caplog.at_level(logging.ERROR, "kvorum.node"):
        for _ in range(5):
            assert await bench.send(snapshot, content) == [len(content)], "no bytes are missing"
            bench.clock.advance(RETRY_S)
    [record] = caplog.records
    assert "cannot be loaded" in record.message
    assert "version 4: this release reads version 3" in str(vars(record)["why"])
    assert (bench.failures, bench.installed) == (1, [])


async def test_after_one_that_cannot_be_loaded_others_wait_a_while() -> None:
    """A busy leader takes a snapshot every few seconds; each may be large."""
    bench = Bench(await with_own_snapshots(MemoryFileSystem()))
    await bench.send(*UNREADABLE[0])
    assert await bench.send(*READABLE) == []
    assert bench.installed == []
    bench.clock.advance(RETRY_S)
    await bench.send(*READABLE)
    assert [snapshot for snapshot, _ in bench.installed] == [READABLE[0]]


async def test_the_next_release_finds_what_was_sent_to_this_one() -> None:
    """It need not be sent again after the upgrade."""
    fs = MemoryFileSystem()
    storage = await with_own_snapshots(fs)
    await Bench(storage).send(*UNREADABLE[0])
    await storage.close()
    again = await opened(fs)
    snapshot, content = UNREADABLE[0]
    assert await again.snapshots.received(snapshot) == len(content)
    await again.close()


async def test_one_that_was_loaded_is_kept_before_it_is_installed() -> None:
    """Durable first: the log will begin behind it."""
    bench = Bench(await with_own_snapshots(MemoryFileSystem()))
    await bench.send(*READABLE)
    [(snapshot, kept)] = bench.installed
    assert snapshot == READABLE[0]
    assert [one.last.index for one in kept] == [40, 250]
    assert bench.failures == 0


async def test_one_that_the_log_overtook_while_it_was_loaded_is_dropped() -> None:
    fs = MemoryFileSystem()
    storage = await with_own_snapshots(fs)
    own = snaps(fs)
    bench = Bench(storage)
    snapshot, content = READABLE
    missed = tuple(entry(index) for index in range(61, 252))
    bench.core.step(
        AppendEntries(
            to=SELF,
            sender=OTHER,
            term=Term(1),
            prev=EntryId(Term(1), Index(60)),
            entries=missed,
            commit=Index(251),
            round=0,
        )
    )
    await bench.send(snapshot, content)
    assert (bench.installed, snaps(fs)) == ([], own)


async def test_bytes_that_change_after_they_were_verified_are_fetched_anew() -> None:
    fs = MemoryFileSystem()
    bench = Bench(await with_own_snapshots(fs))
    snapshot, content = READABLE
    opens: list[Path] = []

    def rot(operation: str, path: Path) -> None:
        if operation == "open" and path.suffix == ".part":
            opens.append(path)
            if len(opens) == 2:  # it was verified, and is loaded
                fs.replace(path, flipped(content, len(content) // 2))

    fs.fault = rot
    assert await bench.send(snapshot, content) == [0]
    assert (bench.installed, bench.failures) == ([], 1)
    await bench.send(snapshot, content)
    assert [snapshot for snapshot, _ in bench.installed] == [snapshot]


async def test_one_that_cannot_get_its_name_is_taken_over_later() -> None:
    fs = MemoryFileSystem()
    bench = Bench(await with_own_snapshots(fs))

    def fail(operation: str, path: Path) -> None:
        if operation == "rename":
            raise OSError(errno.EIO, "EIO", str(path))

    fs.fault = fail
    assert await bench.send(*READABLE) == []
    assert (bench.installed, bench.failures) == ([], 1)
    fs.fault = no_fault
    await bench.send(*READABLE)
    assert [snapshot for snapshot, _ in bench.installed] == [READABLE[0]]


async def test_a_full_disk_is_told_of_now_and_then_and_counted_each_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The leader sends again several times a second."""
    fs = MemoryFileSystem()
    bench = Bench(await with_own_snapshots(fs))

    def fail(operation: str, path: Path) -> None:
        if operation == "write":
            raise OSError(errno.ENOSPC, "No space left on device", str(path))

    fs.fault = fail
    with caplog.at_level(logging.ERROR, "kvorum.node"):
        for _ in range(10):
            assert await bench.send(*READABLE) == []
            bench.clock.advance(RETRY_S / 8)
    assert bench.failures == 10
    assert len(caplog.records) == 2
    fs.fault = no_fault
    await bench.send(*READABLE)
    assert [snapshot for snapshot, _ in bench.installed] == [READABLE[0]]
