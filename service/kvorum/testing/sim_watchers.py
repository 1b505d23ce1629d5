"""Watchers: they keep what they saw, and go on at another node from where they were.

The session with a node belongs to that node's process and ends with it. What was on its way to
the watcher then may be lost, as with a connection; so the watcher asks again from the revision
behind the last one that reached it.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextvars import copy_context
from random import Random

from kvorum.errors import Compacted, KvorumError, WatchEnded
from kvorum.node.service import KvService
from kvorum.node.views import Change
from kvorum.node.watch_feed import Selector
from kvorum.node.watching import Watch
from kvorum.testing.sim_clients import Machine, Process
from kvorum.testing.told import Seen
from kvorum.testing.trace import Trace

AWAY_S_MAX = 8.0
"""Between two sessions, now and then."""

_DELAY_S = (0.0001, 0.002)


class Watcher:
    """Watches from its first session's revision on, for as long as the simulation lasts."""

    def __init__(
        self,
        name: str,
        wanted: Selector,
        machines: Sequence[Machine],
        *,
        home: Machine | None,
        session_s: float,
        random: Random,
        trace: Trace,
    ) -> None:
        """``home`` is preferred while it runs; ``session_s`` is the mean length of a session."""
        self.name = name
        self.wanted = wanted
        self.seen: list[Seen] = []
        self.gaps: list[tuple[int, int]] = []
        self.endings: Counter[str] = Counter()
        self.progress = 0
        """Everything up to here reached it, or is in a gap."""
        self._machines = machines
        self._home = home
        self._session_s = session_s
        self._random = random
        self._trace = trace
        self._loop = asyncio.get_running_loop()
        self._context = copy_context()
        self._session = 0

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(self._random.uniform(*_DELAY_S))
            machine = self._machine()
            if machine.node is not None:
                await self._watch_at(machine.node)
            away_s = AWAY_S_MAX if self._random.random() < 0.1 else 0.5
            await asyncio.sleep(self._random.random() * away_s)

    def _machine(self) -> Machine:
        home = self._home
        if home is not None and home.node is not None and self._random.random() < 0.9:
            return home
        return self._random.choice(self._machines)

    async def _watch_at(self, process: Process) -> None:
        """One session; ends with the process, the watch, or after a random time."""
        self._session += 1
        ended = self._loop.create_future()

        def end() -> None:
            if not ended.done():
                ended.set_result(None)

        process.when_gone(end)
        process.gate.call_soon(self._serve, process.service, self._session, end)
        await asyncio.wait([ended], timeout=self._random.expovariate(1 / self._session_s))
        self._session += 1

    def _serve(self, service: KvService, session: int, end: Callable[[], None]) -> None:
        """Runs as a part of the node."""
        task = self._loop.create_task(self._pump(service, session))
        # Not before what it said last has arrived.
        task.add_done_callback(
            lambda _: self._loop.call_later(2 * _DELAY_S[1], end, context=self._context)
        )

    async def _pump(self, service: KvService, session: int) -> None:
        try:
            keys, puts, deletes = self.wanted.keys, self.wanted.puts, self.wanted.deletes
            watch = service.watch(keys, from_revision=self.progress + 1, puts=puts, deletes=deletes)
        except Compacted as error:
            self._later(self._miss, session, error.oldest_revision)
            return
        except KvorumError:
            return
        try:
            await self._pass_on(watch, session)
        except WatchEnded as ended:
            self.endings[ended.reason] += 1
            self._trace.tell(self.name, "watch ends:", ended.reason, ended.resume_revision)
            if ended.reason == "compacted":
                self._later(self._miss, session, ended.resume_revision)
        finally:
            watch.close()

    async def _pass_on(self, watch: Watch, session: int) -> None:
        slow = self._random.random() < 0.2
        while self._session == session:
            changes = await watch.next(0.5)
            self._later(self._take, session, changes, watch.progress)
            if slow:
                await asyncio.sleep(self._random.random() * 2)

    def _later(self, do: Callable[..., None], *args: object) -> None:
        # One delay for all: what a connection carries stays in order.
        self._loop.call_later(_DELAY_S[1], do, *args, context=self._context)

    def _take(self, session: int, changes: Sequence[Change], progress: int) -> None:
        if session != self._session:
            return
        for change in changes:
            new = [(e.key, e.record.value if e.record else None) for e in change.events]
            self.seen.append(Seen(change.revision, tuple(new)))
        self.progress = max(self.progress, progress)

    def _miss(self, session: int, oldest: int) -> None:
        """Revisions before ``oldest`` are not to be had any more."""
        if session == self._session and oldest > self.progress + 1:
            self.gaps.append((self.progress + 1, oldest))
            self.progress = oldest - 1
