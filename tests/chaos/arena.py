"""One scenario played on a running cluster: clients, faults one after the other, a verdict."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from enum import Enum
from random import Random

from msgspec import Struct, field

from tests.chaos.calls import Outcome
from tests.chaos.commands import CommandFailed
from tests.chaos.places import NODES, Namespaces
from tests.chaos.processes import Processes
from tests.chaos.rest_client import Broken, NotSent
from tests.chaos.verdict import barrier, violations
from tests.chaos.waiting import eventually
from tests.chaos.workload import Habits, Workload


class Arena(Struct):
    """What a step may use."""

    processes: Processes
    workload: Workload
    random: Random
    faults: Counter[str]
    not_done: dict[str, str]

    @property
    def network(self) -> Namespaces:
        places = self.processes.places
        assert isinstance(places, Namespaces), "this scenario needs namespaces"
        return places

    async def leader(self) -> int:
        return await self.processes.leader()

    async def follower(self) -> int:
        leader = await self.leader()
        return self.random.choice([node for node in NODES if node != leader])

    async def past_elections(self) -> None:
        """A fault lasts longer than any election timeout, and than a leader's patience."""
        await asyncio.sleep(self.random.uniform(1.5, 2.5))

    async def without_leader(self) -> None:
        """Wait until every node says that it knows no leader."""

        async def all_know_none() -> bool:
            infos = [await self.processes.info(node) for node in self.processes.running]
            return all(info is not None and not info["leaderId"] for info in infos)

        await eventually("no node knows a leader", all_know_none)

    def others(self, *nodes: int) -> list[int]:
        """The rest of the nodes, in random order."""
        rest = [node for node in NODES if node not in nodes]
        self.random.shuffle(rest)
        return rest


Step = Callable[[Arena], Awaitable[None]]
"""Injects a fault, waits for what must still work, and heals it."""


class Need(Enum):
    """What a scenario cannot do without."""

    NAMESPACES = "network namespaces"
    TMPFS = "mounts"
    SLOW_DISK = "interception of syncs"


class Scenario(Struct, frozen=True):
    """Its steps are played in turn, as often as there is time, all of them at least once."""

    name: str
    steps: Sequence[Step]
    needs: frozenset[Need] = frozenset()
    habits: Habits = field(default_factory=Habits)
    judge: Callable[[Workload], list[str]] = lambda _workload: []  # demands of its own


FAILURES = (AssertionError, CommandFailed, NotSent, Broken, OSError)
"""What a step may end with. It becomes a problem of the row, and the next scenario is played."""


class Row(Struct, frozen=True):
    """What is told of a scenario."""

    scenario: str
    ok: int
    failed: int
    unknown: int
    faults: dict[str, int]
    longest_pause_s: float
    problems: list[str]
    not_done: dict[str, str]


async def play(scenario: Scenario, processes: Processes, *, seconds: float, seed: int) -> Row:
    """Ends with all nodes running and ready. What fails is a problem of the row."""
    name = f"{scenario.name.replace(' ', '-')}-{seed}-{time.monotonic_ns()}"
    random = Random(f"{scenario.name} {seed}")
    workload = Workload(processes.places, random, name=name, habits=scenario.habits)
    arena = Arena(processes, workload, random, Counter(), {})
    tally: Counter[Outcome] = Counter()
    problems = []
    try:
        await processes.ready()
        first = await barrier(processes.rest, f"{name}/first")
        workload.start()
        problems += await _steps(scenario, arena, seconds)
        await workload.stop()
        problems += processes.surprises()
        tally.update(call.outcome for call in workload.calls)
        problems += scenario.judge(workload)
        await processes.ready()
        last = await barrier(processes.rest, f"{name}/last")
        problems += await violations(workload, processes.rest, first=first, last=last)
        problems += await _different_states(processes)
    except FAILURES as error:
        problems.append(f"{scenario.name}: {error!r}")
    finally:
        await workload.stop()
        processes.rest.close()
    return Row(
        scenario=scenario.name,
        ok=sum(count for outcome, count in tally.items() if outcome.is_definite),
        failed=tally[Outcome.FAILED],
        unknown=tally[Outcome.UNKNOWN],
        faults=dict(arena.faults),
        longest_pause_s=workload.longest_pause_s(),
        problems=problems,
        not_done=arena.not_done,
    )


async def _steps(scenario: Scenario, arena: Arena, seconds: float) -> list[str]:
    """Play them; what went wrong. Whatever it was, all nodes run again afterwards."""
    loop = asyncio.get_running_loop()
    ends_s = loop.time() + seconds
    problems = []
    try:
        for number, step in enumerate(itertools.cycle(scenario.steps)):
            if number >= len(scenario.steps) and loop.time() > ends_s:
                break
            await arena.workload.progress(20)
            await step(arena)
            await arena.processes.ready()
    except FAILURES as error:
        problems.append(f"{scenario.name}: {error!r}")
    finally:
        heal(arena.processes)
    return problems


async def _different_states(processes: Processes) -> list[str]:
    """What the replicas themselves found when they compared the hashes of their states."""
    found = {n: await processes.metric(n, "kvorum_state_mismatches_total") for n in NODES}
    return [
        f"node {node} found {count:.0f} different states" for node, count in found.items() if count
    ]


def heal(processes: Processes) -> None:
    """No fault is left: cables, filters, disks, paused and stopped nodes."""
    if isinstance(processes.places, Namespaces):
        processes.places.heal()
    for disk in processes.disks.values():
        disk.make()
    processes.go_on(processes.running)
    processes.kill([node for node in processes.running if node not in NODES])
    processes.start([node for node in NODES if node not in processes.running])
