"""Partitions of every shape, and networks that are merely bad."""

import itertools
from collections.abc import Collection, Iterable

from tests.chaos.arena import Arena, Need, Scenario
from tests.chaos.places import NODES, Link, why_no_netem


def between(some: Iterable[int], others: Collection[int]) -> set[Link]:
    """All links between the two groups, in both directions."""
    return {link for a in some for b in others if a != b for link in ((a, b), (b, a))}


async def _through(arena: Arena, shape: str, links: Collection[Link]) -> None:
    """Cut the links until a majority has written again, then heal."""
    arena.faults[shape] += 1
    arena.network.block(links)
    await arena.past_elections()
    await arena.workload.progress(40)
    arena.network.heal()


async def leader_in_minority(arena: Arena) -> None:
    leader = await arena.leader()
    minority = [leader, arena.others(leader)[0]]
    await _through(arena, "minority with leader", between(minority, arena.others(*minority)))


async def followers_in_minority(arena: Arena) -> None:
    minority = arena.others(await arena.leader())[:2]
    await _through(arena, "minority of followers", between(minority, arena.others(*minority)))


async def leader_hears_nobody(arena: Arena) -> None:
    """Its heartbeats arrive, the answers do not: CheckQuorum must depose it."""
    leader = await arena.leader()
    links = {(other, leader) for other in arena.others(leader)}
    await _through(arena, "leader hears nobody", links)


async def nobody_hears_leader(arena: Arena) -> None:
    leader = await arena.leader()
    links = {(leader, other) for other in arena.others(leader)}
    await _through(arena, "nobody hears leader", links)


async def follower_hears_nobody(arena: Arena) -> None:
    """It campaigns again and again: PreVote must keep the leader."""
    follower = await arena.follower()
    links = {(other, follower) for other in arena.others(follower)}
    await _through(arena, "follower hears nobody", links)


async def ring(arena: Arena) -> None:
    """Everybody reaches two neighbours: a majority, but another one for each."""
    order = arena.others()
    neighbours = between(order[:1], order[-1:])
    for node, following in itertools.pairwise(order):
        neighbours |= between([node], [following])
    await _through(arena, "ring", between(NODES, NODES) - neighbours)


async def bridge(arena: Arena) -> None:
    """Two halves that meet in one node, and the leader in one of the halves."""
    leader = await arena.leader()
    first, _middle, third, fourth = arena.others(leader)
    await _through(arena, "bridge", between([leader, first], [third, fourth]))


async def bridge_over_leader(arena: Arena) -> None:
    leader = await arena.leader()
    first, second, third, fourth = arena.others(leader)
    await _through(arena, "bridge over leader", between([first, second], [third, fourth]))


async def no_majority(arena: Arena) -> None:
    """Two, two and one: nobody can decide; it works again after the cure."""
    arena.faults["no majority"] += 1
    first, second, third, fourth, fifth = arena.others()
    halves = between([first, second], [third, fourth, fifth]) | between([third, fourth], [fifth])
    arena.network.block(halves)

    # Every node must have noticed: a leader that it cannot reach a majority.
    await arena.without_leader()
    arena.network.heal()


async def unplugged_leader(arena: Arena) -> None:
    """The cable: neither nodes nor clients reach it, and nothing says so."""
    arena.faults["leader unplugged"] += 1
    leader = await arena.leader()
    arena.network.plug(leader, in_=False)
    await arena.past_elections()
    await arena.workload.progress(40)
    arena.network.heal()


async def loss(arena: Arena) -> None:
    arena.faults["10 % loss"] += 1
    arena.network.block((), loss_percent=10)
    await arena.workload.progress(60)
    arena.network.heal()


async def narrow(arena: Arena) -> None:
    """Half a megabit a second and a queue of up to 150 ms at every node."""
    arena.faults["narrow links"] += 1
    for node in NODES:
        arena.network.shape(node, ("tbf", "rate", "512kbit", "burst", "4kb", "latency", "150ms"))
    await arena.workload.progress(60)
    arena.network.heal()


async def delay(arena: Arena) -> None:
    """Says so loudly where the kernel cannot do it."""
    problem = why_no_netem()
    if problem:
        arena.not_done["delay"] = problem
        return
    arena.faults["delay 40 ± 30 ms"] += 1
    for node in NODES:
        arena.network.shape(node, ("netem", "delay", "40ms", "30ms"))
    await arena.workload.progress(60)
    arena.network.heal()


PARTITIONS = Scenario(
    "partitions",
    (
        leader_in_minority,
        leader_hears_nobody,
        nobody_hears_leader,
        ring,
        bridge,
        follower_hears_nobody,
        followers_in_minority,
        bridge_over_leader,
        no_majority,
        unplugged_leader,
    ),
    needs=frozenset({Need.NAMESPACES}),
)
BAD_NETWORK = Scenario("bad network", (loss, narrow, delay), needs=frozenset({Need.NAMESPACES}))
