"""Whole nodes in one event loop: real drivers over a model network and model disks.

A disk survives the crash of its node and loses what was not yet durable. A message
in flight is lost with the incarnation that it was sent to, as with a connection.
Made for a :class:`~tests.support.virtual_time.VirtualTimeLoop`; then a seed decides
everything.
"""

import asyncio
from asyncio import AbstractEventLoop, Event, Future, Task
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from random import Random

import msgspec
from prometheus_client import CollectorRegistry

from kvorum.app.options import core_options
from kvorum.mvcc.state_machine import StateMachine
from kvorum.node.applier import Applier
from kvorum.node.driver import Driver
from kvorum.node.leadership import LeadershipWatch
from kvorum.node.log_time import LogTime
from kvorum.node.observer import NodeObserver
from kvorum.node.options import INCARNATION_BITS, NodeOptions
from kvorum.node.proposals import Proposals
from kvorum.node.reads import Reads
from kvorum.node.service import KvService
from kvorum.raft.core import Core
from kvorum.raft.membership import Membership
from kvorum.raft.messages import Message
from kvorum.raft.types import Entry, HardState, Index, NodeId
from kvorum.telemetry.metrics import RaftMetrics

Wanted = Callable[[Message], bool]

OPTIONS = NodeOptions(
    node_id="",
    cluster_id="cluster",
    address=NodeId(""),
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
    key_bytes_max=1024,
    value_bytes_max=1 << 20,
)


def _every(_message: Message) -> bool:
    return True


class LoopClock:
    """The loop's time."""

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._loop = loop

    def monotonic_s(self) -> float:
        return self._loop.time()


class Disk:
    """What is durable on one machine."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.hard_state = HardState()
        self.entries: list[Entry] = []
        self.sync_s = (0.0001, 0.001)

    def log(self) -> "DiskLog":
        """For one incarnation of the node."""
        return DiskLog(self)

    def delay_s(self) -> float:
        return self._random.uniform(*self.sync_s)

    def store(self, hard_state: HardState | None, entries: Sequence[Entry]) -> None:
        if entries:
            first = entries[0].index
            assert first <= len(self.entries) + 1, "a log has no gaps"
            del self.entries[first - 1 :]
            self.entries.extend(entries)
        if hard_state is not None:
            assert hard_state.term >= self.hard_state.term, "terms never go back"
            self.hard_state = hard_state


class DiskLog:
    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._alive = True
        self._busy = False

    def append(self, hard_state: HardState | None, entries: Sequence[Entry]) -> "Future[None]":
        assert not self._busy, "one append at a time"
        self._busy = True
        loop = asyncio.get_running_loop()
        future: Future[None] = loop.create_future()

        def durable() -> None:
            if self._alive:
                self._busy = False
                self._disk.store(hard_state, entries)
                future.set_result(None)

        loop.call_later(self._disk.delay_s(), durable)
        return future

    def crash(self) -> None:
        """What is not durable yet is lost."""
        self._alive = False


class Network:
    """Messages in order on each link, after a random delay, or not at all."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._members: dict[NodeId, Driver] = {}
        self._arrivals_s: dict[tuple[NodeId, NodeId], float] = {}
        self._cut: set[tuple[NodeId, NodeId]] = set()
        self._holding: Wanted | None = None
        self.held: list[Message] = []
        self.delay_s = (0.0002, 0.002)
        self.loss = 0.0

    def join(self, node: NodeId, driver: Driver) -> None:
        self._members[node] = driver

    def leave(self, node: NodeId) -> None:
        del self._members[node]

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
            loop.call_at(at_s, self._arrive, message, receiver)

    def _arrive(self, message: Message, receiver: Driver) -> None:
        cut = (message.sender, message.to) in self._cut
        if not cut and self._members.get(message.to) is receiver:
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
        name: str,
    ) -> None:
        loop, wake = asyncio.get_running_loop(), Event()
        clock = LoopClock(loop)
        log_time = LogTime(clock)
        self.id, self.log, self.machine = options.address, disk.log(), StateMachine()
        self.core = Core(
            core_options(options), membership, random.randint, disk.hard_state, disk.entries
        )
        metrics = RaftMetrics(CollectorRegistry())
        self.leadership = LeadershipWatch(options, clock)
        self.proposals = Proposals(options, clock, self.leadership, metrics, wake.set)
        self.reads = Reads(options, clock, self.leadership, metrics, wake.set)
        self.driver = Driver(
            options,
            self.core,
            log=self.log,
            peers=network,
            applier=Applier(self.machine, self.proposals, log_time),
            proposals=self.proposals,
            reads=self.reads,
            leadership=self.leadership,
            observer=NodeObserver(metrics, str),
            clock=clock,
            log_time=log_time,
            wake=wake,
        )
        self.service = KvService(
            options,
            self.core,
            self.machine,
            proposals=self.proposals,
            reads=self.reads,
            leadership=self.leadership,
            name_of=str,
            request_id_prefix=name,
        )
        self.task: Task[None] = loop.create_task(self.driver.run(), name=f"driver {self.id}")

    @property
    def applied(self) -> Index:
        return Index(self.machine.applied_index)


class NodeCluster:
    def __init__(self, size: int, *, seed: int = 0, **changes: object) -> None:
        """``changes`` are of :data:`OPTIONS`, for every node."""
        self.random = Random(seed)
        self.ids = tuple(NodeId(f"n{number}") for number in range(1, size + 1))
        self.network = Network(self.random)
        self.disks = {node: Disk(self.random) for node in self.ids}
        self.running: dict[NodeId, RunningNode] = {}
        self.options = msgspec.structs.replace(OPTIONS, **changes)
        self._incarnations = 0

    def __getitem__(self, node: NodeId) -> RunningNode:
        return self.running[node]

    # --- machines ----------------------------------------------------------------------

    def start(self, *nodes: NodeId) -> None:
        for node in nodes or self.ids:
            assert node not in self.running, f"{node} runs already"
            self._incarnations += 1
            running = self.running[node] = RunningNode(
                msgspec.structs.replace(
                    self.options,
                    address=node,
                    node_id=node,
                    incarnation=self.random.getrandbits(INCARNATION_BITS),
                ),
                Membership(self.ids),
                self.disks[node],
                self.network,
                random=self.random,
                name=f"{node}-{self._incarnations}",
            )
            self.network.join(node, running.driver)

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
        return [node for node in self.ids if node not in nodes]

    async def level(self) -> None:
        """Wait until all that run have applied the same entries, to the end of their logs."""

        def is_level() -> bool:
            ends = {node.core.state.log.last for node in self.running.values()}
            applied = {node.applied for node in self.running.values()}
            return len(ends) == 1 and applied == {next(iter(ends)).index}

        await self.until(is_level)


@asynccontextmanager
async def cluster_of(size: int, *, seed: int = 0, **changes: object) -> AsyncIterator[NodeCluster]:
    """A running cluster; at the end no driver may have failed."""
    cluster = NodeCluster(size, seed=seed, **changes)
    cluster.start()
    try:
        yield cluster
        cluster.check()
    finally:
        for running in cluster.running.values():
            running.task.cancel()
        await asyncio.wait([running.task for running in cluster.running.values()])
