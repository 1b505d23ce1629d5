"""A million keys: the import, memory, rates, a snapshot under load, and a node that comes back.

One scene of its own, one part after the other on the same data, which is read back as a whole at
the end.
"""

import asyncio
import http.client
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count

import uvloop
from msgspec import Struct

from bench.checking import check_replicas, check_run, check_writes
from bench.connections import Connection, Done, send_all
from bench.dialects import BATCH, LOADS, Keys, each_batch
from bench.generators import Run, frames, wrk
from bench.local_cluster import local_cluster
from bench.results import Measure, Row, longest_gap, share
from bench.stage import Effort, Scene, Stage
from bench.systems import HOST, Kvorum, System
from bench.targets import (
    BEFORE,
    DURING,
    MILLION,
    ONE_K,
    RESIDENT,
    SERVING,
    SERVING_AT,
    SNAPSHOT,
    SNAPSHOT_AT,
)

CONNECTIONS = 64
IMPORTERS = 8
WRITERS = 16
BEFORE_S = 3.0
RESTARTS = 3
PORT_OFFSET = 20
"""Of the cluster with few keys beside the one with many."""


class Written(Struct):
    """What a system was sent after the import, to be compared with what it holds at the end."""

    requests: int = 0
    in_flight: int = 0

    def add(self, requests: int, connections: int) -> None:
        self.requests += requests
        self.in_flight += connections + 1


@dataclass(frozen=True)
class Million:
    """All parts, on ``keys``."""

    keys: Keys = Keys("million/", count=1_000_000)  # noqa: RUF009 - frozen
    group: str = "million"
    scene: Scene = Scene(start_s=13.0)  # noqa: RUF009 - frozen; not shared with other steps

    @property
    def title(self) -> str:
        return f"{self.keys.count:,} keys: import, rates, snapshot, restart"

    def takes_s(self, effort: Effort) -> float:
        per_million = 2 * 60 + 90 + RESTARTS * 10
        rates = 5 * effort.rounds * (effort.seconds + 0.2) + 20
        return rates + effort.rounds * 12 + per_million * self.keys.count / 1e6

    def run(self, stage: Stage) -> Sequence[Row]:
        written = {name: Written() for name in stage.systems}
        rows = [self._import(stage), self._resident(stage)]
        for load in ("put", "get"):
            rows.extend(self._rates(stage, load, written))
        rows.append(self._restarts(stage))
        rows.extend(uvloop.run(self._snapshots(stage, written)))
        stage.progress.found("reading everything back")
        for name, system in stage.systems.items():
            records = check_replicas(system, self.keys)
            writes = sum(record.version for record in records.values()) - self.keys.count
            sent = written[name]
            check_writes(name, LOADS["put"], writes, sent.requests, sent.in_flight)
        return rows

    def _import(self, stage: Stage) -> Row:
        rates = {}
        for name, system in stage.systems.items():
            began_s = time.monotonic()
            requests = each_batch(system.dialect, self.keys)
            port = system.port(system.cluster.leader())
            uvloop.run(send_all(port, requests, IMPORTERS))
            rates[name] = [self.keys.count / (time.monotonic() - began_s)]
            stage.progress.found(f"import: {name} {rates[name][0]:,.0f} keys/s")
        at = f"{MILLION}, batches of {BATCH}, {IMPORTERS} connections"
        return Row("import", at, "per second", rates)

    def _resident(self, stage: Stage) -> Row:
        found = {
            name: [system.resident_mib(system.cluster.leader())]
            for name, system in stage.systems.items()
        }
        told = ", ".join(f"{name} {values[0]:,.0f} MiB" for name, values in found.items())
        stage.progress.found(f"resident memory of the leader: {told}")
        return Row(RESIDENT, MILLION, "MiB", found)

    def _rates(self, stage: Stage, load: str, written: Mapping[str, Written]) -> Sequence[Row]:
        """Also of a cluster with few keys, in turn with the large ones."""
        runs: dict[str, list[Run]] = {name: [] for name in (*stage.systems, ONE_K)}
        with local_cluster(3, offset=PORT_OFFSET) as cluster:
            small, few = Kvorum(cluster), Keys("few/")
            small.fill(few)
            files = dict(stage.request_files(load, self.keys))
            files[ONE_K] = stage.scratch / "few.requests"
            files[ONE_K].write_bytes(frames(LOADS[load].requests(small.dialect, few)))
            systems: Mapping[str, System] = {**stage.systems, ONE_K: small}
            for _ in range(stage.effort.rounds):
                for name, system in systems.items():
                    url = system.url(system.cluster.leader())
                    ran = wrk(files[name], url, CONNECTIONS, stage.effort.seconds)
                    check_run(f"{name}, {self.title}", ran, LOADS[load], self.keys.value_bytes)
                    runs[name].append(ran)
                    if name in written and load == "put":
                        written[name].add(ran.requests, CONNECTIONS)
        told = ", ".join(f"{name} {each[-1].per_s:,.0f}/s" for name, each in runs.items())
        stage.progress.found(f"{load}, {CONNECTIONS} connections: {told}")
        return _rows_of(load, f"{CONNECTIONS} connections, {MILLION}", runs)

    def _restarts(self, stage: Stage) -> Row:
        """``kill -9`` of a follower: from its next start until it says that it serves."""
        took: dict[str, list[float]] = {name: [] for name in stage.systems}
        for _ in range(RESTARTS):
            for name, system in stage.systems.items():
                node = system.through("follower")
                system.cluster.stop(node, signal.SIGKILL)
                system.cluster.start(node)
                took[name].append(system.await_healthy(node))
        told = ", ".join(f"{name} {max(each):.1f} s" for name, each in took.items())
        stage.progress.found(f"time to serve again, worst of {RESTARTS}: {told}")
        return Row(SERVING, SERVING_AT, "s", took)

    async def _snapshots(self, stage: Stage, written: Mapping[str, Written]) -> Sequence[Row]:
        """Writes before and during a snapshot on the leader of kvorum, once in each round."""
        system = stage.kvorum
        port = system.port(system.cluster.leader())
        before, during = [], []
        writers = Writers(port, system, self.keys)
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(writers.run()) for _ in range(WRITERS)]
            for _ in range(stage.effort.rounds):
                await asyncio.to_thread(take_snapshot, port)  # none of its own will be due soon
                await asyncio.sleep(1.0)
                began_s = time.monotonic()
                await asyncio.sleep(BEFORE_S)
                begin_s = time.monotonic()
                await asyncio.to_thread(take_snapshot, port)
                end_s = time.monotonic()
                before.append(writers.between(began_s, begin_s))
                during.append(writers.between(begin_s, end_s))
                stage.progress.found(
                    f"snapshot in {end_s - begin_s:.1f} s: {before[-1].shown()} before, "
                    f"{during[-1].shown()} during"
                )
            for task in running:
                task.cancel()
        written[system.name].add(len(writers.done), WRITERS)
        found = {BEFORE: before, DURING: during}
        measures: Sequence[Measure] = ("per second", "p99 ms", "longest ms")
        return [
            Row(
                SNAPSHOT,
                SNAPSHOT_AT,
                measure,
                {
                    name: [each.values[measure] for each in windows]
                    for name, windows in found.items()
                },
            )
            for measure in measures
        ]


