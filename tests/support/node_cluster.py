"""Whole nodes in one event loop: real drivers over a model network and model disks.

A disk survives the crash of its node and loses what was not yet durable. A message
in flight is lost with the incarnation that it was sent to, as with a connection.
Made for a :class:`~tests.support.virtual_time.VirtualTimeLoop`; then a seed decides
everything.
"""

import asyncio
from asyncio import AbstractEventLoop, Future, Task
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from random import Random

import msgspec
from prometheus_client import CollectorRegistry

from kvorum.mvcc.restore import Restore
from kvorum.mvcc.state_machine import StateMachine
from kvorum.node.loading import Origin
from kvorum.node.member import Member, Ports
from kvorum.node.options import INCARNATION_BITS, NodeOptions
from kvorum.node.samples import show_member
from kvorum.node.tracing.hub import NodeTracing
from kvorum.raft.membership import NOBODY, Membership
from kvorum.raft.messages import Message
from kvorum.raft.types import ORIGIN, Entry, EntryId, HardState, Index, NodeId
from kvorum.telemetry.metrics import MemberMetrics
from kvorum.telemetry.spans import Spans, TraceNote
from tests.support.memory_snapshots import MemorySnapshots, done

Wanted = Callable[[Message], bool]

OPTIONS = NodeOptions(
    node_id="",
    cluster_id="cluster",
    member=NodeId(""),
    uid="",
    incarnation=0,
    internal_key=b"_executed",
    tick_s=0.005,
    heartbeat_ticks=4,
    election_ticks_min=20,
    election_ticks_max=40,
    request_timeout_s=2.0,
    pending_writes_max=1000,
    pending_bytes_max=8 << 20,
    pending_reads_max=1000,
    outcomes_count_max=100_000,
    outcomes_age_s_max=3600,
    history_revisions_max=10_000,
    history_age_s_max=3600,
    history_bytes_max=8 << 20,
    quota_bytes=64 << 20,
    lease_checkpoint_s=0.5,
    watchers_max=1000,
    watch_buffer_events_max=1000,
    key_bytes_max=1024,
    value_bytes_max=1 << 20,
    snapshot_entries=100_000,
    snapshot_bytes=64 << 20,
    snapshot_keep_entries=100,
    state_check_interval_s=0.5,
)


def _every(_message: Message) -> bool:
    return True


class LoopClock:
    """The loop's time; a node whose clock is ahead has slept through the difference."""

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._loop = loop
        self.ahead_s = 0.0

    def monotonic_s(self) -> float:
        return self._loop.time() + self.ahead_s


