"""A whole cluster in virtual time with everything that can go wrong: one seed, one story.

Everything in it is decided by the seed, so the same seed tells the same story, byte by byte.
"""

import asyncio
from random import Random

from msgspec import Struct
from msgspec.structs import replace

from kvorum.mvcc.outcome import Status
from kvorum.testing.checks import log_of, require
from kvorum.testing.history import WrongAnswer, check_revisions
from kvorum.testing.linearizability import check
from kvorum.testing.log_clock import CLOCK_FAULTS, check_log_clock, stamps_of
from kvorum.testing.oracle import Oracle, check_answers, check_state
from kvorum.testing.sim_clients import ClientOptions
from kvorum.testing.sim_clock import LoopClock
from kvorum.testing.sim_cluster import (
    NODE_OPTIONS,
    ClusterOptions,
    SimulatedCluster,
)
from kvorum.testing.sim_coordination import TTL_MS_MAX
from kvorum.testing.sim_faults import Action, Faults, draw
from kvorum.testing.sim_machine_faults import ClockFaults, DiskFaults, ProcessFaults
from kvorum.testing.sim_network import NetworkOptions
from kvorum.testing.sim_network_faults import NetworkFaults
from kvorum.testing.sim_node import RunningNode
from kvorum.testing.sim_operator import MemberFaults, Operator
from kvorum.testing.sim_watchers import AWAY_S_MAX
from kvorum.testing.told import check_seen, check_told
from kvorum.testing.trace import Trace, WriteLine
from kvorum.testing.virtual_time import VirtualTimeLoop

ELECTION_TIMEOUTS_MAX = 40
"""With everything healed a leader and progress come within so many."""


class Report(Struct, frozen=True):
    """What a seed went through without breaking a property."""

    seed: int
    seconds: float
    nodes: int
    operations: int
    unanswered: int
    entries: int
    elections: int
    steps: int
    faults: dict[str, int]
    told: dict[str, int]
    """How often clients were told what, to see that there was something to check."""


class Failed(Exception):
    """A seed broke a property; the cause says where it was noticed."""

    def __init__(self, seed: int, what: str) -> None:
        super().__init__(seed, what)  # as they are: it travels between processes
        self.seed = seed
        self.what = what

    def __str__(self) -> str:
        return f"seed {self.seed}: {self.what}"


def run_seed(seed: int, *, seconds: float = 60.0, write: WriteLine | None = None) -> Report:
    """Run one seed for so much virtual time; ``write`` gets its story. Raises :class:`Failed`."""
    loop = VirtualTimeLoop()
    trace = Trace(LoopClock(loop), write)
    simulation = _Simulation(seed, seconds, trace)
    loop.set_exception_handler(simulation.on_loop_error)
    with trace.with_logs():
        try:
            return loop.run_until_complete(simulation.run())
        except Exception as error:
            raise Failed(seed, f"{type(error).__name__}: {error}") from error
        finally:
            trace.is_on = False
            _bury(loop, simulation)


def _bury(loop: VirtualTimeLoop, simulation: "_Simulation") -> None:
    """End what is left of all that was started."""
    loop.set_exception_handler(lambda _loop, _context: None)
    simulation.close()
    tasks = [task for task in asyncio.all_tasks(loop) if not task.done()]
    for task in tasks:
        task.cancel()
    loop.run_until_complete(asyncio.wait_for(_all(tasks), 10.0))
    loop.close()


async def _all(tasks: list["asyncio.Task[object]"]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)