def _rows_of(load: str, at: str, runs: Mapping[str, Sequence[Run]]) -> Sequence[Row]:
    rates = {name: [run.per_s for run in each] for name, each in runs.items()}
    p99s = {name: [run.p99_ms or 0.0 for run in each] for name, each in runs.items()}
    return [Row(load, at, "per second", rates), Row(load, at, "p99 ms", p99s)]


def take_snapshot(port: int) -> None:
    """Returns when it is complete and durable: a backup of the present state needs a fresh one."""
    connection = http.client.HTTPConnection(HOST, port, timeout=120)
    connection.request("HEAD", "/snapshot")
    response = connection.getresponse()
    response.read()
    connection.close()
    if response.status != 200:
        raise RuntimeError(f"HEAD /snapshot was answered {response.status}")


class Window(Struct, frozen=True):
    """What writing was like for a while. ``longest ms`` is without any answer."""

    values: dict[str, float]

    def shown(self) -> str:
        return (
            f"{self.values['per second']:,.0f}/s, p99 {self.values['p99 ms']:.1f} ms, "
            f"longest pause {self.values['longest ms']:.1f} ms"
        )


class Writers:
    """Each task of ``run`` writes one key after the other on a connection of its own."""

    def __init__(self, port: int, system: System, keys: Keys) -> None:
        self._port = port
        self._system = system
        self._keys = keys
        self._numbers = count()
        self.done: list[Done] = []

    async def run(self) -> None:
        """Until cancelled."""
        connection = await Connection.open(self._port)
        try:
            while True:
                number = next(self._numbers) * 7919 % self._keys.count
                key, value = self._keys.name(number), self._keys.value(number)
                done = await connection.send(self._system.dialect.put(key, value))
                if done.status != 200:
                    raise RuntimeError(f"a write was answered {done.status}")
                self.done.append(done)
        finally:
            connection.close()

    def between(self, begin_s: float, end_s: float) -> Window:
        inside = [done for done in self.done if begin_s <= done.answered_s < end_s]
        gap_s = longest_gap([done.answered_s for done in inside], begin_s, end_s)
        return Window(
            {
                "per second": len(inside) / (end_s - begin_s),
                "p99 ms": 1000 * share([done.took_s for done in inside], 0.99),
                "longest ms": 1000 * gap_s,
            }
        )
