"""Machines, network, clients and observers, put together; and what an operator would do."""

import asyncio
from collections.abc import Callable, Sequence
from contextvars import copy_context
from random import Random

from msgspec import Struct

from kvorum.errors import KvorumError, SnapshotDamaged, StartError
from kvorum.node.options import NodeOptions
from kvorum.raft.membership import NOBODY, Membership, address_of
from kvorum.raft.messages import Message
from kvorum.raft.types import NodeId
from kvorum.testing.checks import InvariantBroken, Invariants, require
from kvorum.testing.history import History
from kvorum.testing.sim_boot import Tenant
from kvorum.testing.sim_clients import Client, ClientOptions
from kvorum.testing.sim_contenders import Contender
from kvorum.testing.sim_coordination import Coordinator
from kvorum.testing.sim_crowd import Crowd
from kvorum.testing.sim_disk import PowerCut
from kvorum.testing.sim_network import NetworkOptions, SimulatedNetwork
from kvorum.testing.sim_node import NodeProcess, RunningNode, SimulatedMachine
from kvorum.testing.sim_transport import SimulatedTransport
from kvorum.testing.trace import Trace

TICK_S = 0.025
EXAMINED = 0.005
"""Share of what nodes send before which their disk is looked at."""
NODE_OPTIONS = NodeOptions(
    node_id="",
    cluster_id="simulated",
    member=NodeId(""),
    uid="",
    incarnation=0,
    internal_key=b"_executed",
    tick_s=TICK_S,
    heartbeat_ticks=2,
    election_ticks_min=6,
    election_ticks_max=12,
    request_timeout_s=1.5,
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
    snapshot_entries=60,
    snapshot_bytes=64 << 20,
    snapshot_keep_entries=10,
    state_check_interval_s=0.5,
)


class ClusterOptions(Struct, frozen=True, kw_only=True):
    nodes: int = 3
    spares: int = 0  # machines on which nobody lives at first
    node: NodeOptions = NODE_OPTIONS
    network: NetworkOptions = NetworkOptions()
    clients: ClientOptions = ClientOptions()
    homes: int = 0  # machines that have a watcher of their own


