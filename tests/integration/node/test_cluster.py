"""Whole nodes together: what was acknowledged stays, what was rejected never happened."""

import asyncio
from asyncio import Future

import pytest

from kvorum.errors import NoLeader, OutcomeUnknown, Rejected
from kvorum.mvcc.outcome import Outcome
from kvorum.node.views import ReadResult
from kvorum.raft.messages import AppendEntries, Propose, ReadIndexResponse
from kvorum.raft.types import NodeId
from tests.support.node_cluster import NodeCluster, cluster_of
from tests.support.virtual_time import in_virtual_time

SEEDS = range(8)


async def value(cluster: NodeCluster, node: NodeId, key: bytes) -> bytes | None:
    """A linearizable read that is repeated while there is no leader."""
    async with asyncio.timeout(10):
        while True:
            try:
                result = await cluster[node].service.get("read", key)
            except Rejected:
                await asyncio.sleep(0.01)
            else:
                return result.record.value if result.record else None


async def write(
    cluster: NodeCluster, node: NodeId, key: bytes, new: bytes, request_id: str
) -> Outcome:
    """A write that is repeated under its id until its outcome is known."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await cluster[node].service.put(request_id, key, new)
            except (Rejected, OutcomeUnknown):
                await asyncio.sleep(0.01)


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
        await _assert_same_state(cluster)
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


async def _assert_same_state(cluster: NodeCluster) -> None:
    await cluster.level()
    first, *others = (node.machine for node in cluster.running.values())
    for machine in others:
        assert machine.revision == first.revision
        assert machine._store._records == first._store._records
        assert machine._outcomes._oldest_first == first._outcomes._oldest_first


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


@in_virtual_time
async def test_an_isolated_leader_refuses_to_read() -> None:
    async with cluster_of(3) as cluster:
        old = await cluster.leader()
        await cluster[old].service.put("first", b"k", b"1")
        rest = cluster.others(old)
        cluster.network.isolate([old], rest)
        early = cluster[old].service.get("early", b"k")
        new = await cluster.leader(rest)
        await cluster[new].service.put("second", b"k", b"2")
        late = _submitted(cluster, old)
        for read in (early, late):
            with pytest.raises(NoLeader):
                await read
        cluster.network.heal()
        assert await value(cluster, old, b"k") == b"2"


def _submitted(cluster: NodeCluster, node: NodeId) -> "Future[ReadResult]":
    """A read that may be refused at once."""
    try:
        return cluster[node].service.get("late", b"k")
    except NoLeader as error:
        refused: Future[ReadResult] = asyncio.get_running_loop().create_future()
        refused.set_exception(error)
        return refused


@in_virtual_time
async def test_an_isolated_leader_acknowledges_nothing() -> None:
    async with cluster_of(3) as cluster:
        old = await cluster.leader()
        rest = cluster.others(old)
        cluster.network.isolate([old], rest)
        lost = cluster[old].service.put("lost", b"k", b"1")
        with pytest.raises(OutcomeUnknown):
            await lost
        new = await cluster.leader(rest)
        assert await value(cluster, new, b"k") is None
        cluster.network.heal()
        await cluster.leader()
        await write(cluster, new, b"other", b"1", "other")
        await cluster.level()
        assert cluster[old].machine.get(b"k") is None


@in_virtual_time
async def test_an_isolated_leaders_clients_get_their_writes_done_afterwards() -> None:
    """Each entry loses its place to one of the new leader's; then it is proposed again."""
    async with cluster_of(3, request_timeout_s=30.0) as cluster:
        old = await cluster.leader()
        rest = cluster.others(old)
        await cluster.level()
        cluster.network.isolate([old], rest)
        writes = []
        for number in range(4):
            writes.append(cluster[old].service.put(f"r{number}", b"k", b"1"))
            await asyncio.sleep(0.005)
        await cluster.leader(rest)
        cluster.network.heal()
        async with asyncio.timeout(2):
            outcomes = await asyncio.gather(*writes)
        assert all(outcome.success for outcome in outcomes)


@in_virtual_time
async def test_a_forwarded_write_that_died_with_its_leader_is_soon_proposed_again() -> None:
    """Its place is beyond the new leader's no-op, and in a quiet cluster nobody takes it."""
    async with cluster_of(3, request_timeout_s=30.0) as cluster:
        leader = await cluster.leader()
        follower = cluster.others(leader)[0]
        await cluster.level()
        cluster.network.hold(lambda m: isinstance(m, AppendEntries) and bool(m.entries))
        own = cluster[leader].service.put("own", b"k", b"1")
        await cluster.until(lambda: cluster.network.held)
        forwarded = cluster[follower].service.put("forwarded", b"k", b"2")
        await cluster.until(lambda: cluster[follower].proposals._placed)
        await cluster.crash(leader)
        assert isinstance(own.exception(), OutcomeUnknown)
        cluster.network.drop_held()
        cluster.network.release()
        async with asyncio.timeout(2):
            assert (await forwarded).success


