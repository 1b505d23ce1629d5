"""A replica whose memory is wrong: the comparison of states must find it, and it alone."""

import asyncio
from random import Random
from unittest.mock import patch

from kvorum.testing.sim_clock import LoopClock
from kvorum.testing.sim_cluster import ClusterOptions, SimulatedCluster
from kvorum.testing.sim_node import RunningNode
from kvorum.testing.trace import Trace
from kvorum.testing.virtual_time import VirtualTimeLoop
from tests.support.raft_invariants import require

PATIENCE_S = 30.0
CALL_S = 10.0


def diverge(seed: int) -> None:
    loop = VirtualTimeLoop()
    with Trace(LoopClock(loop)).with_logs():
        try:
            loop.run_until_complete(_diverge(Random(seed), Trace(LoopClock(loop))))
        finally:
            loop.run_until_complete(_end_all())
            loop.close()


async def _end_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _diverge(random: Random, trace: Trace) -> None:
    cluster = SimulatedCluster(ClusterOptions(nodes=random.choice((3, 5))), random, trace)
    try:
        # The simulator's own comparison would be first.
        with patch.object(cluster.invariants, "_same_state"):
            await _go_astray(cluster, random)
    finally:
        cluster.close()


async def _go_astray(cluster: SimulatedCluster, random: Random) -> None:
    for machine in cluster.machines:
        cluster.start(machine)
    await cluster.until(lambda: cluster.leader is not None, PATIENCE_S, "a leader")
    await cluster.until(lambda: _all_know(cluster), PATIENCE_S, "all know it")
    await _write(cluster.running[0], "before")
    victim = random.choice(cluster.running)
    victim.machine._store.put(b"key", b'"a flipped bit"')
    await _until_noticed(cluster, victim)


def _all_know(cluster: SimulatedCluster) -> bool:
    return all(node.member.leadership.leader is not None for node in cluster.running)


async def _until_noticed(cluster: SimulatedCluster, victim: RunningNode) -> None:
    deadline_s = asyncio.get_running_loop().time() + PATIENCE_S
    number = 0
    while victim.member.fence.reason is None:
        in_time = asyncio.get_running_loop().time() < deadline_s
        require(in_time, "a replica that differs stops serving", victim.id)
        number += 1
        others = [node for node in cluster.running if node is not victim]
        await _write(others[number % len(others)], f"after-{number}")
        await asyncio.sleep(0.1)
    fenced = [node.id for node in cluster.running if node.member.fence.reason is not None]
    require(fenced == [victim.id], "only the one that differs stops serving", fenced)


async def _write(node: RunningNode, name: str) -> None:
    async with asyncio.timeout(CALL_S):
        await node.service.put(name, name.encode(), b"1")
