"""Watches of whole nodes: on followers, over the death of nodes, over snapshots.

Time is virtual: a sleep decides the order of events, and nobody really waits.
"""

import asyncio
from asyncio import Task
from random import Random

import pytest

from kvorum.errors import OutcomeUnknown, Rejected, WatchEnded
from kvorum.mvcc.query import KeyRange, prefix_range, single_key
from kvorum.mvcc.record import Event
from kvorum.node.watching import Watch
from kvorum.raft.types import NodeId
from tests.integration.node.clients import write
from tests.support.node_cluster import NodeCluster, cluster_of
from tests.support.virtual_time import in_virtual_time

ALL = prefix_range(b"")


class Client:
    """Watches some keys, at whatever node is up, from where it was."""

    def __init__(self, cluster: NodeCluster, keys: KeyRange, random: Random) -> None:
        self.events: list[Event] = []
        self.moves = 0
        self._cluster = cluster
        self._keys = keys
        self._random = random
        self._progress = 0

    async def run(self) -> None:
        while True:
            await asyncio.sleep(0.01)
            node = self._random.choice(sorted(self._cluster.running))
            incarnation = self._cluster[node]
            watch = incarnation.service.watch(self._keys, from_revision=self._progress + 1)
            self.moves += 1
            while self._cluster.running.get(node) is incarnation:
                for change in await watch.next(self._random.uniform(0.001, 0.05)):
                    self.events += change.events
                self._progress = watch.progress
                if self._random.random() < 0.1:
                    break  # a broken connection
            watch.close()

    async def reached(self, revision: int) -> None:
        await self._cluster.until(lambda: self._progress >= revision, timeout_s=30)


async def write_on(cluster: NodeCluster, count: int, tag: str) -> None:
    """Through any node; what becomes of a single write does not matter."""
    for number in range(count):
        node = cluster.random.choice(sorted(cluster.running))
        key = b"k%d" % cluster.random.randrange(8)
        try:
            async with asyncio.timeout(0.1):
                if cluster.random.random() < 0.2:
                    await cluster[node].service.delete(f"{tag}-{number}", key)
                else:
                    await cluster[node].service.put(f"{tag}-{number}", key, b"%d" % number)
        except (Rejected, OutcomeUnknown, TimeoutError):
            pass


@pytest.mark.parametrize("seed", range(4))
@in_virtual_time
async def test_streams_are_the_log_while_nodes_are_killed(seed: int) -> None:
    """Ordered, unique and complete, wherever a client goes on."""
    async with cluster_of(3, seed=seed, snapshot_entries=60, snapshot_keep_entries=5) as cluster:
        await cluster.leader()
        ranges = (ALL, prefix_range(b"k"), single_key(b"k3"), KeyRange(b"k2", b"k6"))
        clients = [Client(cluster, keys, cluster.random) for keys in ranges]
        tasks: list[Task[None]] = [asyncio.create_task(client.run()) for client in clients]
        for number in range(5):
            await write_on(cluster, 40, f"up{number}")
            victim = cluster.random.choice(sorted(cluster.running))
            await cluster.crash(victim)
            await write_on(cluster, 40, f"down{number}")
            cluster.start(victim)
        await cluster.leader()
        await write(cluster, cluster.ids[0], b"end", b"1", "end")
        await cluster.level()
        machine = cluster[cluster.ids[0]].machine
        for client in clients:
            await client.reached(machine.revision)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        happened = machine.events(0, 1_000_000)
        assert len(happened) > 100
        assert sum(client.moves for client in clients) > 10
        for client, keys in zip(clients, ranges, strict=True):
            assert client.events == [event for event in happened if event.key in keys]


async def told(watch: Watch, upto: int) -> list[int]:
    revisions = list[int]()
    async with asyncio.timeout(10):
        while not revisions or revisions[-1] < upto:
            revisions += [change.revision for change in await watch.next(1)]
    return revisions


async def fall_behind(cluster: NodeCluster, writes: int) -> tuple[NodeId, NodeId, Watch]:
    """A follower that has missed so much that it needs a snapshot, and a watch there."""
    leader = await cluster.leader()
    late = cluster.others(leader)[0]
    await write(cluster, late, b"first", b"1", "first")
    watch = cluster[late].service.watch(ALL)
    cluster.network.isolate([late], cluster.others(late))
    for number in range(writes):
        await write(cluster, leader, b"a", b"%d" % number, f"w{number}")
    await cluster.until(lambda: cluster[leader].core.state.log.first_index > 10)
    return leader, late, watch


@in_virtual_time
async def test_a_watch_survives_a_snapshot_that_brings_the_history() -> None:
    async with cluster_of(3, snapshot_entries=20, snapshot_keep_entries=5) as cluster:
        leader, late, watch = await fall_behind(cluster, 60)
        begin, end = watch.revision, cluster[leader].machine.revision
        assert await watch.next(0.1) == ()
        cluster.network.heal()
        assert await told(watch, end) == list(range(begin + 1, end + 1))
        assert cluster[late].counted("kvorum_snapshots_installed_total") == 1


@in_virtual_time
async def test_a_watch_ends_at_a_snapshot_whose_history_begins_later() -> None:
    async with cluster_of(3, snapshot_entries=20, snapshot_keep_entries=5) as cluster:
        leader, late, watch = await fall_behind(cluster, 30)
        compacted = cluster[leader].machine.revision
        await cluster[leader].service.compact("compact", compacted)
        for number in range(60):
            await write(cluster, leader, b"a", b"%d" % number, f"v{number}")
        end = cluster[leader].machine.revision
        cluster.network.heal()
        with pytest.raises(WatchEnded) as info:
            await told(watch, end)
        assert info.value.reason == "compacted"
        assert info.value.resume_revision == compacted + 1
        again = cluster[late].service.watch(ALL, from_revision=info.value.resume_revision)
        assert await told(again, end) == list(range(compacted + 1, end + 1))


@in_virtual_time
async def test_a_node_that_gives_up_its_requests_ends_its_watches() -> None:
    async with cluster_of(1) as cluster:
        node = await cluster.leader()
        await write(cluster, node, b"a", b"1", "w")
        watch = cluster[node].service.watch(ALL)
        reader = asyncio.create_task(watch.next(60))
        await asyncio.sleep(0.01)
        cluster[node].member.give_up_requests()
        with pytest.raises(WatchEnded) as info:
            await reader
        assert (info.value.reason, info.value.resume_revision) == ("stopping", 2)
        with pytest.raises(Rejected):
            cluster[node].service.watch(ALL)