@in_virtual_time
async def test_a_forwarded_write_that_was_lost_on_the_way_is_soon_proposed_again() -> None:
    """A broken connection loses what it carried, though its leader lives on."""
    async with cluster_of(3, request_timeout_s=30.0) as cluster:
        leader = await cluster.leader()
        follower = cluster.others(leader)[0]
        cluster.network.hold(lambda message: isinstance(message, Propose))
        written = cluster[follower].service.put("a", b"k", b"1")
        await cluster.until(lambda: cluster.network.held)
        cluster.network.drop_held()
        cluster.network.release()
        async with asyncio.timeout(2):
            assert (await written).success


@in_virtual_time
async def test_reads_and_writes_work_on_a_network_slower_than_the_heartbeat() -> None:
    """An answer takes longer than the wait between two attempts, every time."""
    async with cluster_of(3) as cluster:
        cluster.network.delay_s = (0.014, 0.016)
        leader = await cluster.leader()
        follower = cluster.others(leader)[0]
        assert (await cluster[follower].service.put("a", b"k", b"1")).success
        result = await cluster[follower].service.get("r", b"k")
        assert result.record is not None


@in_virtual_time
async def test_without_a_majority_clients_are_told_soon_and_nothing_is_lost() -> None:
    async with cluster_of(5) as cluster:
        leader = await cluster.leader()
        await cluster[leader].service.put("before", b"k", b"1")
        await cluster.crash(*cluster.others(leader)[:3])
        rest = list(cluster.running)
        await cluster.until(lambda: all(cluster[n].leadership.is_hopeless() for n in rest), 1.5)
        for node in rest:
            with pytest.raises(NoLeader):
                _ = cluster[node].service.put("refused", b"refused", b"1")
            with pytest.raises(NoLeader):
                _ = cluster[node].service.get("r", b"k")
        cluster.start(cluster.others(*rest)[0])
        await cluster.leader()
        assert await value(cluster, leader, b"k") == b"1"
        assert await value(cluster, leader, b"refused") is None


@in_virtual_time
async def test_requests_wait_through_an_election() -> None:
    async with cluster_of(3) as cluster:
        leader = await cluster.leader()
        await cluster.crash(leader)
        survivor = next(iter(cluster.running))
        await cluster.until(lambda: cluster[survivor].leadership.leader is None)
        written = cluster[survivor].service.put("a", b"k", b"1")
        read = cluster[survivor].service.get("r", b"k")
        assert (await written).success
        await read


@in_virtual_time
async def test_a_follower_that_was_away_catches_up() -> None:
    async with cluster_of(3) as cluster:
        leader = await cluster.leader()
        away = cluster.others(leader)[0]
        await cluster.crash(away)
        for number in range(300):
            await write(cluster, leader, b"k", b"%d" % number, f"r{number}")
        cluster.start(away)
        await cluster.leader()
        assert await value(cluster, away, b"k") == b"299"
        await _assert_same_state(cluster)


@in_virtual_time
async def test_everyone_forgets_the_same_outcomes() -> None:
    async with cluster_of(3, outcomes_count_max=40, outcomes_age_s_max=2) as cluster:
        first = await cluster.leader()
        await cluster.crash(first)
        cluster.start(first)
        for number in range(150):
            node = cluster.ids[number % 3]
            await write(cluster, node, b"k", b"1", f"r{number}")
            if number % 50 == 25:
                leader = await cluster.leader()
                await cluster.crash(leader)
                cluster.start(leader)
            await asyncio.sleep(0.02)
        await cluster.leader()
        await _assert_same_state(cluster)
        machine = cluster[first].machine
        assert 0 < machine.outcome_count <= 40
        assert machine.outcome("r0") is None
        assert machine.outcome("r149") is not None


@in_virtual_time
async def test_an_answer_to_a_former_start_of_a_node_does_not_serve_a_later_read() -> None:
    """A follower asks for a read index, restarts and asks again; the first answer comes late."""
    async with cluster_of(3) as cluster:
        leader = await cluster.leader()
        follower, away = cluster.others(leader)
        await cluster.level()
        await cluster.crash(away)  # now the round needs the follower's own acknowledgement
        cluster.network.hold(lambda message: message.to == follower)
        asked = cluster[follower].service.get("first", b"k")
        await cluster.until(lambda: cluster[leader].core.state.reads.checking)
        await cluster.crash(follower)
        assert isinstance(asked.exception(), NoLeader)
        cluster.network.drop_held()
        index = cluster[leader].core.state.log.last_index + 1
        cluster.network.hold(
            lambda message: (
                isinstance(message, ReadIndexResponse)
                or (isinstance(message, AppendEntries) and message.commit >= index)
            )
        )
        cluster.start(follower)
        assert (await write(cluster, leader, b"k", b"1", "w")).success
        assert any(isinstance(message, ReadIndexResponse) for message in cluster.network.held)
        read = cluster[follower].service.get("second", b"k")
        await cluster.until(lambda: cluster[follower].reads._ticket is not None)
        cluster.network.release(lambda message: isinstance(message, ReadIndexResponse))
        await asyncio.wait([read], timeout=0.02)
        cluster.network.release()
        record = (await read).record
        assert record is not None, "the write had been acknowledged before the read began"
