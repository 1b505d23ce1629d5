"""Every check of the simulator can fail: a healthy cluster is tampered with, and it notices."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random

import pytest
from msgspec.structs import replace

from kvorum.mvcc.command import Put, Stamp, encode_batch, encode_command
from kvorum.raft.messages import AppendResponse, Message, RequestVote, VoteResponse
from kvorum.raft.types import Entry, EntryId, EntryKind, HardState, Index, NodeId, Role, Term
from kvorum.testing.checks import Durable, InvariantBroken
from kvorum.testing.sim_clock import LoopClock
from kvorum.testing.sim_cluster import ClusterOptions, SimulatedCluster
from kvorum.testing.sim_node import RunningNode
from kvorum.testing.trace import Trace
from tests.support.virtual_time import in_virtual_time

OTHER = encode_batch([encode_command(Put("x", b"x", b"1"))], Stamp(1, 100, 100))


@asynccontextmanager
async def cluster_of(size: int) -> AsyncIterator[SimulatedCluster]:
    """A cluster that has served for a few seconds, and stands still."""
    trace = Trace(LoopClock(asyncio.get_running_loop()))
    cluster = SimulatedCluster(ClusterOptions(nodes=size), Random(1), trace)
    with trace.with_logs():
        for machine in cluster.machines:
            cluster.start(machine)
        cluster.start_clients()
        await asyncio.sleep(5)
        await cluster.stop_clients()
        await asyncio.sleep(1)  # virtual: until everybody knows what is committed
        cluster.check()
        try:
            yield cluster
        finally:
            tasks = [m.process.task for m in cluster.machines if m.process and m.process.task]
            cluster.close()
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)


def leader_of(cluster: SimulatedCluster) -> RunningNode:
    machine = cluster.leader
    assert machine is not None
    assert machine.node is not None
    return machine.node


def follower_of(cluster: SimulatedCluster) -> RunningNode:
    return next(node for node in cluster.running if not node.is_leader)


def other_last_entry(cluster: SimulatedCluster) -> RunningNode:
    node = follower_of(cluster)
    entries = node.core.state.log._entries
    entries[-1] = Entry(entries[-1].term, entries[-1].index, EntryKind.COMMANDS, OTHER)
    entries.append(Entry(entries[-1].term, Index(entries[-1].index + 1), EntryKind.NOOP, b""))
    return node


def second_leader(cluster: SimulatedCluster) -> RunningNode:
    node = follower_of(cluster)
    node.core.state.role = Role.LEADER
    return node


def leader_without_the_log(cluster: SimulatedCluster) -> RunningNode:
    node = follower_of(cluster)
    state = node.core.state
    state.term, state.role = Term(state.term + 1), Role.LEADER
    state.log._entries[-1] = Entry(state.term, state.log.last_index, EntryKind.NOOP, b"")
    cluster.invariants.started(node)
    return node


def something_else_committed(cluster: SimulatedCluster) -> RunningNode:
    node = follower_of(cluster)
    log = node.core.state.log
    other = Entry(Term(99), log.last_index, EntryKind.NOOP, b"")
    log._entries[-1:] = [other]
    cluster.invariants.started(node)
    return node


def committed_too_early(cluster: SimulatedCluster) -> RunningNode:
    node = leader_of(cluster)
    log, term = node.core.state.log, node.core.state.term
    log._entries.append(Entry(term, Index(log.last_index + 1), EntryKind.NOOP, b""))
    log.commit = log.last_index
    return node


def another_state(cluster: SimulatedCluster) -> RunningNode:
    node = follower_of(cluster)
    node.machine._store.put(b"k0", b"tampered")
    cluster.invariants.started(node)
    return node


def term_goes_back(cluster: SimulatedCluster) -> RunningNode:
    node = follower_of(cluster)
    node.core.state.term = Term(node.core.state.term - 1)
    return node


def commit_goes_back(cluster: SimulatedCluster) -> RunningNode:
    node = follower_of(cluster)
    log = node.core.state.log
    log.commit = log.applied = Index(log.commit - 1)
    return node


TAMPERED: dict[str, tuple[Callable[[SimulatedCluster], RunningNode], str]] = {
    "two entries of one index and term": (other_last_entry, "log matching"),
    "two leaders of one term": (second_leader, "election safety"),
    "a leader without what was committed": (leader_without_the_log, "leader completeness"),
    "something else committed": (something_else_committed, "state-machine safety"),
    "committed before a majority has it": (committed_too_early, "majority of disks"),
    "another state at one index": (another_state, "same state"),
    "a term that goes back": (term_goes_back, "terms never go back"),
    "a commit index that goes back": (commit_goes_back, "commit never goes back"),
}


@pytest.mark.parametrize("name", TAMPERED)
@in_virtual_time
async def test_notices(name: str) -> None:
    tamper, rule = TAMPERED[name]
    async with cluster_of(3) as cluster:
        node = tamper(cluster)
        with pytest.raises(InvariantBroken, match=rule):
            cluster.invariants.look(node)


def message_of(cluster: SimulatedCluster, kind: str) -> list[Message]:
    """What ``n1`` must not say now."""
    node = next(node for node in cluster.running if node.id == "n1")
    state = node.core.state
    to, term, last = NodeId("n2"), state.term, state.log.last
    match kind:
        case "ack":
            beyond = Index(last.index + 1)
            return [AppendResponse(to=to, sender=node.id, term=term, success=True, match=beyond)]
        case "term":
            return [RequestVote(to=to, sender=node.id, term=Term(term + 1), last=last)]
        case _:
            candidates = [NodeId("n2"), NodeId("n3")]
            return [
                VoteResponse(to=each, sender=node.id, term=term, granted=True)
                for each in candidates
            ]


@pytest.mark.parametrize(
    ("kind", "rule"),
    [("ack", "before they are acknowledged"), ("term", "before it is said"), ("vote", "vote")],
)
@in_virtual_time
async def test_notices_a_message_that_promises_too_much(kind: str, rule: str) -> None:
    async with cluster_of(3) as cluster:
        cluster.invariants.heard(message_of(cluster, kind))
        with pytest.raises(InvariantBroken, match=rule):
            cluster.invariants.look(leader_of(cluster))


def durable(last: int, *, term: int = 3, vote: str | None = "n1") -> Durable:
    hard_state = HardState(Term(term), NodeId(vote) if vote else None)
    return Durable(hard_state, EntryId(Term(1), Index(4)), [Term(2)] * (last - 4))


@pytest.mark.parametrize(
    ("found", "rule"),
    [
        (durable(8), "what was acknowledged"),
        (durable(9, term=2), "a term"),
        (durable(9, vote=None), "a vote"),
    ],
    ids=["an entry", "the term", "the vote"],
)
@in_virtual_time
async def test_notices_what_a_crash_has_taken(found: Durable, rule: str) -> None:
    durable(9).require_in(durable(10), NodeId("n1"))
    with pytest.raises(InvariantBroken, match=rule):
        durable(9).require_in(found, NodeId("n1"))


@in_virtual_time
async def test_notices_bytes_that_are_not_on_the_disk() -> None:
    async with cluster_of(3) as cluster:
        machine = cluster.machines[0]
        machine.examine()
        assert machine._durable is not None
        machine._durable.hard_state = replace(
            machine._durable.hard_state, term=Term(machine._durable.hard_state.term + 1)
        )
        with pytest.raises(InvariantBroken, match="a term survives"):
            machine.examine()
