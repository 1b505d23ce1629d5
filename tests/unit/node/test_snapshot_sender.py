"""Sending a snapshot to a follower, while what the core knows of it changes."""

from asyncio import Future

from prometheus_client import CollectorRegistry

from kvorum.node.snapshot_exchange import SnapshotSender
from kvorum.raft.membership import Membership
from kvorum.raft.ready import ChunkWanted
from kvorum.raft.snapshot import Snapshot
from kvorum.raft.types import Term
from kvorum.telemetry.metrics import MemberMetrics
from tests.support.memory_snapshots import MemorySnapshots, done
from tests.support.raft_cores import make_leader
from tests.unit.node.fakes import OTHER, SELF, RecordingPeers, eid

CONTENT = b"abc"
SNAPSHOT = Snapshot(eid(1, 9), Membership((SELF, OTHER)), len(CONTENT), 7)


class CheckedDuringATick(MemorySnapshots):
    """While a snapshot is read to check it, time passes."""

    sender: SnapshotSender

    def check(self, snapshot: Snapshot) -> "Future[None]":
        self.sender.look()
        return done(None)

    def read(self, snapshot: Snapshot, offset: int, size_bytes: int) -> "Future[bytes]":
        return done(CONTENT[offset : offset + size_bytes])

    def done_with(self, snapshot: Snapshot) -> None:
        pass


async def test_a_follower_that_is_gone_when_a_second_check_ends_stops_nobody() -> None:
    """It asked for the first bytes again, and was removed, or served, meanwhile."""
    store, peers = CheckedDuringATick(), RecordingPeers()
    sender = store.sender = SnapshotSender(
        make_leader(),  # sends nobody anything
        store=store,
        peers=peers,
        metrics=MemberMetrics(CollectorRegistry()).state,
        take_another=lambda: None,
    )
    chunk = ChunkWanted(OTHER, Term(1), SNAPSHOT, 0)
    await sender._send(chunk)
    await sender._send(chunk)
    assert len(peers.sent) == 2
