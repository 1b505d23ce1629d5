"""Closed loops: so many connections, each with one request after the other, in turn on both."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.checking import (
    DisturbedError,
    check_replicas,
    check_run,
    check_writes,
    writes_between,
)
from bench.dialects import LOADS, Keys, Load
from bench.generators import Run, grpc_frame, h2load, put_request, range_request, wrk
from bench.results import Measure, Row
from bench.stage import Effort, Scene, Stage
from bench.systems import ETCD, ETCD_GRPC, System

CHECK_S = 2.0
"""Reading everything back, before and after."""


@dataclass(frozen=True)
class Timed:
    """A run, and what it took of the leader's processor per request."""

    run: Run
    processor_us: float


@dataclass(frozen=True)
class Throughput:
    """A load of ``LOADS`` from wrk; ``native`` adds etcd's gRPC with as many calls in flight."""

    group: str
    load: str
    at: str
    connections: int
    keys: Keys
    through: str = "leader"
    native: bool = False
    scene: Scene = Scene()  # noqa: RUF009 - it is frozen

    @property
    def title(self) -> str:
        return f"{LOADS[self.load].title}: {self.at}"

    def takes_s(self, effort: Effort) -> float:
        contenders = 3 if self.native else 2
        return CHECK_S + effort.rounds * contenders * (effort.seconds + 0.2)

    def run(self, stage: Stage) -> Sequence[Row]:
        stage.fill(self.keys)
        load = LOADS[self.load]
        before = {name: check_replicas(each, self.keys) for name, each in stage.systems.items()}
        turns = self._turns(stage)
        found: dict[str, list[Timed]] = {name: [] for name in turns}
        for _ in range(stage.effort.rounds):
            for name, turn in turns.items():
                found[name].append(turn())
                check_run(f"{name}, {self.title}", found[name][-1].run, load, self.keys.value_bytes)
        for name, system in stage.systems.items():
            runs = [each.run for contender in _same_store(name, found) for each in contender]
            writes = writes_between(before[name], check_replicas(system, self.keys))
            check_writes(
                f"{name}, {self.title}",
                load,
                writes,
                sum(run.requests for run in runs),
                len(runs) * (self.connections + 1),  # wrk makes one request to try the script
            )
        return self._rows(load, found, stage)

    def _turns(self, stage: Stage) -> Mapping[str, Callable[[], Timed]]:
        files = stage.request_files(self.load, self.keys)
        seconds = stage.effort.seconds

        def by_wrk(system: System, file: Path) -> Callable[[], Timed]:
            url = system.url(system.through(self.through))
            return lambda: timed(system, lambda: wrk(file, url, self.connections, seconds))

        turns = {name: by_wrk(stage.systems[name], file) for name, file in files.items()}
        if self.native:
            turns[ETCD_GRPC] = self._native(stage)
        return turns

    def _native(self, stage: Stage) -> Callable[[], Timed]:
        url = stage.etcd.url(stage.etcd.through(self.through))
        key, value = self.keys.name(0), self.keys.value(0)
        is_put = self.load == "put"
        message = (
            put_request(key.encode(), value.encode()) if is_put else range_request(key.encode())
        )
        body = stage.scratch / "etcd-grpc.body"
        body.write_bytes(grpc_frame(message))
        call = f"etcdserverpb.KV/{'Put' if is_put else 'Range'}"
        seconds = stage.effort.seconds
        return lambda: timed(stage.etcd, lambda: h2load(url, call, body, self.connections, seconds))

    def _rows(
        self, load: Load, found: Mapping[str, Sequence[Timed]], stage: Stage
    ) -> Sequence[Row]:
        rates = {
            name: [each.run.per_s * load.per_request for each in runs]
            for name, runs in found.items()
        }
        middle = {name: median(values) for name, values in rates.items()}
        stage.progress.found(", ".join(f"{name} {rate:,.0f}/s" for name, rate in middle.items()))
        picked: Mapping[Measure, Callable[[Timed], float | None]] = {
            "p50 ms": lambda each: each.run.p50_ms,
            "p99 ms": lambda each: each.run.p99_ms,
            "µs": lambda each: each.processor_us,
        }
        rows = [Row(self.load, self.at, "per second", rates)]
        for measure, pick in picked.items():
            values = {name: _known(pick, runs) for name, runs in found.items()}
            told = {name: known for name, known in values.items() if known}
            rows.append(Row(self.load, self.at, measure, told))
        return rows


def _known(pick: Callable[[Timed], float | None], runs: Sequence[Timed]) -> list[float]:
    return [value for value in map(pick, runs) if value is not None]


def _same_store(name: str, found: Mapping[str, list[Timed]]) -> Sequence[list[Timed]]:
    """The contenders that write into the same store."""
    names = (ETCD, ETCD_GRPC) if name == ETCD else (name,)
    return [found[each] for each in names if each in found]


def timed(system: System, run: Callable[[], Run]) -> Timed:
    """Run it, and look what the leader's processor did meanwhile."""
    leader = system.cluster.leader()
    before_s = system.processor_s(leader)
    ran = run()
    if system.cluster.leader() != leader:
        raise DisturbedError(f"{system.name}: another node leads than when the run began")
    took_s = system.processor_s(leader) - before_s
    return Timed(ran, 1e6 * took_s / max(1, ran.requests))
