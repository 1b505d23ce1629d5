"""One machine of a simulated cluster, and the node that runs on it: the real one.

Everything but network, disk and clock is what the process runs: recovery, log, snapshot files
and :class:`~kvorum.node.member.Member`.
"""

import asyncio
from asyncio import Future, Task
from collections.abc import Callable, Sequence
from contextvars import copy_context
from random import Random

from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from kvorum.mvcc.state_machine import StateMachine
from kvorum.node.loading import Origin
from kvorum.node.member import Member, Ports
from kvorum.node.options import INCARNATION_BITS, NodeOptions
from kvorum.node.ports import LogStore
from kvorum.node.service import KvService
from kvorum.raft.core import Core
from kvorum.raft.types import Entry, EntryId, HardState, Index, NodeId
from kvorum.storage.data_dir import Identity
from kvorum.telemetry.metrics import MemberMetrics
from kvorum.testing.checks import Durable, Invariants
from kvorum.testing.sim_boot import Booted, Tenant, boot, durable_on
from kvorum.testing.sim_clock import LoopClock, SkewedClock
from kvorum.testing.sim_disk import SimulatedDisk
from kvorum.testing.sim_network import SimulatedNetwork
from kvorum.testing.sim_transport import SimulatedTransport
from kvorum.testing.trace import Trace
from kvorum.testing.virtual_time import Gate, VirtualTimeLoop
from kvorum.transport.introduction import Assignment
from kvorum.transport.options import TransportOptions


class WatchedLog:
    """A log whose writes are noted once they are said to be durable."""

    def __init__(self, log: LogStore, durable: Durable) -> None:
        self._log = log
        self._durable = durable

    def append(
        self, hard_state: HardState | None, entries: Sequence[Entry], base: EntryId | None = None
    ) -> "Future[None]":
        written = self._log.append(hard_state, entries, base)
        self._durable.writing(written, hard_state, entries, base)
        return written

    def release(self, index: Index) -> "Future[None]":
        return self._log.release(index)


class NodeProcess:
    """One incarnation of a node, from its start until it is killed or stops by itself."""

    def __init__(self, gate: Gate, disk_failures: int) -> None:
        """``disk_failures``: how many the disk had had before."""
        self.gate = gate
        self.disk_failures = disk_failures
        self.task: Task[None] | None = None
        self._mourners: list[Callable[[], None]] = []

    def when_gone(self, tell: Callable[[], None]) -> None:
        """``tell`` is called when the process ends."""
        self._mourners.append(tell)

    def gone(self) -> None:
        mourners, self._mourners = self._mourners, []
        for tell in mourners:
            tell()


class RunningNode:
    """A node that has come up."""

    def __init__(self, process: NodeProcess, member: Member, durable: Durable) -> None:
        self.process = process
        self.member = member
        self.durable = durable
        self.gate = process.gate
        self.id: NodeId = member.options.member
        self.core: Core = member.core
        self.machine: StateMachine = member.machine
        self.service: KvService = member.service
        self.when_gone = process.when_gone

    @property
    def is_leader(self) -> bool:
        return self.member.leadership.is_leader


