"""Stand-ins for what a node needs from outside, and its parts put together by hand.

Time moves when a test says so, a write is durable when a test says so, and messages
to peers are only recorded.
"""

import asyncio
from asyncio import Future
from collections.abc import Callable, Sequence
from itertools import pairwise

import msgspec
from prometheus_client import CollectorRegistry

from kvorum.mvcc.command import Put, Stamp, encode_batch, encode_command
from kvorum.mvcc.members import Introduction
from kvorum.mvcc.outcome import Outcome, Status
from kvorum.mvcc.state_machine import StateMachine
from kvorum.node.gathering import Gathering
from kvorum.node.leadership import LeadershipWatch
from kvorum.node.options import NodeOptions
from kvorum.node.proposals import Proposals
from kvorum.node.reads import Reads
from kvorum.raft.messages import Message
from kvorum.raft.types import Entry, EntryId, EntryKind, HardState, Index, NodeId, Term
from kvorum.telemetry.raft_metrics import RaftMetrics
from tests.support.memory_snapshots import done

SELF, OTHER, THIRD = NodeId("a:1"), NodeId("b:1"), NodeId("c:1")
STAMP = Stamp(1_000, 100, 60)

OPTIONS = NodeOptions(
    node_id="Node-1",
    cluster_id="cluster",
    member=SELF,
    uid="uid-1",
    incarnation=0,
    internal_key=b"_executed",
    tick_s=0.01,
    heartbeat_ticks=10,
    election_ticks_min=50,
    election_ticks_max=70,
    request_timeout_s=5.0,
    pending_writes_max=4096,
    pending_bytes_max=64 << 20,
    pending_reads_max=100,
    outcomes_count_max=1000,
    outcomes_age_s_max=3600,
    history_revisions_max=10_000,
    history_age_s_max=3600,
    history_bytes_max=8 << 20,
    quota_bytes=64 << 20,
    lease_checkpoint_s=0.5,
    watchers_max=1000,
    watch_buffer_events_max=1000,
    key_bytes_max=16,
    value_bytes_max=1 << 20,
    snapshot_entries=1_000_000,
    snapshot_bytes=1 << 40,
    snapshot_keep_entries=0,
    state_check_interval_s=0.0,
)


def options(**changes: object) -> NodeOptions:
    """The usual options with ``changes``."""
    return msgspec.structs.replace(OPTIONS, **changes)


class FakeClock:
    """Time that stands still until it is advanced."""

    def __init__(self) -> None:
        self._now_s = 1000.0

    def monotonic_s(self) -> float:
        return self._now_s

    def advance(self, seconds: float) -> None:
        self._now_s += seconds


class ManualLog:
    """A disk whose writes end when the test says so."""

    def __init__(self) -> None:
        self.writes: list[tuple[HardState | None, tuple[Entry, ...]]] = []
        self.bases: list[EntryId] = []
        self.released: list[Index] = []
        self.future: Future[None] | None = None

    def append(
        self, hard_state: HardState | None, entries: Sequence[Entry], base: EntryId | None = None
    ) -> "Future[None]":
        assert self.future is None, "one append at a time"
        self.writes.append((hard_state, tuple(entries)))
        if base is not None:
            self.bases.append(base)
        self.future = asyncio.get_running_loop().create_future()
        return self.future

    def release(self, index: Index) -> "Future[None]":
        self.released.append(index)
        return done(None)

    @property
    def busy(self) -> bool:
        return self.future is not None

    def complete(self) -> None:
        """The write that is out becomes durable."""
        assert self.future is not None
        self.future.set_result(None)
        self.future = None

    def fail(self, error: Exception) -> None:
        assert self.future is not None
        self.future.set_exception(error)
        self.future = None


class FakeTimers:
    """Timers that a test lets run out."""

    def __init__(self) -> None:
        self.running: list[FakeTimer] = []

    def later(self, delay_s: float, step: Callable[[], None]) -> "FakeTimer":
        self.running.append(FakeTimer(self, delay_s, step))
        return self.running[-1]

    def run_out(self) -> None:
        for timer in list(self.running):
            timer.cancel()
            timer.step()


class FakeTimer:
    def __init__(self, timers: FakeTimers, delay_s: float, step: Callable[[], None]) -> None:
        self._timers = timers
        self.delay_s = delay_s
        self.step = step

    def cancel(self) -> None:
        self._timers.running.remove(self)


class RecordingPeers:
    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.members: list[tuple[Index, tuple[NodeId, ...]]] = []

    def send(self, messages: Sequence[Message]) -> None:
        self.sent += messages

    def set_members(self, index: Index, members: Sequence[NodeId]) -> None:
        self.members.append((index, tuple(members)))

    def take(self) -> list[Message]:
        taken, self.sent = self.sent, []
        return taken


class Bench:
    """Proposals and reads with a clock, a leader of the test's choice and a counter of wakes."""

    def __init__(self, node_options: NodeOptions = OPTIONS) -> None:
        self.options = node_options
        self.clock = FakeClock()
        self.registry = CollectorRegistry()
        self.leadership = LeadershipWatch(node_options, self.clock)
        self.leadership.report(OTHER)
        metrics = RaftMetrics(self.registry)
        self.wakes = 0
        self.proposals = Proposals(node_options, self.clock, self.leadership, metrics, self._wake)
        self.timers = FakeTimers()
        self.reads = Reads(
            node_options,
            self.clock,
            self.leadership,
            metrics,
            Gathering(self.timers.later, self._wake),
        )

    def _wake(self) -> None:
        self.wakes += 1

    def failed(self, reason: str) -> float:
        name = "kvorum_proposals_failed_total"
        return self.registry.get_sample_value(name, {"reason": reason}) or 0.0

    def committed(self) -> float:
        return self.registry.get_sample_value("kvorum_proposals_committed_total") or 0.0

    def lose_hope(self) -> None:
        """No leader for longer than the grace."""
        self.leadership.report(None)
        self.clock.advance(self.options.leaderless_grace_s + 0.001)


def introduced() -> StateMachine:
    """An empty state that knows this node, so that it need not introduce itself."""
    machine = StateMachine()
    machine._members.introduce(SELF, Introduction(OPTIONS.uid, OPTIONS.node_id))
    return machine


def put_command(request_id: str, value: bytes = b"1") -> bytes:
    return encode_command(Put(request_id, b"k", value))


def batch(*request_ids: str) -> bytes:
    """An entry's data: one write per id."""
    return encode_batch([put_command(request_id) for request_id in request_ids], STAMP)


def outcome(request_id: str, revision: int = 1) -> Outcome:
    return Outcome(request_id, Status.SUCCESS, "success", revision, 0)


def entry(term: int, index: int, data: bytes = b"") -> Entry:
    kind = EntryKind.COMMANDS if data else EntryKind.NOOP
    return Entry(Term(term), Index(index), kind, data)


def eid(term: int, index: int) -> EntryId:
    return EntryId(Term(term), Index(index))


async def settle(turns: int = 10) -> None:
    """Let everything that is ready on the loop run, ``turns`` times over."""
    for _ in range(turns):
        await asyncio.sleep(0)


def ascending(numbers: Sequence[int]) -> bool:
    return all(a < b for a, b in pairwise(numbers))