class _Simulation:
    def __init__(self, seed: int, seconds: float, trace: Trace) -> None:
        self._seed = seed
        self._seconds = seconds
        self._trace = trace
        self._random = Random(seed)  # noqa: S311 - a story has to be repeatable
        self._cluster: SimulatedCluster | None = None

    def on_loop_error(self, _loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        """A callback failed; what nobody retrieved before it was collected does not count."""
        error = context.get("exception")
        if "handle" in context and isinstance(error, BaseException):
            raise error

    def close(self) -> None:
        if self._cluster is not None:
            self._cluster.close()

    async def run(self) -> Report:
        random = self._random
        cluster = self._cluster = SimulatedCluster(_options(random), random, self._trace)
        faults, operator = Faults(cluster, random), Operator(cluster, random)
        kinds = _kinds(faults, operator)
        chosen = draw(random, list(kinds))
        self._trace.tell("all", "options", cluster.options, chosen)
        until_s = asyncio.get_running_loop().time() + self._seconds
        looking = asyncio.ensure_future(operator.run())
        for machine in cluster.machines:
            cluster.start(machine)
        cluster.start_clients()
        await faults.run(kinds, chosen, until_s)
        faults.heal()
        await self._recover(cluster, operator)
        looking.cancel()
        self._judge(cluster)
        return self._report(cluster)

    async def _recover(self, cluster: SimulatedCluster, operator: Operator) -> None:
        """With everything healed and restarted, the cluster serves again, and soon."""
        await cluster.stop_clients()
        cluster.network.options = NetworkOptions()
        timeout_s = ELECTION_TIMEOUTS_MAX * NODE_OPTIONS.election_timeout_s_max
        cluster.trace.tell("all", "restart")
        for machine in cluster.machines:
            if machine.process is not None:
                machine.crash(power=True)
            cluster.start(machine)
        await cluster.until(lambda: cluster.leader is not None, timeout_s, "a leader")
        await cluster.until(operator.is_at_rest, 2 * timeout_s, "every machine has its place")
        await cluster.until(lambda: _is_level(cluster), timeout_s, "all level")
        for node in cluster.running:
            await self._progress(node)
        lease_s = 2 * TTL_MS_MAX / 1000  # clocks may still be slow
        await cluster.until(lambda: _has_no_leases(cluster), timeout_s + lease_s, "leases end")
        await cluster.until(lambda: _is_level(cluster), timeout_s, "all level again")
        back_s = 4 * AWAY_S_MAX  # they may go away once more
        await cluster.until(lambda: _all_seen(cluster), timeout_s + back_s, "watchers saw it all")

    async def _progress(self, node: RunningNode) -> None:
        """Every node takes a write and gives it back."""
        key, service = f"last-{node.id}".encode(), node.service
        async with asyncio.timeout(ELECTION_TIMEOUTS_MAX * NODE_OPTIONS.election_timeout_s_max):
            outcome = await service.put(f"last-{node.id}", key, b"1")
            if outcome.status is Status.FULL:
                return
            result = await service.get(f"last-get-{node.id}", key)
        if result.record is None or result.record.value != b"1":
            raise WrongAnswer(f"{node.id} does not give back what it acknowledged: {result}")

    def _judge(self, cluster: SimulatedCluster) -> None:
        history = cluster.history
        violation = check(history.operations)
        if violation is not None:
            raise WrongAnswer(str(violation))
        others = [each.operations for each in cluster.coordinators]
        others += [each.operations for each in cluster.contenders]
        coordinated = [operation for operations in others for operation in operations]
        check_revisions([*history.operations, *coordinated])
        if not CLOCK_FAULTS & cluster.trace.faults.keys():
            invariants = cluster.invariants
            check_log_clock(stamps_of(invariants.decided, invariants.born_s))
        oracle = Oracle(log_of(cluster.invariants.decided))
        check_answers(oracle, history)
        check_told(oracle, cluster.told)
        for watcher in cluster.watchers:
            check_seen(oracle, watcher.wanted, watcher.seen, watcher.gaps)
        for node in cluster.running:
            check_state(oracle, node.machine, node.id)
            require(node.member.fence.reason is None, "members serve", node.member.fence.reason)

    def _report(self, cluster: SimulatedCluster) -> Report:
        operations = cluster.history.operations
        return Report(
            seed=self._seed,
            seconds=self._seconds,
            nodes=len(cluster.machines),
            operations=len(operations),
            unanswered=sum(operation.is_open for operation in operations),
            entries=len(cluster.invariants.decided),
            elections=len(cluster.invariants.leaders),
            steps=cluster.invariants.steps,
            faults=dict(sorted(cluster.trace.faults.items())),
            told=_told(cluster),
        )


def _options(random: Random) -> ClusterOptions:
    """The world of a seed."""
    network = NetworkOptions(
        delay_s=random.choice(((0.0002, 0.004), (0.001, 0.02))),
        loss=random.choice((0.0, 0.0, 0.01, 0.05)),
        slow=random.choice((0.0, 0.0, 0.02)),
        repeat=random.choice((0.0, 0.0, 0.05)),
        overtakes=random.random() < 0.3,
    )
    nodes = random.choice((3, 3, 3, 3, 5, 5, 4, 2, 1))
    spares = random.choice((0, 1, 2))
    node = replace(
        NODE_OPTIONS,
        snapshot_entries=random.choice((20, 60, 1 << 40)),
        snapshot_keep_entries=random.choice((0, 5, 30)),
        outcomes_count_max=random.choice((100_000, 300)),
        history_revisions_max=random.choice((10_000, 10_000, 40)),
        history_bytes_max=random.choice((8 << 20, 8 << 20, 20_000)),
        watch_buffer_events_max=random.choice((1000, 1000, 8)),
    )
    contenders = random.choice((0, 3, 3, 6))
    clients = ClientOptions(pause_s=random.choice((0.5, 0.5, 0.2)), contenders=contenders)
    if random.random() < 0.08:  # so large that snapshots go in several chunks
        clients = ClientOptions(keys=12, value_bytes=40_000)
    elif random.random() < 0.2:
        node = replace(node, quota_bytes=random.choice((2000, 3500, 5000)))
    return ClusterOptions(
        nodes=nodes,
        spares=spares,
        network=network,
        clients=clients,
        node=node,
        homes=random.choice((0, nodes)),
    )


def _told(cluster: SimulatedCluster) -> dict[str, int]:
    told, watchers = cluster.told, cluster.watchers
    fulls = [write for write in told.writes if write.status is Status.FULL]
    claimed = [each for each in told.claimed if not each.position]
    return {
        "writes": len(told.writes),
        "full": len(fulls),
        "ranges": len(told.reads),
        "held": len(claimed),
        "waited": len(told.claimed) - len(claimed),
        "guarded": len(told.guarded),
        "seen": sum(len(watcher.seen) for watcher in watchers),
        "gaps": sum(len(watcher.gaps) for watcher in watchers),
        "lagging": sum(watcher.endings["lagging"] for watcher in watchers),
    }


def _kinds(faults: Faults, operator: Operator) -> dict[str, Action]:
    """All kinds of faults, by name, in a fixed order."""
    return {
        **ProcessFaults(faults).kinds(),
        **NetworkFaults(faults).kinds(),
        **DiskFaults(faults).kinds(),
        **ClockFaults(faults).kinds(),
        **MemberFaults(faults, operator).kinds(),
    }


def _is_level(cluster: SimulatedCluster) -> bool:
    """A leader leads everyone, and all have applied its whole log."""
    leader, running = cluster.leader, cluster.running
    at_home = [machine for machine in cluster.machines if not machine.is_vacant]
    if leader is None or leader.node is None or len(running) < len(at_home):
        return False
    end = leader.node.core.state.log.last_index
    return all(
        node.member.leadership.leader == leader.node.id and node.machine.applied_index == end
        for node in running
    )


def _has_no_leases(cluster: SimulatedCluster) -> bool:
    return all(node.machine.lease_count == 0 for node in cluster.running)


def _all_seen(cluster: SimulatedCluster) -> bool:
    newest = max(node.machine.revision for node in cluster.running)
    return all(watcher.progress >= newest for watcher in cluster.watchers)