class Disk:
    """What is durable on one machine."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.uid = f"{random.getrandbits(64):016x}"
        self.snapshots = MemorySnapshots()
        self.hard_state = HardState()
        self.base = ORIGIN
        self.entries: list[Entry] = []  # behind base
        self.sync_s = (0.0001, 0.001)

    def log(self) -> "DiskLog":
        """For one incarnation of the node."""
        return DiskLog(self)

    def delay_s(self) -> float:
        return self._random.uniform(*self.sync_s)

    def store(
        self, hard_state: HardState | None, entries: Sequence[Entry], base: EntryId | None
    ) -> None:
        if base is not None:
            self.base, self.entries = base, []
        if entries:
            at = entries[0].index - self.base.index - 1
            assert 0 <= at <= len(self.entries), "a log has no gaps"
            del self.entries[at:]
            self.entries.extend(entries)
        if hard_state is not None:
            assert hard_state.term >= self.hard_state.term, "terms never go back"
            self.hard_state = hard_state

    def release(self, index: Index) -> None:
        drop = index - self.base.index
        if 0 < drop <= len(self.entries):
            self.base = self.entries[drop - 1].id
            del self.entries[:drop]

    def origin(self, bootstrap: Membership) -> Origin:
        """What a node finds that starts from this disk."""
        snapshot = self.snapshots.newest
        if snapshot is None:
            return Origin(bootstrap, StateMachine(), self.hard_state, list(self.entries))
        restore = Restore()
        for block in self.snapshots.blocks(snapshot):
            restore.add(block)
        # Installed, but the log did not say so yet: then it is void.
        follows = snapshot.last == self.base or snapshot.last in [e.id for e in self.entries]
        entries = [e for e in self.entries if e.index > snapshot.last.index] if follows else []
        return Origin(
            snapshot.membership, restore.finish(), self.hard_state, entries, snapshot.last
        )


class DiskLog:
    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._alive = True
        self._busy = False

    def append(
        self, hard_state: HardState | None, entries: Sequence[Entry], base: EntryId | None = None
    ) -> "Future[None]":
        assert not self._busy, "one append at a time"
        self._busy = True
        loop = asyncio.get_running_loop()
        future: Future[None] = loop.create_future()

        def durable() -> None:
            if self._alive:
                self._busy = False
                self._disk.store(hard_state, entries, base)
                future.set_result(None)

        loop.call_later(self._disk.delay_s(), durable)
        return future

    def release(self, index: Index) -> "Future[None]":
        self._disk.release(index)
        return done(None)

    def crash(self) -> None:
        """What is not durable yet is lost."""
        self._alive = False


class Network:
    """Messages in order on each link, after a random delay, or not at all."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._members: dict[NodeId, Member] = {}
        self.traces: dict[NodeId, NodeTracing] = {}
        self._arrivals_s: dict[tuple[NodeId, NodeId], float] = {}
        self._cut: set[tuple[NodeId, NodeId]] = set()
        self._holding: Wanted | None = None
        self.held: list[Message] = []
        self.delay_s = (0.0002, 0.002)
        self.loss = 0.0

    def join(self, node: NodeId, member: Member) -> None:
        self._members[node] = member

    def leave(self, node: NodeId) -> None:
        del self._members[node]

    def set_members(self, index: Index, members: Sequence[NodeId]) -> None:
        """Everyone is reachable, members or not."""

    # --- faults ------------------------------------------------------------------------

    def cut(self, sender: NodeId, receiver: NodeId) -> None:
        """Messages in this direction are lost from now on."""
        self._cut.add((sender, receiver))

    def isolate(self, nodes: Collection[NodeId], others: Collection[NodeId]) -> None:
        """No message passes between the two groups."""
        for node in nodes:
            for other in others:
                self.cut(node, other)
                self.cut(other, node)

    def heal(self) -> None:
        self._cut.clear()

    def hold(self, wanted: Wanted) -> None:
        """Such messages wait until :meth:`release`."""
        self._holding = wanted

    def release(self, wanted: Wanted | None = None) -> None:
        """Let held messages go: all, and hold no more, or only such as are ``wanted``."""
        if wanted is None:
            wanted, self._holding = _every, None
        released = [message for message in self.held if wanted(message)]
        self.held = [message for message in self.held if not wanted(message)]
        self._transmit(released)

    def drop_held(self) -> None:
        """The connections that held messages wait on are gone."""
        self.held = []

    # --- delivery ----------------------------------------------------------------------

    def send(self, messages: Sequence[Message]) -> None:
        holding = self._holding
        if holding is not None:
            self.held += [message for message in messages if holding(message)]
            messages = [message for message in messages if not holding(message)]
        self._transmit(messages)

    def _transmit(self, messages: Sequence[Message]) -> None:
        loop = asyncio.get_running_loop()
        for message in messages:
            link = (message.sender, message.to)
            receiver = self._members.get(message.to)
            if receiver is None or link in self._cut or self._random.random() < self.loss:
                continue
            at_s = loop.time() + self._random.uniform(*self.delay_s)
            at_s = max(at_s, self._arrivals_s.get(link, 0.0) + 1e-6)
            self._arrivals_s[link] = at_s
            loop.call_at(at_s, self._arrive, message, receiver, self._notes_of(message))

    def _notes_of(self, message: Message) -> Sequence[TraceNote]:
        traces = self.traces.get(message.sender)
        return () if traces is None else traces.outgoing(message.to, (message,))

    def _arrive(self, message: Message, receiver: Member, notes: Sequence[TraceNote]) -> None:
        cut = (message.sender, message.to) in self._cut
        if not cut and self._members.get(message.to) is receiver:
            if notes:
                self.traces[message.to].incoming(message.sender, notes)
            receiver.deliver([message])


