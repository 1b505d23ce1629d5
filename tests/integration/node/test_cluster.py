"""Whole nodes together: what was acknowledged stays, what was rejected never happened.

Time is virtual: a sleep decides the order of events, and nobody really waits.
"""

import asyncio
from asyncio import Future

import pytest

from kvorum.errors import NoLeader, OutcomeUnknown, Rejected
from kvorum.mvcc.outcome import Outcome
from tests.integration.node.clients import assert_same_state, value, write
from tests.support.node_cluster import NodeCluster, cluster_of
from tests.support.virtual_time import in_virtual_time

SEEDS = range(8)


@pytest.mark.parametrize("size", [1, 3, 5])
@in_virtual_time
async def test_every_node_takes_writes_and_reads(size: int) -> None:
    async with cluster_of(size) as cluster:
        await cluster.leader()
        for node in cluster.ids:
            outcome = await cluster[node].service.put(f"r-{node}", node.encode(), b"1")
            assert outcome.success
            for reader in cluster.ids:
                assert await value(cluster, reader, node.encode()) == b"1"
        outcome = await cluster[cluster.ids[-1]].service.delete("gone", b"n1")
        assert outcome.revision == size + 1
        assert [await value(cluster, node, b"n1") for node in cluster.ids] == [None] * size


@in_virtual_time
async def test_many_writes_at_once_share_few_entries() -> None:
    async with cluster_of(3) as cluster:
        leader = await cluster.leader()
        await cluster.level()
        before = cluster[leader].core.state.log.last_index
        writes = [
            cluster[node].service.put(f"{node}-{number}", b"k", b"1")
            for number in range(200)
            for node in cluster.ids
        ]
        outcomes = await asyncio.gather(*writes)
        assert sorted(outcome.revision for outcome in outcomes) == list(range(1, 601))
        assert cluster[leader].core.state.log.last_index - before <= 6


@pytest.mark.parametrize("seed", SEEDS)
@in_virtual_time
async def test_a_leaders_crash_loses_no_acknowledged_write_and_doubles_none(seed: int) -> None:
    async with cluster_of(3, seed=seed) as cluster:
        leader = await cluster.leader()
        writes: dict[str, Future[Outcome]] = {}
        for number in range(120):
            node = cluster.ids[number % 3]
            if node in cluster.running:
                request_id = f"{node}-{number}"
                key = request_id.encode()
                writes[request_id] = cluster[node].service.put(request_id, key, b"1")
            if number == 60:
                await cluster.crash(leader)
            await asyncio.sleep(cluster.random.uniform(0, 0.001))
        await asyncio.wait(writes.values(), timeout=10)
        assert all(future.done() for future in writes.values())
        cluster.start(leader)
        await cluster.leader()
        fates = await _assert_fates(cluster, writes)
        assert fates["acknowledged"] >= 60
        assert fates["unknown"] <= 40  # of the crashed leader's own clients


async def _assert_fates(cluster: NodeCluster, writes: dict[str, Future[Outcome]]) -> dict[str, int]:
    """Acknowledged: there, once. Rejected: not there. Unknown: at most once."""
    await write(cluster, cluster.ids[0], b"last", b"1", "last")
    await asyncio.gather(*(cluster[node].service.catch_up() for node in cluster.running))
    fates = {"acknowledged": 0, "unknown": 0, "rejected": 0}
    for node in cluster.running.values():
        for request_id, future in writes.items():
            record = node.machine.get(request_id.encode())
            error = future.exception()
            if error is None:
                assert record is not None, f"{request_id} was acknowledged and is lost"
                assert record.mod_revision == future.result().revision
            elif isinstance(error, Rejected):
                assert record is None, f"{request_id} was rejected and is there"
            else:
                assert isinstance(error, OutcomeUnknown)
            assert record is None or record.version == 1, f"{request_id} was applied twice"
    for future in writes.values():
        error = future.exception()
        fates[
            "acknowledged"
            if error is None
            else "rejected"
            if isinstance(error, Rejected)
            else "unknown"
        ] += 1
    return fates


@pytest.mark.parametrize("seed", SEEDS)
@in_virtual_time
async def test_nothing_promised_is_broken_whatever_fails(seed: int) -> None:
    """Loss, crashes, cuts and wrong clocks; then everyone agrees and nothing is left over."""
    async with cluster_of(5, seed=seed, request_timeout_s=0.5) as cluster:
        cluster.network.loss = 0.05
        writes: dict[str, Future[Outcome]] = {}
        for number in range(300):
            await _misfortune(cluster)
            node = cluster.random.choice(list(cluster.running))
            request_id = f"w-{number}"
            try:
                future = cluster[node].service.put(request_id, request_id.encode(), b"1")
            except Rejected as error:
                future = asyncio.get_running_loop().create_future()
                future.set_exception(error)
            writes[request_id] = future
            await asyncio.sleep(cluster.random.uniform(0, 0.02))
        await asyncio.wait(writes.values(), timeout=10)
        await _mend(cluster)
        fates = await _assert_fates(cluster, writes)
        assert fates["acknowledged"] > 5  # else the seed tests nothing
        await assert_same_state(cluster)
        await _assert_nothing_waits(cluster)


