"""How long nobody can write, while nodes are killed, stopped or replaced one after the other.

A client writes every few milliseconds through the nodes that stay, whatever became of the writes
before; each write is given up after a while. What counts is the longest time between two
acknowledgements. Nothing here knows how a system elects: it only sees answers.
"""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import uvloop

from bench.checking import WrongDataError, check_replicas, writes_between
from bench.connections import Connection, Done
from bench.dialects import Keys
from bench.results import Row, longest_gap
from bench.stage import Effort, Scene, Stage
from bench.systems import Record, System

INTERVAL_S = 0.005
GIVE_UP_S = 2.0
BEFORE_S = 0.5
QUIET_S = 1.0
"""So long must all be well again before a trial ends."""
TRIAL_MAX_S = 30.0
KEYS = Keys("failover/", count=100)


@dataclass
class Writer:
    """Writes every ``INTERVAL_S`` through ``nodes`` in turn; they may be exchanged meanwhile."""

    system: System
    nodes: Sequence[int]
    done: list[Done] = field(default_factory=list)
    _free: dict[int, list[Connection]] = field(default_factory=dict)
    sent: int = 0

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as writes:
            due_s = time.monotonic()
            while True:
                writes.create_task(self._write())
                due_s += INTERVAL_S
                await asyncio.sleep(max(0.0, due_s - time.monotonic()))

    async def _write(self) -> None:
        self.sent += 1
        node = self.nodes[self.sent % len(self.nodes)]
        number = self.sent % KEYS.count
        began_s = time.monotonic()
        try:
            connection = self._idle(node) or await Connection.open(self.system.port(node))
        except OSError:
            self.done.append(Done(began_s, time.monotonic(), 0))
            return
        try:
            async with asyncio.timeout(GIVE_UP_S):
                request = self.system.dialect.put(KEYS.name(number), KEYS.value(number))
                self.done.append(await connection.send(request))
        except TimeoutError:
            connection.close()
            self.done.append(Done(began_s, time.monotonic(), 0))
        if connection.is_open:
            self._free.setdefault(node, []).append(connection)

    def _idle(self, node: int) -> Connection | None:
        """One that is left of earlier writes, and did not break since."""
        free = self._free.get(node, [])
        while free:
            connection = free.pop()
            if connection.is_open:
                return connection
        return None

    def acknowledged_s(self) -> list[float]:
        return [done.answered_s for done in self.done if done.status == 200]

    def failed(self) -> int:
        return sum(done.status != 200 for done in self.done)

    def close(self) -> None:
        for connections in self._free.values():
            for connection in connections:
                connection.close()

    async def await_quiet(self, since_s: float) -> None:
        """Until writes have been acknowledged without a pause for ``QUIET_S``."""
        while time.monotonic() < since_s + TRIAL_MAX_S:
            await asyncio.sleep(0.05)
            now_s = time.monotonic()
            begin_s = max(since_s, now_s - QUIET_S)
            is_long_enough = now_s - since_s >= QUIET_S
            if is_long_enough and longest_gap(self.acknowledged_s(), begin_s, now_s) < 0.1:
                return
        raise TimeoutError(f"writes were not acknowledged again within {TRIAL_MAX_S} s")


async def pause_of(writer: Writer, disturb: Callable[[], Awaitable[None]]) -> float:
    """The longest time without an acknowledgement, from ``disturb`` until all is well again."""
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(writer.run())
        await asyncio.sleep(BEFORE_S)
        began_s = time.monotonic()
        await disturb()
        await writer.await_quiet(time.monotonic())
        ended_s = time.monotonic()
        running.cancel()
    writer.close()
    return longest_gap(writer.acknowledged_s(), began_s - 0.02, ended_s)


async def end_leader(writer: Writer, how: signal.Signals) -> float:
    """Seconds without an acknowledged write through those that stay; the node is back after it."""
    system = writer.system
    leader = system.cluster.leader()
    writer.nodes = [node for node in system.cluster.nodes if node != leader]

    async def end() -> None:
        await asyncio.to_thread(system.cluster.stop, leader, how)

    pause_s = await pause_of(writer, end)
    restart(system, leader)
    return pause_s


def restart(system: System, node: int) -> None:
    system.cluster.start(node)
    system.await_healthy(node)
    system.cluster.leader()


async def roll(writer: Writer) -> float:
    """Stop and start every node; writes go through those that are not being replaced."""
    system = writer.system

    async def replace_all() -> None:
        for node in system.cluster.nodes:
            writer.nodes = [each for each in system.cluster.nodes if each != node]
            await asyncio.sleep(0.1)
            await asyncio.to_thread(system.cluster.stop, node, signal.SIGTERM)
            await asyncio.to_thread(restart, system, node)

    return await pause_of(writer, replace_all)


HOW = {
    "failover": ("kill -9 of the leader", 3.5),
    "stop": ("SIGTERM of the leader", 2.8),
    "rolling": ("rolling restart", 7.0),
}
"""Group → what is done, seconds that a trial takes."""


@dataclass(frozen=True)
class Failover:
    """``trials`` of one kind on each system, in turn."""

    group: str
    scene: Scene = Scene()  # noqa: RUF009 - it is frozen

    @property
    def at(self) -> str:
        return f"{HOW[self.group][0]}, {self.scene.nodes} nodes"

    @property
    def title(self) -> str:
        return f"pause of writes: {self.at}"

    def trials(self, effort: Effort) -> int:
        return max(1, effort.trials // 4) if self.group == "rolling" else effort.trials

    def takes_s(self, effort: Effort) -> float:
        return 2 * self.trials(effort) * HOW[self.group][1]

    def run(self, stage: Stage) -> Sequence[Row]:
        stage.fill(KEYS)
        pauses: dict[str, list[float]] = {name: [] for name in stage.systems}
        for trial in range(1, self.trials(stage.effort) + 1):
            told = []
            for name, system in stage.systems.items():
                before = check_replicas(system, KEYS)
                writer = Writer(system, system.cluster.nodes)
                pauses[name].append(uvloop.run(self._try(writer)))
                check_acknowledged(name, writer, before)
                told.append(f"{name} {1000 * pauses[name][-1]:.0f} ms ({writer.failed()} failed)")
            stage.progress.found(f"trial {trial}: {', '.join(told)}")
        return [Row("pause of writes", self.at, "s", pauses)]

    async def _try(self, writer: Writer) -> float:
        if self.group == "rolling":
            return await roll(writer)
        how = signal.SIGKILL if self.group == "failover" else signal.SIGTERM
        return await end_leader(writer, how)


def check_acknowledged(name: str, writer: Writer, before: Mapping[str, Record]) -> None:
    """No acknowledged write is missing. Those that were given up may have been done as well."""
    writes = writes_between(before, check_replicas(writer.system, KEYS))
    acknowledged = len(writer.acknowledged_s())
    if not acknowledged <= writes <= writer.sent:
        raise WrongDataError(
            f"{name}: of {writer.sent} writes {acknowledged} were acknowledged, {writes} are stored"
        )
