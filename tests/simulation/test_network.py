"""The simulated network: shapes of partitions, order, loss, and connections that die."""

import asyncio
from collections.abc import Sequence
from random import Random

import pytest
from msgspec.structs import replace

from kvorum.raft.messages import Message, TimeoutNow
from kvorum.raft.types import NodeId, Term
from kvorum.testing.sim_clock import LoopClock
from kvorum.testing.sim_cluster import ClusterOptions, SimulatedCluster
from kvorum.testing.sim_faults import Faults, draw
from kvorum.testing.sim_network import NetworkOptions, SimulatedNetwork
from kvorum.testing.sim_network_faults import NetworkFaults
from kvorum.testing.trace import Trace
from kvorum.testing.virtual_time import Gate, VirtualTimeLoop
from tests.support.virtual_time import in_virtual_time


def new_faults(size: int = 5) -> Faults:
    """A cluster that is off: only who could reach whom is looked at."""
    trace = Trace(LoopClock(asyncio.get_running_loop()))
    cluster = SimulatedCluster(ClusterOptions(nodes=size), Random(1), trace)
    return Faults(cluster, Random(2))


def reach(faults: Faults) -> dict[str, set[str]]:
    """Whom each node's messages reach."""
    names, cut = faults.names(), faults.cluster.network._cut
    return {a: {b for b in names if a != b and (a, b) not in cut} for a in names}


@in_virtual_time
async def test_a_partition_divides_and_heals() -> None:
    faults = new_faults()
    NetworkFaults(faults).kinds()["partition"]()
    groups = {frozenset({name, *others}) for name, others in reach(faults).items()}
    assert len(groups) == 2
    assert sum(map(len, groups)) == 5
    faults.heal()
    assert all(len(others) == 4 for others in reach(faults).values())


@in_virtual_time
async def test_a_ring_leaves_two_neighbours() -> None:
    faults = new_faults()
    NetworkFaults(faults).kinds()["ring"]()
    around = reach(faults)
    assert all(len(others) == 2 for others in around.values())
    assert all(name in around[other] for name, others in around.items() for other in others)


@in_virtual_time
async def test_a_bridge_is_the_only_way_across() -> None:
    faults = new_faults()
    NetworkFaults(faults).kinds()["bridge"]()
    around = reach(faults)
    [bridge] = [name for name, others in around.items() if len(others) == 4]
    assert all(len(others) == 2 for name, others in around.items() if name != bridge)


@in_virtual_time
async def test_a_one_way_partition_is_one_way() -> None:
    faults = new_faults()
    NetworkFaults(faults).kinds()["one-way partition"]()
    around = reach(faults)
    lost = [(a, b) for a in around for b in around if a != b and b not in around[a]]
    assert lost
    assert not [(a, b) for a, b in lost if (b, a) in lost]


class Ear:
    """A place that notes what it hears."""

    def __init__(self, address: str) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        self.address = address
        self.member_id = NodeId(address)
        self.gate = Gate(loop, address)
        self.heard: list[int] = []
        self.closed = False

    def close(self) -> None:
        self.closed = True


def message(number: int) -> Message:
    return TimeoutNow(to=NodeId("b"), sender=NodeId("a"), term=Term(number))


def new_network(options: NetworkOptions) -> tuple[SimulatedNetwork[Ear], Ear, Ear]:
    loop = asyncio.get_running_loop()
    trace = Trace(LoopClock(loop))

    def note(_messages: Sequence[Message]) -> None:
        pass

    network: SimulatedNetwork[Ear] = SimulatedNetwork(loop, Random(3), options, trace, note)
    a, b = Ear("a"), Ear("b")
    network.join("a", a)
    network.join("b", b)
    return network, a, b


async def carry_100(network: SimulatedNetwork[Ear], a: Ear, b: Ear) -> list[int]:
    for number in range(100):
        network.carry(a, b, [message(number)], lambda number=number: b.heard.append(number))  # type: ignore[misc]  # mypy cannot infer a default
    await asyncio.sleep(10)
    return b.heard


@in_virtual_time
async def test_a_link_keeps_the_order() -> None:
    assert await carry_100(*new_network(NetworkOptions())) == list(range(100))


@in_virtual_time
async def test_messages_overtake_each_other_if_they_may() -> None:
    heard = await carry_100(*new_network(NetworkOptions(overtakes=True)))
    assert heard != sorted(heard)
    assert sorted(heard) == list(range(100))


@in_virtual_time
async def test_messages_are_lost_and_repeated() -> None:
    heard = await carry_100(*new_network(NetworkOptions(loss=0.3, repeat=0.3)))
    assert 50 < len(set(heard)) < 90
    assert len(heard) > len(set(heard))


@in_virtual_time
async def test_what_is_under_way_dies_with_the_receiver() -> None:
    network, a, b = new_network(NetworkOptions(delay_s=(1.0, 2.0)))
    network.carry(a, b, [message(1)], lambda: b.heard.append(1))
    network.leave("b")
    assert b.closed
    reborn = Ear("b")
    network.join("b", reborn)
    await asyncio.sleep(5)
    assert not b.heard
    assert not reborn.heard


@in_virtual_time
async def test_a_cut_link_carries_nothing_and_cannot_be_dialled() -> None:
    network, a, b = new_network(NetworkOptions())
    reached: list[Ear] = []
    network.cut(["a"], ["b"])
    network.dial("a", "b", reached.append)
    assert await carry_100(network, a, b) == []
    network.dial("b", "a", reached.append)
    await asyncio.sleep(1)
    assert reached == [a]


@pytest.mark.parametrize("seed", range(5))
def test_a_seed_always_draws_the_same_faults(seed: int) -> None:
    kinds = [f"kind {number}" for number in range(20)]
    one, other = draw(Random(seed), kinds), draw(Random(seed), kinds)
    assert one == other
    assert replace(one, kinds=()) != one or not one.kinds