async def _misfortune(cluster: NodeCluster) -> None:
    """Rarely something; never more than two of five nodes down at a time."""
    fate = cluster.random.random()
    down = cluster.others(*cluster.running)
    if fate < 0.01 and len(down) < 2:
        await cluster.crash(cluster.random.choice(list(cluster.running)))
    elif fate < 0.03 and down:
        cluster.start(down[0])
    elif fate < 0.04:
        alone = cluster.random.sample(cluster.ids, cluster.random.randint(1, 2))
        cluster.network.isolate(alone, cluster.others(*alone))
    elif fate < 0.06:
        cluster.network.heal()


async def _mend(cluster: NodeCluster) -> None:
    cluster.network.heal()
    cluster.network.loss = 0.0
    down = cluster.others(*cluster.running)
    if down:
        cluster.start(*down)
    await cluster.leader()


async def _assert_nothing_waits(cluster: NodeCluster) -> None:
    def idle() -> bool:
        return all(
            not (node.proposals.pending or node.proposals.writes.size_bytes or node.reads.pending)
            and not node.proposals._batches
            and not node.proposals.writes._by_age
            for node in cluster.running.values()
        )

    await cluster.until(idle)


@pytest.mark.parametrize("seed", SEEDS)
@in_virtual_time
async def test_a_read_never_misses_a_write_acknowledged_before_it(seed: int) -> None:
    """One writer counts up; whoever reads later, anywhere, sees at least that."""
    async with cluster_of(5, seed=seed, request_timeout_s=0.3) as cluster:
        cluster.network.loss = 0.02
        acknowledged = 0
        reads_done = 0
        stop = asyncio.Event()

        async def read_on(number: int) -> None:
            nonlocal reads_done
            while not stop.is_set():
                await asyncio.sleep(cluster.random.uniform(0, 0.01))
                node = cluster.ids[number]
                if node not in cluster.running:
                    continue
                floor = acknowledged
                try:
                    result = await cluster[node].service.get("r", b"counter")
                except Rejected:
                    continue
                seen = int(result.record.value) if result.record else 0
                assert seen >= floor, f"{node} read {seen} after {floor} was acknowledged"
                reads_done += 1

        async with asyncio.TaskGroup() as tasks:
            for number in range(5):
                tasks.create_task(read_on(number))
            for number in range(1, 101):
                await _misfortune(cluster)
                await _count(cluster, number)
                acknowledged = number
            stop.set()
        assert reads_done > 100
        await _mend(cluster)


async def _count(cluster: NodeCluster, number: int) -> None:
    """One write, repeated under its id through changing nodes until it is acknowledged."""
    async with asyncio.timeout(30):
        while True:
            node = cluster.random.choice(list(cluster.running))
            try:
                put = cluster[node].service.put(f"count-{number}", b"counter", b"%d" % number)
                outcome = await put
            except (Rejected, OutcomeUnknown):
                await _misfortune(cluster)
                await asyncio.sleep(0.01)
            else:
                assert outcome.success
                return


@in_virtual_time
async def test_one_request_id_through_two_nodes_applies_once() -> None:
    async with cluster_of(3) as cluster:
        await cluster.leader()
        outcomes = await asyncio.gather(
            *(cluster[node].service.put("same", b"k", b"1") for node in cluster.ids)
        )
        assert [outcome.revision for outcome in outcomes] == [1, 1, 1]
        await cluster.level()
        for node in cluster.running.values():
            record = node.machine.get(b"k")
            assert record is not None
            assert record.version == 1


@pytest.mark.parametrize("seed", SEEDS)
@in_virtual_time
async def test_one_request_id_across_a_leader_change_applies_once(seed: int) -> None:
    """The leader takes a write and is gone before it answers; the client asks elsewhere."""
    async with cluster_of(3, seed=seed) as cluster:
        leader = await cluster.leader()
        follower = cluster.others(leader)[0]
        first = cluster[leader].service.put("same", b"k", b"1")
        forwarded = cluster[follower].service.put("same", b"k", b"1")
        await asyncio.sleep(cluster.random.uniform(0, 0.004))
        await cluster.crash(leader)
        fate = first.exception()
        assert fate is None or isinstance(fate, (OutcomeUnknown, NoLeader))
        again = await write(cluster, cluster.others(leader)[1], b"k", b"1", "same")
        assert (await forwarded).revision == again.revision == 1
        cluster.start(leader)
        await cluster.leader()
        assert (await write(cluster, leader, b"k", b"2", "same")).revision == 1
        await cluster.level()
        record = cluster[leader].machine.get(b"k")
        assert record is not None
        assert (record.value, record.version) == (b"1", 1)


@in_virtual_time
async def test_a_restart_of_all_loses_nothing_and_terms_never_go_back() -> None:
    async with cluster_of(3) as cluster:
        leader = await cluster.leader()
        for number in range(50):
            await cluster[leader].service.put(f"r{number}", b"k%d" % number, b"%d" % number)
        terms = {node: cluster[node].core.state.term for node in cluster.ids}
        await cluster.crash(*cluster.ids)
        cluster.start()
        for node in cluster.ids:
            assert cluster[node].core.state.term >= terms[node] > 0
        await cluster.leader()
        for node in cluster.ids:
            for number in range(50):
                assert await value(cluster, node, b"k%d" % number) == b"%d" % number
        assert (await cluster[cluster.ids[0]].service.put("r7", b"k", b"1")).revision == 8
