"""The shape of the hot path, in numbers: a thousand puts share syncs, frames, entries and turns.

Three members in this process, with real logs and gRPC between them. Nothing is timed: the members'
clocks stand still, so there are no heartbeats either, and whatever is counted is caused by puts.
"""

import asyncio
import os
from asyncio import Future, Task
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from kvorum.mvcc.outcome import Outcome
from kvorum.mvcc.query import KeyRange
from kvorum.mvcc.state_machine import StateMachine
from kvorum.node.loading import Origin
from kvorum.node.member import Member, Ports
from kvorum.node.watching import Watch
from kvorum.raft.membership import Membership
from kvorum.raft.messages import Message, TimeoutNow
from kvorum.raft.types import Index, NodeId, Term
from kvorum.storage.fs import OsFileSystem
from kvorum.storage.wal import Wal, create_log, open_log
from kvorum.storage.worker import ThreadWorker
from kvorum.telemetry.metrics import MemberMetrics
from kvorum.transport.transport import Transport
from tests.integration.transport.harness import Recorder, free_addresses, node_options
from tests.support.memory_snapshots import MemorySnapshots
from tests.support.node_cluster import OPTIONS
from tests.support.wait import soon
from tests.unit.node.fakes import FakeClock
from tests.unit.transport.fakes import FakeRegistrar

PUTS = 1000
NEVER_S = 3600.0
SLACK = 4
"""Batches more than answers that clients wait for: one that began without some of them."""
TURNS_PER_BATCH = 5
"""It is proposed, two followers acknowledge it, our own disk does; one may come between."""


def nobody_watches(
    keys: KeyRange, *, from_revision: int | None, puts: bool, deletes: bool
) -> Watch:
    raise AssertionError("nobody calls for watches here")


class Machine:
    """One member, its log and its transport."""

    def __init__(self, addresses: Sequence[str], number: int, log: Wal) -> None:
        self.id = NodeId(addresses[number - 1])
        self.frames = Recorder()
        self.log = log
        self.transport = Transport(
            node_options(addresses, number),
            self._deliver,
            FakeRegistrar(),
            nobody_watches,
            observer=self.frames,
        )
        options = msgspec.structs.replace(
            OPTIONS, member=self.id, node_id=f"Node-{number}", tick_s=NEVER_S
        )
        self.member = Member(
            options,
            Origin(Membership(tuple(map(NodeId, addresses))), StateMachine()),
            Ports(
                log=log,
                snapshots=MemorySnapshots(),
                peers=self.transport,
                clock=FakeClock(),
                random_ticks=Random(number).randint,
                name_of=str,
            ),
            MemberMetrics(CollectorRegistry()),
        )

    def _deliver(self, messages: Sequence[Message]) -> None:
        self.member.deliver(messages)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        await self.transport.start()
        tasks = [asyncio.create_task(each.run()) for each in (self.transport, self.member)]
        try:
            yield
        finally:
            for task in reversed(tasks):
                task.cancel()
            await asyncio.wait(tasks)

    @property
    def last_index(self) -> Index:
        return self.member.core.state.log.last_index


@asynccontextmanager
async def three_machines(directory: Path) -> AsyncIterator[list[Machine]]:
    """The first one leads, and its term's first entry is committed."""
    addresses = free_addresses(3)
    async with AsyncExitStack() as stack:
        machines: list[Machine] = []
        for number in (1, 2, 3):
            worker = ThreadWorker("log")
            stack.push_async_callback(worker.close)
            place = directory / str(number)
            place.mkdir()
            create_log(OsFileSystem(), place)
            log, _ = open_log(OsFileSystem(), place, worker)
            stack.push_async_callback(log.close)
            machines.append(Machine(addresses, number, log))
        for machine in machines:
            await stack.enter_async_context(machine.running())
        await soon(lambda: all(len(machine.frames.up) == 2 for machine in machines))
        await _elect(machines[0], machines[1].id)
        yield machines


