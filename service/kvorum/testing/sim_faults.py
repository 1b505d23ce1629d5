"""What goes wrong in a simulation: one thing after the other, and often several at once.

Every seed draws the kinds of faults it uses (swarm testing: a run in which everything happens
hides what a run with only some of it shows). Each fault ends by itself after a while.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from random import Random

from msgspec import Struct

from kvorum.testing.sim_cluster import SimulatedCluster
from kvorum.testing.sim_node import SimulatedMachine

Action = Callable[[], None]


class FaultOptions(Struct, frozen=True, kw_only=True):
    """``pause_s`` is the mean time between two faults, ``lasting_s`` how long most last."""

    kinds: tuple[str, ...]
    pause_s: float = 1.5
    lasting_s: tuple[float, float] = (0.05, 3.0)


class Faults:
    """What every kind of fault needs: whom to choose, and how to end."""

    def __init__(self, cluster: SimulatedCluster, random: Random) -> None:
        self.cluster = cluster
        self.random = random
        self.lasting_s = (0.05, 3.0)
        self._loop = asyncio.get_running_loop()
        self._ends: dict[int, Action] = {}  # what undoes those under way
        self._count = 0

    async def run(self, kinds: Mapping[str, Action], options: FaultOptions, until_s: float) -> None:
        """Until the loop's time ``until_s``. Raises what ended a node without a reason."""
        self.lasting_s = options.lasting_s
        chosen = [kinds[name] for name in options.kinds]
        while True:
            left_s = until_s - self._loop.time()
            pause_s = self.random.expovariate(1 / options.pause_s)
            await asyncio.sleep(min(pause_s, left_s))
            self.cluster.check()
            if pause_s >= left_s:
                return
            if chosen:
                self.random.choice(chosen)()

    def duration_s(self) -> float:
        return self.random.uniform(*self.lasting_s)

    def later(self, end: Action) -> None:
        """Undo a fault after a while, or when all are."""
        self._count += 1
        number = self._count
        self._ends[number] = end

        def undo() -> None:
            if self._ends.pop(number, None) is not None:
                end()

        self._loop.call_later(self.duration_s(), undo)

    def heal(self) -> None:
        """Undo everything, in the order in which it came."""
        while self._ends:
            number = next(iter(self._ends))
            self._ends.pop(number)()

    # --- whom --------------------------------------------------------------------------

    def running(self) -> list[SimulatedMachine]:
        return [machine for machine in self.cluster.machines if machine.process is not None]

    def victim(self) -> SimulatedMachine | None:
        running = self.running()
        return self.random.choice(running) if running else None

    def machine(self) -> SimulatedMachine:
        return self.random.choice(self.cluster.machines)

    def names(self) -> list[str]:
        names = [machine.name for machine in self.cluster.machines]
        self.random.shuffle(names)
        return names

    # --- crashes, of which there are many kinds --------------------------------------------

    def crash(self, machine: SimulatedMachine | None, *, power: bool) -> None:
        """It starts again later."""
        if machine is None or machine.process is None:
            return
        self.cluster.trace.fault("power cut" if power else "kill", machine.name)
        machine.crash(power=power)
        self.later(lambda: self.cluster.start(machine))


def draw(random: Random, kinds: Sequence[str]) -> FaultOptions:
    """Which faults a seed uses, and how often."""
    share = random.choice((0.15, 0.4, 0.8))
    return FaultOptions(
        kinds=tuple(kind for kind in kinds if random.random() < share),
        pause_s=random.choice((0.3, 1.0, 3.0)),
        lasting_s=random.choice(((0.01, 0.5), (0.05, 3.0), (1.0, 6.0))),
    )
