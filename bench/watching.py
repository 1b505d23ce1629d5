"""From a put to the event that tells a watcher of it.

Puts begin when they are due, whatever became of those before, and carry their number as their
value; the time of one that found no free connection runs from when it was due. Watchers spread
evenly over the keys. Every event has to arrive exactly once.
"""

import asyncio
import gc
import time
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

import uvloop
from msgspec import Struct

from bench.checking import WrongDataError
from bench.connections import Connection
from bench.dialects import Dialect, number_value
from bench.results import Measure, Row, share
from bench.stage import Effort, Scene, Stage
from bench.systems import HOST, System

WATCHERS = 1000
CONNECTIONS = 64
"""That write."""
VALUE_BYTES = 256
SETTLE_S = 10.0
"""For what is still on its way when the last put was sent."""
PACE_S = 0.001
_TOGETHER = 100
"""Watches that are opened at a time."""
_MARK = b'"value":"'


class Events:
    """Finds the numbers in a stream, however it is cut into pieces."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._rest = b""

    def feed(self, data: bytes) -> list[int]:
        found = []
        data = self._rest + data
        place = data.find(_MARK)
        size = self._dialect.number_bytes
        while place >= 0 and place + len(_MARK) + size <= len(data):
            begin = place + len(_MARK)
            found.append(self._dialect.number_of(data[begin : begin + size]))
            place = data.find(_MARK, begin)
        self._rest = data[place:] if place >= 0 else data[-len(_MARK) + 1 :]
        return found


class Arrivals:
    """Which puts were heard of, and when, by all watchers together."""

    def __init__(self, expected: int) -> None:
        self._expected = expected
        self.log: list[tuple[int, float]] = []
        self.complete = asyncio.Event()

    def add(self, number: int, at_s: float) -> None:
        self.log.append((number, at_s))
        if len(self.log) >= self._expected:
            self.complete.set()


class Watcher(asyncio.Protocol):
    """One stream."""

    def __init__(self, dialect: Dialect, key: str, arrivals: Arrivals) -> None:
        self._dialect = dialect
        self._key = key
        self._arrivals = arrivals
        self._events = Events(dialect)
        self._head = b""
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(self._dialect.watch(self._key))

    def data_received(self, data: bytes) -> None:
        now_s = time.monotonic()
        if not self.opened.done():
            self._head += data
            if self._dialect.watch_opened in self._head:
                self.opened.set_result(None)
        for number in self._events.feed(data):
            self._arrivals.add(number, now_s)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(exc or ConnectionError(f"no watch: {self._head.decode()}"))


class Puts:
    """Put ``number`` is due ``number / per_s`` seconds after the begin, and goes round the keys."""

    def __init__(self, dialect: Dialect, keys: Sequence[str], per_s: float) -> None:
        self._dialect = dialect
        self._keys = keys
        self._per_s = per_s
        self._waiting: deque[int] = deque()
        self._free: list[Connection] = []
        self.due_s: list[float] = []
        self.answered = 0

    async def run(self, port: int, count: int) -> None:
        """Returns when all are answered. Raises ``RuntimeError`` for one that is not 200."""
        self._free = [await Connection.open(port) for _ in range(CONNECTIONS)]
        connections = list(self._free)
        began_s = time.monotonic()
        async with asyncio.TaskGroup() as sending:
            while len(self.due_s) < count:
                due = min(count, int((time.monotonic() - began_s) * self._per_s) + 1)
                for number in range(len(self.due_s), due):
                    self.due_s.append(began_s + number / self._per_s)
                    self._waiting.append(number)
                while self._waiting and self._free:
                    sending.create_task(self._send(self._free.pop()))
                await asyncio.sleep(PACE_S)
        for connection in connections:
            connection.close()

    async def _send(self, connection: Connection) -> None:
        """What is waiting, one after the other, then the connection is free again."""
        while self._waiting:
            number = self._waiting.popleft()
            key = self._keys[number % len(self._keys)]
            done = await connection.send(self._dialect.put(key, number_value(number, VALUE_BYTES)))
            if done.status != 200:
                raise RuntimeError(f"a put was answered {done.status}")
            self.answered += 1
        self._free.append(connection)


class Delivery(Struct, frozen=True):
    """Of one run: times from when a put was due to the arrival of each of its events."""

    p50_ms: float
    p99_ms: float
    longest_ms: float


async def deliver(system: System, keys: int, per_s: float, seconds: float) -> Delivery:
    """``WATCHERS`` on the leader, puts through the leader. Raises ``WrongDataError``."""
    names = [f"watched/{number:05}" for number in range(keys)]
    port = system.port(system.cluster.leader())
    count = int(per_s * seconds)
    each = Counter(number % keys for number in range(WATCHERS))
    expected = Counter({number: each[number % keys] for number in range(count)})
    arrivals = Arrivals(expected.total())
    watchers = await _open(system, port, names, arrivals)
    gc.collect()
    gc.freeze()  # the collector's pauses here are no delay of the node's
    puts = Puts(system.dialect, names, per_s)
    await puts.run(port, count)
    with suppress(TimeoutError):  # what has not come by then is missing
        await asyncio.wait_for(arrivals.complete.wait(), SETTLE_S)
    for watcher in watchers:
        assert watcher.transport is not None, "it was opened"
        watcher.transport.close()
    gc.unfreeze()
    arrived = Counter(number for number, _ in arrivals.log)
    if arrived != expected:
        raise WrongDataError(
            f"{system.name}: {arrived.total()} events instead of {expected.total()}"
        )
    took_ms = [1000 * (at_s - puts.due_s[number]) for number, at_s in arrivals.log]
    return Delivery(share(took_ms, 0.5), share(took_ms, 0.99), max(took_ms))


async def _open(
    system: System, port: int, names: Sequence[str], arrivals: Arrivals
) -> list[Watcher]:
    loop = asyncio.get_running_loop()
    watchers: list[Watcher] = []

    async def one(number: int) -> None:
        key = names[number % len(names)]
        _, watcher = await loop.create_connection(
            lambda: Watcher(system.dialect, key, arrivals), HOST, port
        )
        await watcher.opened
        watchers.append(watcher)

    for first in range(0, WATCHERS, _TOGETHER):
        await asyncio.gather(*(one(first + number) for number in range(_TOGETHER)))
    return watchers


@dataclass(frozen=True)
class Watching:
    """``WATCHERS`` spread over so many keys, and puts of these keys at a fixed pace."""

    group: str
    keys: int
    puts_per_s: float
    scene: Scene = Scene()  # noqa: RUF009 - it is frozen

    @property
    def at(self) -> str:
        keys = "1 key" if self.keys == 1 else f"{self.keys:,} keys"
        return f"{WATCHERS:,} watchers, {keys}, {self.puts_per_s:,.0f} puts/s"

    @property
    def title(self) -> str:
        return f"put to event: {self.at}"

    def takes_s(self, effort: Effort) -> float:
        return effort.rounds * 2 * (effort.seconds + 2.0)

    def run(self, stage: Stage) -> Sequence[Row]:
        found: dict[str, list[Delivery]] = {name: [] for name in stage.systems}
        for _ in range(stage.effort.rounds):
            for name, system in stage.systems.items():
                run = deliver(system, self.keys, self.puts_per_s, stage.effort.seconds)
                found[name].append(uvloop.run(run))
        for name, each in found.items():
            last = each[-1]
            stage.progress.found(f"{name} p50 {last.p50_ms:.1f} ms, p99 {last.p99_ms:.1f} ms")
        picked: dict[Measure, dict[str, list[float]]] = {
            "p50 ms": {name: [run.p50_ms for run in runs] for name, runs in found.items()},
            "p99 ms": {name: [run.p99_ms for run in runs] for name, runs in found.items()},
            "longest ms": {name: [run.longest_ms for run in runs] for name, runs in found.items()},
        }
        return [Row("put to event", self.at, measure, of) for measure, of in picked.items()]
