"""Which loads are measured, and how they vary.

Nothing is crossed with everything: number of connections, size of values, number of nodes and of
keys, and the way through a follower vary one at a time around three nodes, 1,000 keys of 256 bytes
and 64 connections to the leader.
"""

from collections.abc import Iterator, Sequence

from bench.dialects import Keys
from bench.failover import Failover
from bench.million import Million
from bench.stage import Effort, Scene, Step
from bench.throughput import Throughput
from bench.watching import Watching

CONNECTIONS = (1, 16, 64, 256)
QUICK_CONNECTIONS = (1, 64, 256)
BASE = Keys("base/")
LARGE, MANY = Scene("large values"), Scene("many keys")
FULL = Effort(rounds=5, seconds=3, trials=20)
QUICK = Effort(rounds=3, seconds=1, trials=3)


def connections_of(count: int) -> str:
    return "1 connection" if count == 1 else f"{count} connections"


def quick_plan() -> Sequence[Step]:
    """What can be told in two minutes."""
    return [*_puts_and_gets(QUICK_CONNECTIONS), Failover("failover")]


def full_plan() -> Sequence[Step]:
    return [
        *_puts_and_gets(CONNECTIONS),
        *_other_loads(),
        *_followers(),
        Watching("watch", keys=1000, puts_per_s=1000),
        Watching("fanout", keys=1, puts_per_s=10),
        *(Failover(group) for group in ("failover", "stop", "rolling")),
        *_values(),
        *_keys(),
        *_nodes(),
        Million(),
    ]


def chosen(steps: Sequence[Step], groups: Sequence[str]) -> Sequence[Step]:
    """Those of the groups, or all. Raises ``ValueError`` for a group that does not exist."""
    known = {step.group for step in steps}
    unknown = set(groups) - known
    if unknown:
        raise ValueError(f"no such load: {', '.join(sorted(unknown))}; there are {_named(steps)}")
    return [step for step in steps if not groups or step.group in groups]


def _named(steps: Sequence[Step]) -> str:
    return ", ".join(dict.fromkeys(step.group for step in steps))


def _puts_and_gets(counts: Sequence[int]) -> Iterator[Throughput]:
    for load in ("put", "get"):
        for count in counts:
            is_native = count == 256 or (load, count) == ("get", 64)
            yield Throughput(load, load, connections_of(count), count, BASE, native=is_native)


def _other_loads() -> Iterator[Throughput]:
    for load in ("stale", "mix", "cas", "range", "txn"):
        yield Throughput(load, load, connections_of(64), 64, BASE)
    yield Throughput("batch", "batch", connections_of(16), 16, Keys("batch/", count=4096))


def _values() -> Iterator[Throughput]:
    for title, size, count in (("4 KiB", 4096, 1000), ("64 KiB", 65536, 100)):
        keys = Keys(f"v{size}/", count=count, value_bytes=size)
        for load in ("put", "get"):
            yield Throughput(
                "values", load, f"64 connections, {title} values", 64, keys, scene=LARGE
            )


def _followers() -> Iterator[Throughput]:
    for load in ("put", "get"):
        at = "64 connections, through a follower"
        yield Throughput("followers", load, at, 64, BASE, through="follower")


def _nodes() -> Iterator[Throughput]:
    for nodes in (5, 7):
        for load in ("put", "get"):
            at, scene = f"64 connections, {nodes} nodes", Scene("more nodes", nodes)
            yield Throughput("nodes", load, at, 64, BASE, scene=scene)


def _keys() -> Iterator[Throughput]:
    for title, count in (("10 k", 10_000), ("100 k", 100_000)):
        keys = Keys(f"k{count}/", count=count)
        for load in ("put", "get"):
            yield Throughput("keys", load, f"64 connections, {title} keys", 64, keys, scene=MANY)
