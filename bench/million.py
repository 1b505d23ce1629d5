"""A million keys: the import, memory, rates, a snapshot under load, and a node that comes back.

One scene of its own, one part after the other on the same data, which is read back as a whole at
the end.
"""

import http.client
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median

import uvloop
from msgspec import Struct

from bench.checking import check_replicas, check_run, check_writes
from bench.connections import send_all
from bench.dialects import BATCH, LOADS, Keys, each_batch
from bench.generators import Run, frames, wrk
from bench.local_cluster import local_cluster
from bench.results import Row
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
BEFORE_S = 3
RESTARTS = 3
WARM_UP_S = 15
"""Of puts to few keys, so that history and outcomes are full there too, as after an import."""
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

    keys: Keys = Keys("million/", count=1_000_000)  # noqa: RUF009 - they are frozen
    group: str = "million"
    scene: Scene = Scene("a million keys")  # noqa: RUF009 - it is frozen

    @property
    def title(self) -> str:
        return f"{self.keys.count:,} keys: import, rates, snapshot, restart"

    def takes_s(self, effort: Effort) -> float:
        per_million = 2 * 60 + 2 * 30 + 90 + RESTARTS * 10
        rates = 5 * effort.rounds * (effort.seconds + 0.2) + 2 * WARM_UP_S + 20
        return rates + effort.rounds * 12 + per_million * self.keys.count / 1e6

    def run(self, stage: Stage) -> Sequence[Row]:
        written = {name: Written() for name in stage.systems}
        rows = [self._import(stage), self._resident(stage)]
        for load in ("put", "get"):
            rows.extend(self._rates(stage, load, written))
        rows.append(self._restarts(stage))
        rows.extend(self._snapshots(stage, written[stage.kvorum.name]))
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
        """Also of a cluster with few keys, in turn with the large ones; no snapshot is due."""
        for node in stage.kvorum.cluster.nodes:
            take_snapshot(stage.kvorum.port(node))
        runs: dict[str, list[Run]] = {name: [] for name in (*stage.systems, ONE_K)}
        with local_cluster(3, offset=PORT_OFFSET) as cluster:
            small, few = Kvorum(cluster), Keys("few/")
            small.fill(few)
            files = dict(stage.request_files(load, self.keys))
            files[ONE_K] = stage.scratch / "few.requests"
            files[ONE_K].write_bytes(frames(LOADS[load].requests(small.dialect, few)))
            puts = stage.scratch / "warm-up.requests"
            puts.write_bytes(frames(LOADS["put"].requests(small.dialect, few)))
            wrk(puts, small.url(cluster.leader()), CONNECTIONS, WARM_UP_S)
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

    def _snapshots(self, stage: Stage, written: Written) -> Sequence[Row]:
        """Writes before and during a snapshot on the leader of kvorum, once in each round."""
        node = stage.kvorum.cluster.leader()
        url, port = stage.kvorum.url(node), stage.kvorum.port(node)
        file = stage.request_files("put", self.keys)[stage.kvorum.name]

        def second() -> Run:
            ran = wrk(file, url, CONNECTIONS, 1)
            check_run(self.title, ran, LOADS["put"], self.keys.value_bytes)
            written.add(ran.requests, CONNECTIONS)
            return ran

        before: list[Run] = []
        during: list[Run] = []
        for _ in range(stage.effort.rounds):
            take_snapshot(port)  # so that none of its own is due soon
            before.append(together([second() for _ in range(BEFORE_S)]))
            began_s = time.monotonic()
            with ThreadPoolExecutor(1) as pool:
                running = pool.submit(take_snapshot, port)
                during.append(together(until_done(running, second)))
            stage.progress.found(
                f"snapshot in {time.monotonic() - began_s:.0f} s: "
                f"before {_told(before[-1])}; during {_told(during[-1])}"
            )
        return _rows_of(SNAPSHOT, SNAPSHOT_AT, {BEFORE: before, DURING: during})


def until_done(running: Future[None], second: Callable[[], Run]) -> list[Run]:
    """A second after the other until the task has ended; not the last, which outlasted it."""
    runs = [second()]
    while not running.done():
        runs.append(second())
    running.result()
    return runs[:-1] or runs


def together(runs: Sequence[Run]) -> Run:
    """As one; its latencies are those of the middle run, but for the longest."""
    return Run(
        requests=sum(run.requests for run in runs),
        seconds=sum(run.seconds for run in runs),
        p50_ms=median(run.p50_ms or 0.0 for run in runs),
        p99_ms=median(run.p99_ms or 0.0 for run in runs),
        longest_ms=max(run.longest_ms or 0.0 for run in runs),
        bytes_read=sum(run.bytes_read for run in runs),
        refused=sum(run.refused for run in runs),
        broken=sum(run.broken for run in runs),
    )


def _told(run: Run) -> str:
    return f"{run.per_s:,.0f}/s, p99 {run.p99_ms:.0f} ms, longest {run.longest_ms:.0f} ms"


def _rows_of(load: str, at: str, runs: Mapping[str, Sequence[Run]]) -> Sequence[Row]:
    rates = {name: [run.per_s for run in each] for name, each in runs.items()}
    p99s = {name: [run.p99_ms or 0.0 for run in each] for name, each in runs.items()}
    longest = {name: [run.longest_ms or 0.0 for run in each] for name, each in runs.items()}
    return [
        Row(load, at, "per second", rates),
        Row(load, at, "p99 ms", p99s),
        Row(load, at, "longest ms", longest),
    ]


def take_snapshot(port: int) -> None:
    """Returns when it is complete and durable: a backup of the present state needs a fresh one."""
    connection = http.client.HTTPConnection(HOST, port, timeout=120)
    connection.request("HEAD", "/snapshot")
    response = connection.getresponse()
    response.read()
    connection.close()
    if response.status != 200:
        raise RuntimeError(f"HEAD /snapshot was answered {response.status}")