class SimulatedCluster:
    """Create it inside a :class:`~kvorum.testing.virtual_time.VirtualTimeLoop`."""

    def __init__(self, options: ClusterOptions, random: Random, trace: Trace) -> None:
        loop = asyncio.get_running_loop()
        self.options = options
        self.random = random
        self.trace = trace
        self.invariants = Invariants(loop.time)
        self.network: SimulatedNetwork[SimulatedTransport] = SimulatedNetwork(
            loop, random, options.network, self.trace, self._note
        )
        self.history = History()
        names = [f"n{number}" for number in range(1, options.nodes + 1)]
        self.machines = [self._machine(name, names) for name in names]
        for number in range(options.nodes + 1, options.nodes + options.spares + 1):
            spare = self._machine(f"n{number}", (*names, f"n{number}"))
            spare.is_vacant = True
            self.machines.append(spare)
        crowd = Crowd(self.machines, options.clients, options.homes, random, self.trace)
        self.told = crowd.told
        self.clients = crowd.clients(self.history)
        self.coordinators = crowd.coordinators()
        self.contenders = crowd.contenders()
        self.watchers = crowd.watchers()
        self.lost: list[NodeId] = []  # members whose disk is gone for ever
        self._decided: tuple[int, Membership] = (0, NOBODY)
        self._client_tasks: list[asyncio.Task[None]] = []
        self._watcher_tasks: list[asyncio.Task[None]] = []
        self._context = copy_context()
        self._failure: BaseException | None = None

    def _note(self, messages: Sequence[Message]) -> None:
        """Now and then, what a node promises is compared with the bytes on its disk."""
        self.invariants.heard(messages)
        if self.random.random() >= EXAMINED:
            return
        for sender in dict.fromkeys(address_of(each.sender) for each in messages):
            machine = next(machine for machine in self.machines if machine.name == sender)
            try:
                machine.examine()
            except (InvariantBroken, KvorumError) as failure:
                self._failure = self._failure or failure

    def _machine(self, name: str, members: Sequence[str]) -> SimulatedMachine:
        return SimulatedMachine(
            Tenant(name, self.new_uid(), tuple(members), len(members) == self.options.nodes),
            self.options.node,
            network=self.network,
            invariants=self.invariants,
            random=self.random,
            trace=self.trace,
            restart=self.start,
        )

    def new_uid(self) -> str:
        return f"{self.random.getrandbits(64):016x}"

    # --- life --------------------------------------------------------------------------

    @property
    def _all_clients(self) -> list[Client | Coordinator | Contender]:
        return [*self.clients, *self.coordinators, *self.contenders]

    def start_clients(self) -> None:
        runs = [client.run() for client in self._all_clients]
        self._client_tasks = [asyncio.ensure_future(run) for run in runs]
        self._watcher_tasks = [asyncio.ensure_future(each.run()) for each in self.watchers]

    async def stop_clients(self) -> None:
        """Their last calls end by themselves."""
        for client in self._all_clients:
            client.stopping = True
        for task in self._client_tasks:
            await task

    def start(self, machine: SimulatedMachine) -> None:
        """Start a node that is off. It may refuse, and stop, only if its disk is not in order."""
        if machine.process is not None or machine.is_vacant:
            return
        machine.start(lambda process, task: self._ended(machine, process, task))

    def _ended(
        self, machine: SimulatedMachine, process: NodeProcess, task: asyncio.Task[None]
    ) -> None:
        if task.cancelled() or machine.process is not process:
            return
        error = _leaf(task.exception() or RuntimeError(f"{machine.name} just stopped"))
        if isinstance(error, PowerCut):
            self._soon(self._lose_power, machine, process)
            return
        may_refuse = machine.is_damaged and isinstance(error, StartError | SnapshotDamaged)
        if not may_refuse and machine.disk.failures == process.disk_failures:
            self._failure = self._failure or error
            return
        self.trace.tell(machine.name, "stops:" if machine.node else "refuses to start:", error)
        self._soon(self._clear, machine, process)

    def _soon(
        self,
        do: Callable[[SimulatedMachine, NodeProcess], None],
        machine: SimulatedMachine,
        process: NodeProcess,
    ) -> None:
        """Not while something of the process itself is still running."""
        asyncio.get_running_loop().call_soon(do, machine, process, context=self._context)

    def _lose_power(self, machine: SimulatedMachine, process: NodeProcess) -> None:
        if machine.process is process:
            machine.crash(power=True)
            self.start(machine)

    def _clear(self, machine: SimulatedMachine, process: NodeProcess) -> None:
        if machine.process is not process:
            return
        machine.crash(power=False)
        if machine.is_damaged:
            self.trace.fault("given up", machine.name)
            self.lose_disk(machine)
            self.start(machine)

    def lose_disk(self, machine: SimulatedMachine) -> None:
        """An empty one takes its place; the machine is off."""
        self.lost.append(machine.member)
        machine.wipe(self.new_uid())

    def check(self) -> None:
        """Raise what ended a node, or a client, that had no reason to end."""
        for task in (*self._client_tasks, *self._watcher_tasks):
            if task.done():
                task.result()
        if self._failure is not None:
            raise self._failure

    async def until(self, condition: Callable[[], object], timeout_s: float, what: str) -> None:
        """Wait for a condition, in steps of a tick. Raises ``InvariantBroken``."""
        deadline_s = asyncio.get_running_loop().time() + timeout_s
        while not condition():
            self.check()
            late = asyncio.get_running_loop().time() > deadline_s
            require(not late, f"{what} within {timeout_s} s")
            await asyncio.sleep(TICK_S)

    # --- looking -----------------------------------------------------------------------

    @property
    def running(self) -> list[RunningNode]:
        return [machine.node for machine in self.machines if machine.node is not None]

    @property
    def leader(self) -> SimulatedMachine | None:
        """The one that leads in the latest term, as far as it knows itself."""
        leaders = [m for m in self.machines if m.node is not None and m.node.is_leader]
        return max(leaders, key=_term, default=None)

    @property
    def membership(self) -> Membership:
        """The latest that any running node knows, decided or not."""
        cores = [node.core for node in self.running]
        latest = max(
            cores,
            key=lambda core: (core.state.term, core.state.memberships.latest_index),
            default=None,
        )
        return NOBODY if latest is None else latest.membership

    @property
    def decided_membership(self) -> Membership:
        """The latest that any node ever knew to be decided."""
        for node in self.running:
            commit = node.core.state.log.commit
            if commit >= self._decided[0]:
                self._decided = (commit, node.core.membership_at(commit))
        return self._decided[1]

    def close(self) -> None:
        """Let everything that was ever started come to its end."""
        for machine in self.machines:
            machine.disk.bury()
            for process in (*machine.buried, machine.process):
                if process is not None:
                    process.gate.bury()


def _term(machine: SimulatedMachine) -> int:
    return machine.node.core.state.term if machine.node is not None else -1


def _leaf(error: BaseException) -> BaseException:
    """The first of a group of errors."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
