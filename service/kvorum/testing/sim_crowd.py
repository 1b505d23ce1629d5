"""All who use a simulated cluster."""

import asyncio
from collections.abc import Sequence
from random import Random

from kvorum.mvcc.query import prefix_range, single_key
from kvorum.node.watch_feed import Selector
from kvorum.testing.history import History
from kvorum.testing.sim_clients import Client, ClientOptions, Line, Machine
from kvorum.testing.sim_contenders import Contender
from kvorum.testing.sim_coordination import EVERYTHING, Coordinator
from kvorum.testing.sim_watchers import Watcher
from kvorum.testing.told import Told
from kvorum.testing.trace import Trace


class Crowd:
    """Makes them; what most of them are told is in ``told``."""

    def __init__(
        self,
        machines: Sequence[Machine],
        options: ClientOptions,
        homes: int,
        random: Random,
        trace: Trace,
    ) -> None:
        """``homes``: machines that have a watcher of their own."""
        self.told = Told()
        self._machines = machines
        self._options = options
        self._homes = homes
        self._random = random
        self._trace = trace
        self._line = Line(asyncio.get_running_loop(), random, options)

    def clients(self, history: History) -> list[Client]:
        return [
            Client(
                f"c{number}",
                self._machines,
                self._line,
                self._options,
                history,
                random=self._random,
                trace=self._trace,
            )
            for number in range(1, self._options.clients + 1)
        ]

    def coordinators(self) -> list[Coordinator]:
        return [
            Coordinator(
                f"d{number}",
                self._machines,
                self._line,
                self._options,
                self.told,
                random=self._random,
                trace=self._trace,
            )
            for number in range(1, self._options.coordinators + 1)
        ]

    def contenders(self) -> list[Contender]:
        """Two want the lock for each that wants to lead."""
        return [
            Contender(
                f"e{number}",
                self._machines,
                self._line,
                self.told,
                wants="prize",
                leads=number % 3 == 0,
                random=self._random,
                trace=self._trace,
            )
            for number in range(1, self._options.contenders + 1)
        ]

    def watchers(self) -> list[Watcher]:
        """Of ranges, of one key, of one kind; some move about, some stay where they are."""
        everything = Selector(prefix_range(b""))
        wanted: list[tuple[Selector, Machine | None]] = [
            (Selector(EVERYTHING), None),
            (everything, None),
            *((everything, machine) for machine in self._machines[: self._homes]),
            (Selector(single_key(b"k0"), deletes=False), self._machines[0]),
            (Selector(prefix_range(b"_locks/"), puts=False), None),
        ]
        return [
            Watcher(
                f"w{number}",
                selector,
                self._machines,
                home=home,
                session_s=8.0 if home is None else 60.0,
                random=self._random,
                trace=self._trace,
            )
            for number, (selector, home) in enumerate(wanted, 1)
        ]
