"""What was set as the aim, and whether a run met it."""

from collections.abc import Callable, Iterator, Sequence
from statistics import median

from msgspec import Struct

from bench.results import Ratio, Results, Row, ratio
from bench.systems import ETCD, ETCD_GRPC, KVORUM

ONE_K, BEFORE, DURING = "kvorum, 1 k keys", "before", "during"
"""Contenders that are kvorum itself, in other circumstances."""

MILLION = "1 M keys"
SNAPSHOT = "put beside a snapshot"
SNAPSHOT_AT = "1 M keys, on the leader, 64 connections"
RESIDENT = "resident memory of the leader"
SERVING = "time to serve again"
SERVING_AT = "kill -9 of a node, 1 M keys"
PAUSE = "pause of writes"
WATCH = "put to event"
WATCH_AT = "1,000 watchers, 1,000 keys, 1,000 puts/s"

Statistic = Callable[[Sequence[float]], float]


class Target(Struct, frozen=True):
    """A bound for a row's value, or for its ratio to another contender's."""

    title: str
    load: str
    at: str
    measure: str
    limit: float
    against: str = ""
    """The contender of the ratio; empty: the value itself is bounded."""
    of: str = KVORUM
    is_least: bool = False
    statistic: Statistic = median

    def bound(self) -> str:
        return f"{'≥' if self.is_least else '≤'} {self.limit:g}{self._unit()}"

    def shown(self, value: float) -> str:
        return f"{value:.2f}{self._unit()}"

    def _unit(self) -> str:
        return " ×" if self.against else f" {self.measure.split()[-1]}"

    def is_met_by(self, value: float) -> bool:
        return value >= self.limit if self.is_least else value <= self.limit


class Verdict(Struct, frozen=True):
    """``value`` is None for what a run did not measure."""

    target: Target
    value: float | None
    spread: Ratio | None

    @property
    def is_met(self) -> bool | None:
        return None if self.value is None else self.target.is_met_by(self.value)


def _rates() -> Iterator[Target]:
    for connections, limit in ((16, 2.5), (64, 3.0), (256, 3.0)):
        at = f"{connections} connections"
        title = f"put, {at}: rate"
        yield Target(title, "put", at, "per second", limit, ETCD, is_least=True)
    title = "put, 256 connections: rate against etcd's gRPC"
    yield Target(title, "put", "256 connections", "per second", 1.4, ETCD_GRPC, is_least=True)
    for connections in (64, 256):
        at = f"{connections} connections"
        for rival, suffix, limit in ((ETCD, "", 3.0), (ETCD_GRPC, " against etcd's gRPC", 1.0)):
            title = f"linearizable get, {at}: rate{suffix}"
            yield Target(title, "get", at, "per second", limit, rival, is_least=True)


def _pauses() -> Iterator[Target]:
    killed, stopped = "kill -9 of the leader, 3 nodes", "SIGTERM of the leader, 3 nodes"
    yield Target("no writes after kill -9 of the leader, median", PAUSE, killed, "s", 0.8)
    title = "no writes after kill -9 of the leader, worst"
    yield Target(title, PAUSE, killed, "s", 1.5, statistic=max)
    title = "no writes on SIGTERM of the leader, worst"
    yield Target(title, PAUSE, stopped, "s", 0.05, statistic=max)


TARGETS = (
    Target("put, 1 connection: p50", "put", "1 connection", "p50 ms", 0.8, ETCD),
    *_rates(),
    Target("put, 64 connections: p99", "put", "64 connections", "p99 ms", 1.0, ETCD),
    Target(
        "put with 1 M keys against 1 k keys",
        "put",
        f"64 connections, {MILLION}",
        "per second",
        0.9,
        ONE_K,
        is_least=True,
    ),
    Target(
        "put during a snapshot of 1 M keys against before: rate",
        SNAPSHOT,
        SNAPSHOT_AT,
        "per second",
        0.8,
        BEFORE,
        DURING,
        is_least=True,
    ),
    Target("the same: p99", SNAPSHOT, SNAPSHOT_AT, "p99 ms", 3.0, BEFORE, DURING),
    Target("the same: longest request", SNAPSHOT, SNAPSHOT_AT, "longest ms", 50, of=DURING),
    Target("resident memory of the leader with 1 M keys", RESIDENT, MILLION, "MiB", 1.0, ETCD),
    Target("time to serve again after kill -9, 1 M keys", SERVING, SERVING_AT, "s", 5.0),
    *_pauses(),
    Target("1,000 watchers, 1,000 puts/s: put to event, p99", WATCH, WATCH_AT, "p99 ms", 50),
)


def judge(results: Results) -> list[Verdict]:
    """One verdict for each target, in their order."""
    return [_judge_one(target, results) for target in TARGETS]


def _judge_one(target: Target, results: Results) -> Verdict:
    row = results.row(target.load, target.at, target.measure)
    values = row.values.get(target.of) if row else None
    if row is None or not values:
        return Verdict(target, None, None)
    if not target.against:
        return Verdict(target, target.statistic(values), None)
    found = _ratio_of(row, target)
    return Verdict(target, found.median if found else None, found)


def _ratio_of(row: Row, target: Target) -> Ratio | None:
    return ratio(row.values[target.of], row.values.get(target.against, ()))