class SimulatedMachine:
    """``process`` is None while the machine is off, ``node`` until it has come up."""

    def __init__(
        self,
        tenant: Tenant,
        options: NodeOptions,
        *,
        network: SimulatedNetwork[SimulatedTransport],
        invariants: Invariants,
        random: Random,
        trace: Trace,
        restart: "Callable[[SimulatedMachine], None]",
    ) -> None:
        """``restart`` is asked to start a node that has to begin anew under another id."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop), "a simulation needs its own kind of time"
        self.name = tenant.name
        self.tenant = tenant
        self.disk = SimulatedDisk(self.name, random, trace)
        self.clock = SkewedClock(LoopClock(loop), random.uniform(10, 10_000))
        self.process: NodeProcess | None = None
        self.node: RunningNode | None = None
        self.buried: list[NodeProcess] = []
        self.is_damaged = False  # somebody changed its files
        self.is_vacant = False  # nobody lives there (any more)
        self._loop = loop
        self._restart = restart
        self._context = copy_context()
        self._options = options
        self._network = network
        self._invariants = invariants
        self._random = random
        self._trace = trace
        self._durable: Durable | None = None  # what the last incarnation was told

    # --- life --------------------------------------------------------------------------

    def start(self, ended: Callable[[NodeProcess, Task[None]], None]) -> None:
        """``ended`` is called if the node stops, or refuses to start, by itself."""
        assert self.process is None, f"{self.name} is on already"
        process = self.process = NodeProcess(Gate(self._loop, self.name), self.disk.failures)
        process.task = self._loop.create_task(self._live(process), context=process.gate.context)
        process.task.add_done_callback(lambda task: ended(process, task))

    async def _live(self, process: NodeProcess) -> None:
        """The whole life of a process."""
        booted = await boot(self.disk, process.gate, self.tenant)
        identity, durable = booted.identity, booted.durable
        member_id = NodeId(identity.member_id)
        if self._durable is not None:
            self._durable.require_in(durable, member_id)
        self._durable = durable
        transport = self._transport(process, identity, booted.origin)
        member = self._member(booted, transport)
        node = self.node = RunningNode(process, member, durable)
        self._invariants.started(node)
        process.gate.after = lambda: self._invariants.look(node)
        transport.attach(member)
        self.disk.power_lasts = None
        self._trace.tell(self.name, "starts as", node.id, "with", durable)
        await member.run()

    def _transport(
        self, process: NodeProcess, identity: Identity, origin: Origin
    ) -> SimulatedTransport:
        options = TransportOptions(
            self_address=self.name,
            listen_address=self.name,
            node_id=self.name,
            member_id=NodeId(identity.member_id),
            uid=identity.uid,
            cluster_id=identity.cluster_id,
            members=origin.membership.members,
            executed_commands_key=self._options.internal_key.decode(),
        )

        def assigned(assignment: Assignment) -> None:
            self._loop.call_soon(self._begin_anew, process, assignment, context=self._context)

        return SimulatedTransport(options, self._network, process.gate, self.clock, assigned)

    def _begin_anew(self, process: NodeProcess, assignment: Assignment) -> None:
        """The process ends, and starts again under the id that it was given."""
        if self.process is not process:
            return
        self._trace.tell(self.name, "is assigned", assignment.member_id)
        self.crash(power=False)
        if assignment.begins_anew:
            self._trace.fault("begins anew", self.name, assignment.member_id)
            self._forget()
            uid = f"{self._random.getrandbits(64):016x}"
            self.tenant = replace(self.tenant, uid=uid)
        self.tenant = replace(self.tenant, assigned=assignment)
        self._restart(self)

    def _member(self, booted: Booted, transport: SimulatedTransport) -> Member:
        identity = booted.identity
        options = replace(
            self._options,
            node_id=self.name,
            cluster_id=identity.cluster_id,
            member=NodeId(identity.member_id),
            uid=identity.uid,
            incarnation=self._random.getrandbits(INCARNATION_BITS),
        )
        ports = Ports(
            log=WatchedLog(booted.storage.log, booted.durable),
            snapshots=booted.storage.snapshots,
            peers=transport,
            clock=self.clock,
            random_ticks=self._random.randint,
            name_of=str,
        )
        return Member(options, booted.origin, ports, MemberMetrics(CollectorRegistry()))

    def crash(self, *, power: bool) -> None:
        """The process is killed; with ``power`` the whole machine goes down."""
        process, self.process, self.node = self.process, None, None
        if process is not None:
            process.gate.destroy()
            self._network.leave(self.name)
            self.buried.append(process)
            process.gone()
        self.disk.crash(power=power)

    def examine(self) -> None:
        """Whether the bytes on the disk hold what the node was told. Raises InvariantBroken."""
        if self._durable is None or self.node is None or self.is_damaged:
            return
        self._durable.settle()
        cluster_id = self.node.member.options.cluster_id
        self._durable.require_in(durable_on(self.disk, cluster_id), self.member)

    @property
    def member(self) -> NodeId:
        """Who lives here, or did last."""
        assigned = self.tenant.assigned
        return NodeId(assigned.member_id if assigned is not None else self.name)

    def wipe(self, uid: str) -> None:
        """An empty disk takes the place of the one there was; the settings stay."""
        assert self.process is None, "a disk is changed while the machine is off"
        self._forget()
        self.disk.wipe()
        self.tenant = replace(self.tenant, uid=uid, assigned=None)

    def _forget(self) -> None:
        """Nobody answers for what the member that lived here was told."""
        self._invariants.disk_lost(self.member)
        self._durable = None
        self.is_damaged = False
