"""Starts the nodes, waits for a leader, tells what happens, stops every node."""

import asyncio
import signal
from collections.abc import Mapping, Sequence
from typing import TextIO

from kvorum.cli.dev.child import Child, tail
from kvorum.cli.dev.leader import Leader, find_leader
from kvorum.cli.dev.plan import NodePlan, nearby
from kvorum.cli.dev.words import welcome

POLL_S = 0.2
PATIENCE_S = 30.0
STOP_TIMEOUT_S = 10.0
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Supervisor:
    """Owns the child processes; ``run`` returns only when none of them is left."""

    def __init__(self, nodes: Sequence[NodePlan], environ: Mapping[str, str], out: TextIO) -> None:
        self._nodes = nodes
        self._environ = environ
        self._out = out
        self._children: list[Child] = []
        self._stop = asyncio.Event()
        self._failed = False
        self._leader: Leader | None = None

    async def run(self) -> int:
        """0 if asked to stop, 1 if the nodes did not stay up."""
        self._handle_signals()
        names = ", ".join(node.name for node in self._nodes)
        self._say(f"starting {names}; waiting for a leader")
        try:
            async with asyncio.TaskGroup() as tasks:
                for child in await self._start_children():
                    tasks.create_task(self._watch(child))
                tasks.create_task(self._follow_leadership())
                await self._stop.wait()
                await self._stop_children()
        finally:
            self._signal_children(signal.SIGKILL)  # nothing outlives this process
        self._say("all nodes started here have stopped")
        return 1 if self._failed else 0

    async def _start_children(self) -> Sequence[Child]:
        for node in self._nodes:
            try:
                self._children.append(await Child.start(node, self._environ))
            except OSError as error:
                self._fail(f"{node.name} cannot be started: {error}")
                break
        return self._children

    def _fail(self, reason: str) -> None:
        self._say(reason)
        self._failed = True
        self._stop.set()

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, self._on_stop_signal)

    def _on_stop_signal(self) -> None:
        """The first one asks the nodes to stop, the second one makes them."""
        if self._stop.is_set():
            self._signal_children(signal.SIGKILL)
        self._stop.set()

    async def _watch(self, child: Child) -> None:
        await child.wait()
        if child.was_signalled:
            return
        running = sum(other.is_running for other in self._children)
        self._say(f"{child.plan.name} {child.how_it_ended()}; {running} of {self._size} nodes run")
        for line in tail(child.plan.log_file):
            self._say(f"  {child.plan.name} | {line}")
        self._say(f"  its log: {nearby(child.plan.log_file)}")
        self._say(f"  start it again: {child.plan.restart_command}")
        hopeless = self._leader is None and running < self._majority
        if (hopeless or not running) and not self._stop.is_set():
            self._fail(f"{self._majority} nodes are needed for a leader; giving up")

    @property
    def _size(self) -> int:
        return len(self._nodes)

    @property
    def _majority(self) -> int:
        """Of the cluster, of which not all members need to be on this machine."""
        return len(self._nodes[0].settings.members) // 2 + 1

    async def _follow_leadership(self) -> None:
        """Tells of every change of the leader; polls, because nobody pushes that."""
        loop = asyncio.get_running_loop()
        started_s = loop.time()
        complained = False
        while not await self._stopped_within(POLL_S):
            leader = await find_leader([node.settings.rest_address for node in self._nodes])
            if self._stop.is_set():
                return
            if leader is not None and leader != self._leader:
                self._tell_of(leader)
            waited_s = loop.time() - started_s
            if self._leader is None and waited_s > PATIENCE_S and not complained:
                complained = True
                logs = nearby(self._nodes[0].log_file.parent)
                self._say(f"no leader after {waited_s:.0f} s; the logs are in {logs}")

    def _tell_of(self, leader: Leader) -> None:
        first, self._leader = self._leader is None, leader
        self._say(f"{leader.name} leads in term {leader.term}")
        if first:
            print(welcome(self._children, leader), file=self._out, flush=True)

    async def _stopped_within(self, timeout_s: float) -> bool:
        try:
            async with asyncio.timeout(timeout_s):
                await self._stop.wait()
        except TimeoutError:
            return False
        return True

    async def _stop_children(self) -> None:
        self._say("stopping")
        self._signal_children(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await asyncio.gather(*(child.wait() for child in self._children))
        except TimeoutError:
            slow = [child.plan.name for child in self._children if child.is_running]
            self._say(f"{', '.join(slow)} did not stop within {STOP_TIMEOUT_S:.0f} s: killing")
            self._signal_children(signal.SIGKILL)

    def _signal_children(self, number: signal.Signals) -> None:
        for child in self._children:
            child.send(number)

    def _say(self, text: str) -> None:
        print(f"kvorum: {text}", file=self._out, flush=True)