class RunningNode:
    """One incarnation of a member."""

    def __init__(
        self,
        options: NodeOptions,
        membership: Membership,
        disk: Disk,
        network: Network,
        *,
        random: Random,
        tracing: NodeTracing | None = None,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.id, self.log, self.clock = options.member, disk.log(), LoopClock(loop)
        self.member = Member(
            options,
            disk.origin(membership),
            Ports(
                log=self.log,
                snapshots=disk.snapshots,
                peers=network,
                clock=self.clock,
                random_ticks=random.randint,
                name_of=str,
                tracing=tracing,
            ),
            metrics := MemberMetrics(registry := CollectorRegistry()),
        )
        show_member(self.member, metrics, str)
        member, self._registry = self.member, registry
        self.core, self.machine, self.driver = member.core, member.machine, member.driver
        self.leadership, self.service = member.leadership, member.service
        self.proposals, self.reads = member.proposals, member.reads
        self.task: Task[None] = loop.create_task(member.run(), name=f"member {self.id}")

    def counted(self, name: str) -> float:
        """A metric without labels."""
        return self._registry.get_sample_value(name) or 0.0

    def sample(self, name: str, **labels: str) -> float | None:
        """What a scrape would show."""
        return self._registry.get_sample_value(name, labels)

    @property
    def applied(self) -> Index:
        return Index(self.machine.applied_index)


class NodeCluster:
    def __init__(
        self,
        size: int,
        spans_of: Callable[[NodeId], Spans] | None = None,
        /,
        *,
        seed: int = 0,
        **changes: object,
    ) -> None:
        """``changes`` are of :data:`OPTIONS`, for every node; ``spans_of``: nodes that trace."""
        self.random = Random(seed)
        self.ids = tuple(NodeId(f"n{number}") for number in range(1, size + 1))
        self.network = Network(self.random)
        self.disks = {node: Disk(self.random) for node in self.ids}
        self.running: dict[NodeId, RunningNode] = {}
        self._spans_of = spans_of
        self.options = msgspec.structs.replace(OPTIONS, **changes)

    def __getitem__(self, node: NodeId) -> RunningNode:
        return self.running[node]

    # --- machines ----------------------------------------------------------------------

    def join(self, node: NodeId) -> None:
        """Start a new machine that was told to join under this id."""
        self.disks[node] = Disk(self.random)
        self.start(node)

    def start(self, *nodes: NodeId) -> None:
        for node in nodes or self.ids:
            assert node not in self.running, f"{node} runs already"
            if self._spans_of is not None:
                self.network.traces[node] = NodeTracing(self._spans_of(node), str)
            running = self.running[node] = RunningNode(
                msgspec.structs.replace(
                    self.options,
                    member=node,
                    uid=self.disks[node].uid,
                    node_id=node,
                    incarnation=self.random.getrandbits(INCARNATION_BITS),
                ),
                Membership(self.ids) if node in self.ids else NOBODY,
                self.disks[node],
                self.network,
                random=self.random,
                tracing=self.network.traces.get(node),
            )
            self.network.join(node, running.member)

    async def crash(self, *nodes: NodeId) -> None:
        """Nothing more is sent, written or applied; waiting clients are told what is known."""
        for node in nodes:
            self.network.leave(node)
            running = self.running.pop(node)
            running.log.crash()
            running.task.cancel()
            await asyncio.wait([running.task])
            if not running.task.cancelled():
                await running.task  # it had failed before

    # --- looking -----------------------------------------------------------------------

    def check(self) -> None:
        """Raise what ended a driver."""
        for running in self.running.values():
            if running.task.done():
                running.task.result()

    async def until(self, condition: Callable[[], object], timeout_s: float = 10.0) -> None:
        """Wait for a condition; fails when it takes too long or when a driver ends."""
        async with asyncio.timeout(timeout_s):
            while not condition():
                self.check()
                await asyncio.sleep(0.001)

    def agreed_leader(self, among: Collection[NodeId] = ()) -> NodeId | None:
        """The leader that all of ``among`` (default: all that run) follow."""
        nodes = [self.running[node] for node in among or self.running]
        leaders = {node.leadership.leader for node in nodes}
        [leader] = leaders if len(leaders) == 1 else [None]
        return leader if leader in {node.id for node in nodes} else None

    async def leader(self, among: Collection[NodeId] = ()) -> NodeId:
        await self.until(lambda: self.agreed_leader(among))
        leader = self.agreed_leader(among)
        assert leader is not None
        return leader

    def others(self, *nodes: NodeId) -> list[NodeId]:
        """Of those there at the beginning."""
        return [node for node in self.ids if node not in nodes]

    async def level(self) -> None:
        """Wait until all that run have applied the same entries, to the end of their logs."""

        def is_level() -> bool:
            ends = {node.core.state.log.last for node in self.running.values()}
            applied = {node.applied for node in self.running.values()}
            return len(ends) == 1 and applied == {next(iter(ends)).index}

        await self.until(is_level)


@asynccontextmanager
async def cluster_of(
    size: int,
    spans_of: Callable[[NodeId], Spans] | None = None,
    /,
    *,
    seed: int = 0,
    **changes: object,
) -> AsyncIterator[NodeCluster]:
    """A running cluster; at the end no driver may have failed."""
    cluster = NodeCluster(size, spans_of, seed=seed, **changes)
    cluster.start()
    try:
        yield cluster
        cluster.check()
    finally:
        for running in cluster.running.values():
            running.task.cancel()
        await asyncio.wait([running.task for running in cluster.running.values()])
