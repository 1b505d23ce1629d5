"""How long three pods take from the start of their processes until all are ready.

``PYTHONPATH=. .venv/bin/python bench/pods.py [TRIALS]`` (root): the chart's pods as processes in
namespaces of their own (tests/deploy/pods). A first start on empty disks, then restarts with
100,000 keys of 256 bytes: in order, and after ``kill -9`` of all. The clock runs from the start of
the first node's process to the last readiness; probes ask every 20 ms instead of every 2 s. Prints
a table.
"""

import asyncio
import json
import statistics
import sys
import time
import warnings
from pathlib import Path

from msgspec import Struct

from tests.chaos.rest_client import RestClient
from tests.deploy.pods.cluster import Cluster, Habits
from tests.deploy.pods.image import Image, compile_package, read_image
from tests.deploy.pods.objects import Manifest
from tests.deploy.pods.releases import Release

KEYS, VALUE, OPERATIONS = 100_000, "v" * 254, 100
VALUES = {
    "minReadySeconds": 0,
    "preStopSeconds": 0,
    "probes": {"startup": {"failureThreshold": 30_000}, "liveness": {"failureThreshold": 6000}},
}
HABITS = Habits(pace=0.01, dns_ttl_s=5.0)


class Measured(Struct):
    """Seconds until the last pod was ready, one for each trial."""

    first: list[float]
    again: list[float]
    killed: list[float]


def node_start_s(init: int) -> float:
    """When the node below the container's init began, on the clock that counts from boot."""
    children = Path(f"/proc/{init}/task/{init}/children").read_text().split()
    fields = Path(f"/proc/{children[0]}/stat").read_text().rpartition(")")[2].split()
    return int(fields[19]) / 100  # clock ticks


async def ready(cluster: Cluster) -> float:
    """Wait; seconds from the first process to the last readiness."""
    await cluster.settled(within_s=120.0)
    behind_s = time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic()
    pods = list(cluster.stateful_set.pods.values())
    began = [node_start_s(pod.container.pid) for pod in pods if pod.container is not None]
    return max(pod.ready_since_s for pod in pods) + behind_s - min(began)


async def fill(cluster: Cluster) -> None:
    with RestClient({0: (cluster.pod(0).ip, 8081)}) as client:
        for first in range(0, KEYS, OPERATIONS):
            puts = [
                {"put": {"key": f"key-{number:07}", "value": VALUE}}
                for number in range(first, first + OPERATIONS)
            ]
            answer = await client.ask(0, "POST", "/txn", {"then": puts})
            assert answer.status == 200, answer.text


async def restarted(cluster: Cluster, manifests: list[Manifest], *, orderly: bool) -> float:
    if not orderly:
        cluster.held |= {0, 1, 2}
        await asyncio.gather(*(pod.kill() for pod in cluster.pods()))
    await cluster.delete_set()
    cluster.held.clear()
    cluster.apply(manifests)
    return await ready(cluster)


async def trial(image: Image, measured: Measured) -> None:
    async with Cluster(image, HABITS) as cluster:
        manifests = await Release(cluster).manifests(VALUES)
        cluster.apply(manifests)
        measured.first.append(await ready(cluster))
        await fill(cluster)
        measured.again.append(await restarted(cluster, manifests, orderly=True))
        measured.killed.append(await restarted(cluster, manifests, orderly=False))


def table(measured: Measured) -> str:
    rows = {
        "first start, empty disks": measured.first,
        f"restart with {KEYS:,} keys": measured.again,
        f"after kill -9 of all, {KEYS:,} keys": measured.killed,
    }
    lines = [f"{'three pods, all ready':<36} {'median':>8} {'best':>8} {'worst':>8}  seconds"]
    for name, seconds in rows.items():
        best, worst = min(seconds), max(seconds)
        median = statistics.median(seconds)
        lines.append(f"{name:<36} {median:8.2f} {best:8.2f} {worst:8.2f}")
    return "\n".join(lines)


def main() -> int:
    warnings.simplefilter("error")
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    compile_package()
    image = read_image()
    measured = Measured([], [], [])
    for number in range(1, trials + 1):
        asyncio.run(trial(image, measured))
        latest = [row[-1] for row in (measured.first, measured.again, measured.killed)]
        print(f"trial {number}: {json.dumps([round(each, 2) for each in latest])}", flush=True)
    print(table(measured))
    return 0


if __name__ == "__main__":
    sys.exit(main())
