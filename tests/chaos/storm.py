"""Everything at once: faults that overlap as chance has it, then calm.

During the storm nothing need work; what was answered must be true all the same. Disks are not lost
here: with too few other nodes up, Raft does not promise to survive that (§3.8).
"""

import asyncio
from collections.abc import Callable

from tests.chaos.arena import Arena, Scenario, Step, heal
from tests.chaos.places import NODES, Namespaces
from tests.chaos.rest_client import Broken, NotSent


class Storm:
    """What is broken at the moment."""

    def __init__(self, arena: Arena) -> None:
        self._arena = arena
        self._processes = arena.processes
        self._random = arena.random
        self._paused: set[int] = set()

    async def gust(self) -> None:
        """One more fault, or one less."""
        actions: list[Callable[[], None]] = [self.kill, self.start, self.pause, self.go_on]
        if isinstance(self._processes.places, Namespaces):
            actions += [self.cut_links, self.cut_links, self.lose_some, self.calm_network]
        if self._processes.disks:
            actions += [self.slow_disk, self.fast_disks]
        self._random.choice(actions)()
        if self._random.random() < 0.2:
            await self.transfer()
        await asyncio.sleep(self._random.uniform(0.05, 0.9))

    def kill(self) -> None:
        """One node, or now and then all."""
        nodes = list(self._processes.running)
        if self._random.random() < 0.9:
            nodes = nodes and [self._random.choice(nodes)]
        self._count("kill -9", len(nodes))
        self._paused -= set(nodes)
        self._processes.kill(nodes)

    def start(self) -> None:
        """All that are down: at once they recover together."""
        self._processes.start([node for node in NODES if node not in self._processes.running])

    def pause(self) -> None:
        awake = sorted(set(self._processes.running) - self._paused)
        if awake:
            node = self._random.choice(awake)
            self._count("SIGSTOP")
            self._paused.add(node)
            self._processes.pause([node])

    def go_on(self) -> None:
        self._processes.go_on(sorted(self._paused))
        self._paused.clear()

    def cut_links(self) -> None:
        """Each direction of each link by itself."""
        self._count("links cut")
        share = self._random.choice((0.1, 0.3, 0.5))
        pairs = [(a, b) for a in NODES for b in NODES if a != b]
        self._arena.network.block([pair for pair in pairs if self._random.random() < share])

    def lose_some(self) -> None:
        self._count("loss")
        self._arena.network.block((), loss_percent=self._random.choice((5, 20, 40)))

    def calm_network(self) -> None:
        self._arena.network.block(())

    def slow_disk(self) -> None:
        self._count("slow disk")
        disk = self._processes.disks[self._random.choice(sorted(self._processes.disks))]
        disk.make(delay_s=self._random.choice((0.02, 0.2, 2.0)))

    def fast_disks(self) -> None:
        for disk in self._processes.disks.values():
            disk.make()

    async def transfer(self) -> None:
        """To whoever the asked node thinks of; it may well be refused."""
        self._count("transfer of leadership")
        ask = self._processes.rest.ask
        try:
            await ask(self._random.choice(NODES), "POST", "/cluster/transfer", {}, timeout_s=0.5)
        except (NotSent, Broken):
            return

    def _count(self, fault: str, times: int = 1) -> None:
        self._arena.faults[fault] += times


def storm(gusts: int) -> Step:
    """So many faults on top of each other; afterwards everything must work again."""

    async def step(arena: Arena) -> None:
        weather = Storm(arena)
        for _ in range(gusts):
            await weather.gust()
            assert not arena.processes.surprises(), arena.processes.surprises()
        heal(arena.processes)
        await arena.processes.ready()
        await arena.workload.progress(40)

    return step


STORM = Scenario("storm", (storm(25),))
