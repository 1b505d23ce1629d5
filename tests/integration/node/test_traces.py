"""Spans of whole nodes in virtual time: what is sampled is told to its end, whatever happens."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import pytest

from kvorum.errors import OutcomeUnknown, Rejected
from kvorum.mvcc.outcome import Outcome
from kvorum.node.tracing.limits import AGE_NS_MAX
from kvorum.raft.messages import AppendResponse, Message, ProposeResponse, ReadIndex
from kvorum.raft.types import NodeId
from kvorum.telemetry.spans import SpanContext
from tests.support.node_cluster import NodeCluster, cluster_of
from tests.support.recorded_spans import TRACE, Recorded, RecordedSpans
from tests.support.virtual_time import in_virtual_time

AGE_S = AGE_NS_MAX / 1e9 + 0.1


class ClusterSpans:
    """The spans of every node, with ids of their own and virtual times."""

    def __init__(self) -> None:
        self.of: dict[NodeId, NodeSpans] = {}

    def make(self, node: NodeId) -> "NodeSpans":
        """Again for the same node: it was started again, and goes on with the others."""
        former = self.of.get(node)
        number = len(self.of) if former is None else former.number
        self.of[node] = NodeSpans(number, former.made if former else [])
        return self.of[node]

    @property
    def all(self) -> list[Recorded]:
        return [span for spans in self.of.values() for span in spans.made]

    def named(self, name: str) -> list[Recorded]:
        return [span for span in self.all if span.name == name]

    def children(self, parent: Recorded) -> list[str]:
        return sorted(span.name for span in self.all if span.parent == parent.context)


class NodeSpans(RecordedSpans):
    def __init__(self, number: int, made: list[Recorded]) -> None:
        super().__init__()
        self.number = number
        self.made = made
        self._former = len(made)

    @property
    def since_start(self) -> list[Recorded]:
        return self.made[self._former :]

    def now_ns(self) -> int:
        return int(asyncio.get_running_loop().time() * 1e9)

    def _new_context(self) -> SpanContext:
        return SpanContext(TRACE, (self.number + 1) * 1_000_000 + len(self.made))


def put(
    cluster: NodeCluster, spans: ClusterSpans, node: NodeId, name: str
) -> "asyncio.Future[Outcome]":
    """A sampled write."""
    with spans.of[node].of_request():
        return cluster[node].service.put(name, name.encode(), b"1")


def forgets_everything(cluster: NodeCluster) -> bool:
    return all(cluster.network.traces[node].is_idle for node in cluster.running)


def acknowledges(message: Message) -> bool:
    return isinstance(message, AppendResponse)


@in_virtual_time
async def test_every_span_of_a_write_has_its_place() -> None:
    spans = ClusterSpans()
    async with cluster_of(3, spans.make) as cluster:
        leader = await cluster.leader()
        await cluster.level()
        assert not spans.all, "nobody asked for any"
        await put(cluster, spans, cluster.others(leader)[0], "a")
        await cluster.level()
        await cluster.until(lambda: forgets_everything(cluster))
        [request], [propose] = spans.named("request"), spans.named("kvorum.propose")
        [append] = spans.named("kvorum.append")
        assert (propose.parent, append.parent) == (request.context, propose.context)
        assert append in spans.of[leader].made
        assert spans.children(append) == [
            "kvorum.apply",
            "kvorum.commit",
            "kvorum.fsync",
            *2 * ["kvorum.replicate"],
        ]
        for replicate in spans.named("kvorum.replicate"):
            assert spans.children(replicate) == ["kvorum.follow"]
        for follow in spans.named("kvorum.follow"):
            assert spans.children(follow) == ["kvorum.apply", "kvorum.fsync"]
        assert not any(span.error for span in spans.all)
        assert {span.end_ns for span in spans.all if span is not request} >= {append.end_ns}
        assert [span.name for span in spans.all if span.end_ns is None] == ["request"]


@in_virtual_time
async def test_others_of_a_followers_batch_and_its_append_are_linked() -> None:
    spans = ClusterSpans()
    async with cluster_of(3, spans.make) as cluster:
        leader = await cluster.leader()
        follower = cluster.others(leader)[0]
        await cluster.level()
        await asyncio.gather(*(put(cluster, spans, follower, f"k{n}") for n in range(5)))
        first, *others = spans.named("kvorum.propose")
        [append] = spans.named("kvorum.append")
        assert append.parent == first.context
        assert append.links == [other.context for other in others]
        assert [other.links for other in others] == [[append.context]] * 4
        assert first.links == []
        assert {span.attributes["kvorum.batch.commands"] for span in (first, *others)} == {5}


@in_virtual_time
async def test_a_leader_that_is_deposed_ends_what_it_began() -> None:
    spans = ClusterSpans()
    async with cluster_of(3, spans.make) as cluster:
        leader = await cluster.leader()
        await cluster.level()
        cluster.network.hold(acknowledges)
        future = put(cluster, spans, leader, "a")
        await cluster.until(lambda: len(cluster.network.held) >= 2)
        cluster.network.isolate([leader], cluster.others(leader))
        cluster.network.drop_held()
        cluster.network.release()
        await cluster.leader(cluster.others(leader))
        await cluster.until(lambda: not cluster[leader].leadership.is_leader)
        [append] = spans.named("kvorum.append")
        lost = [append, *spans.named("kvorum.commit"), *spans.named("kvorum.replicate")]
        assert {span.error for span in lost} == {"leadership_lost"}
        assert append.end_ns is not None
        cluster.network.heal()
        await future  # proposed again: its spans are below the same kvorum.propose
        await cluster.level()
        assert {span.parent for span in spans.named("kvorum.append")} == {append.parent}
        await asyncio.sleep(AGE_S)
        assert forgets_everything(cluster)
        assert {span.name for span in spans.all if span.end_ns is None} == {"request"}


@in_virtual_time
async def test_a_peer_that_is_away_gets_a_span_that_fails() -> None:
    spans = ClusterSpans()
    async with cluster_of(3, spans.make) as cluster:
        leader = await cluster.leader()
        await cluster.level()
        away = cluster.others(leader)[0]
        cluster.network.isolate([away], cluster.others(away))
        await put(cluster, spans, leader, "a")
        await asyncio.sleep(AGE_S)
        found = {str(s.attributes["kvorum.peer"]): s for s in spans.named("kvorum.replicate")}
        assert found.pop(away).error == "timeout"
        [other] = found.values()
        assert not other.error
        assert cluster.network.traces[leader].is_idle


@in_virtual_time
async def test_a_lost_receipt_leaves_nothing_behind() -> None:
    spans = ClusterSpans()
    async with cluster_of(3, spans.make) as cluster:
        leader = await cluster.leader()
        await cluster.level()
        cluster.network.hold(lambda message: isinstance(message, ProposeResponse))
        follower = cluster.others(leader)[0]
        assert (await put(cluster, spans, follower, "a")).success
        cluster.network.drop_held()
        cluster.network.release()
        await asyncio.sleep(AGE_S)
        assert forgets_everything(cluster)


@in_virtual_time
async def test_reads_of_a_batch_each_have_their_spans() -> None:
    spans = ClusterSpans()
    async with cluster_of(3, spans.make) as cluster:
        leader = await cluster.leader()
        follower = cluster.others(leader)[0]
        await cluster.level()
        with spans.of[follower].of_request():
            reads = [cluster[follower].service.get(f"r{n}", b"k") for n in range(3)]
        await asyncio.gather(*reads)
        await cluster.until(lambda: forgets_everything(cluster))
        first, *others = spans.named("kvorum.read_index")
        assert first.links == [other.context for other in others]
        assert [other.links for other in others] == [[first.context]] * 2
        [confirm] = spans.named("kvorum.confirm")
        assert confirm.parent == first.context
        assert confirm in spans.of[leader].made
        served = spans.named("kvorum.read")
        assert {span.parent for span in served} == {span.context for span in (first, *others)}
        assert all(span.end_ns is not None and not span.error for span in served)


@in_virtual_time
async def test_a_question_that_is_repeated_is_that_of_the_same_reads() -> None:
    spans = ClusterSpans()
    async with cluster_of(3, spans.make) as cluster:
        leader = await cluster.leader()
        follower = cluster.others(leader)[0]
        await cluster.level()
        cluster.network.hold(lambda message: isinstance(message, ReadIndex))
        with spans.of[follower].of_request():
            reads = [cluster[follower].service.get("r0", b"k")]
            await cluster.until(lambda: cluster.network.held)
            reads.append(cluster[follower].service.get("r1", b"k"))
        await cluster.until(lambda: len(cluster.network.held) > 1)
        cluster.network.release()
        await asyncio.gather(*reads)
        first, second = spans.named("kvorum.read_index")
        assert [span.parent for span in spans.named("kvorum.read")] == [
            first.context,
            second.context,
        ]
        assert not first.links


@in_virtual_time
async def test_a_read_without_a_leader_fails_in_its_span_too() -> None:
    spans = ClusterSpans()
    async with cluster_of(3, spans.make) as cluster:
        leader = await cluster.leader()
        follower = cluster.others(leader)[0]
        cluster.network.isolate([follower], cluster.others(follower))
        with spans.of[follower].of_request():
            future = cluster[follower].service.get("r", b"k")
        with pytest.raises(Rejected):
            await future
        [asked] = spans.named("kvorum.read_index")
        assert asked.error == "NoLeader"
        assert not spans.named("kvorum.read")


@pytest.mark.parametrize("seed", range(6))
@in_virtual_time
async def test_nothing_stays_open_whatever_happens(seed: int) -> None:
    """Crashes, cuts and lost messages; every span that was begun ends, and no table keeps any."""
    spans = ClusterSpans()
    async with cluster_of(5, spans.make, seed=seed) as cluster:
        await cluster.leader()
        cluster.network.loss = 0.05
        futures: list[asyncio.Future[Outcome]] = []
        for round_ in range(12):
            for number in range(10):
                node = cluster.random.choice([*cluster.running])
                attempt(cluster, spans, node, f"{round_}-{number}", futures.append)
            await asyncio.sleep(0.05)
            victim = cluster.random.choice([*cluster.running])
            if round_ % 3 == 0:
                await cluster.crash(victim)
                cluster.start(victim)
            elif round_ % 3 == 1:
                cluster.network.isolate([victim], cluster.others(victim))
            else:
                cluster.network.heal()
        cluster.network.heal()
        cluster.network.loss = 0
        await asyncio.gather(*futures, return_exceptions=True)
        await cluster.level()
        await asyncio.sleep(AGE_S)
        await cluster.until(lambda: forgets_everything(cluster))
        of_living = [s for node in cluster.running for s in spans.of[node].since_start]
        left = {span.name for span in of_living if span.end_ns is None}
        assert left <= {"request"}
        known = {span.context for span in spans.all}
        assert all(span.parent in known for span in spans.all if span.name != "request")


def attempt(
    cluster: NodeCluster,
    spans: ClusterSpans,
    node: NodeId,
    name: str,
    keep: Callable[["asyncio.Future[Outcome]"], None],
) -> None:
    with suppress(Rejected, OutcomeUnknown):  # at once: there is nothing to wait for
        keep(put(cluster, spans, node, name))