async def _elect(machine: Machine, sender: NodeId) -> None:
    machine.member.deliver([TimeoutNow(to=machine.id, sender=sender, term=Term(0))])
    state = machine.member.core.state
    await soon(lambda: machine.member.leadership.is_leader and state.log.commit == 1)
    await soon(lambda: all(each.match == 1 for each in state.progress.values()))


class Clients:
    """So many at once, each puts again as soon as it is answered, until ``PUTS`` are."""

    def __init__(self, machine: Machine, count: int) -> None:
        self._service = machine.member.service
        self._count = count
        self._begun = self._answered = 0
        self.all_done: Future[None] = asyncio.get_running_loop().create_future()

    def begin(self) -> None:
        for _ in range(self._count):
            self._put()

    def _put(self) -> None:
        self._begun += 1
        key = b"key-%d" % (self._begun % 100)
        put = self._service.put(f"request-{self._begun}", key, b'"value"')
        put.add_done_callback(self._next)

    def _next(self, done: "Future[Outcome]") -> None:
        assert done.result().success
        self._answered += 1
        if self._answered == PUTS:
            self.all_done.set_result(None)
        elif self._begun < PUTS:
            self._put()


class Counts:
    """What happens in this process from now on."""

    def __init__(self, machines: Sequence[Machine], patch: pytest.MonkeyPatch) -> None:
        self.syncs: list[str] = []
        self.tasks: list[str] = []
        self.turns = 0
        self._frames_before = [machine.frames.frames_sent.copy() for machine in machines]
        self._machines = machines
        for name in ("pwritev", "fsync", "fdatasync"):
            patch.setattr(os, name, self._counted_sync(name))
        core = machines[0].member.core
        ready = core.ready

        def counted_ready(*arguments: int, **named: int) -> Any:
            self.turns += 1
            return ready(*arguments, **named)

        patch.setattr(core, "ready", counted_ready)
        asyncio.get_running_loop().set_task_factory(self._counted_task)

    def _counted_sync(self, name: str) -> Any:
        call = getattr(os, name)

        def counted(*arguments: Any) -> Any:
            if name != "pwritev" or arguments[3:] == (os.RWF_DSYNC,):
                self.syncs.append(name)
            return call(*arguments)

        return counted

    def _counted_task(
        self, loop: asyncio.AbstractEventLoop, work: Any, **named: Any
    ) -> "Task[Any]":
        self.tasks.append(repr(work))
        return Task(work, loop=loop, **named)

    def frames(self, sender: int, receiver: int) -> int:
        """From one machine to another."""
        to = self._machines[receiver].id
        return self._machines[sender].frames.frames_sent[to] - self._frames_before[sender][to]


@pytest.mark.parametrize("clients", [PUTS, 50])
async def test_a_thousand_puts_share_what_they_need(
    clients: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is answered together comes back together, so that batches stay as large as they are.

    A batch costs one entry, one sync on each disk, one frame to each follower and one back.
    """
    rounds = PUTS // clients
    async with three_machines(tmp_path) as machines, asyncio.timeout(60):
        leader = machines[0]
        before = leader.last_index
        counts = Counts(machines, monkeypatch)
        load = Clients(leader, clients)
        load.begin()
        await load.all_done
        entries = leader.last_index - before
        await soon(lambda: all(machine.last_index == leader.last_index for machine in machines))
        print(
            clients,
            entries,
            len(counts.syncs),
            [(counts.frames(0, f), counts.frames(f, 0)) for f in (1, 2)],
            counts.turns,
            counts.tasks,
        )
        assert rounds <= entries <= 2 * rounds + SLACK
        assert len(counts.syncs) <= 3 * entries + SLACK
        for follower in (1, 2):
            assert counts.frames(0, follower) <= entries + SLACK
            assert counts.frames(follower, 0) <= entries + SLACK
        assert counts.turns <= TURNS_PER_BATCH * entries + SLACK
        assert counts.tasks == []
