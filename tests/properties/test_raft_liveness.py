"""A cluster that can make progress does: with lossy links, and with links that work one way.

Raft promises progress only while some node reaches a majority and is reached by it;
within that, pre-vote (§9.6) and CheckQuorum (§6.2) must not get in each other's way.
"""

from itertools import permutations, product
from random import Random

import pytest

from tests.support.raft_chaos import seeded_ticks
from tests.support.raft_cluster import Cluster
from tests.support.raft_cores import ELECTION_TICKS_MAX

LINKS = tuple(permutations((1, 2, 3), 2))
PATIENCE_TICKS = 10 * ELECTION_TICKS_MAX


def some_pair_is_connected(cut: set[tuple[int, int]]) -> bool:
    return any({(a, b), (b, a)}.isdisjoint(cut) for a, b in LINKS)


CUTS = [
    cut
    for lost in product((False, True), repeat=len(LINKS))
    if some_pair_is_connected(cut := {link for link, cut in zip(LINKS, lost, strict=True) if cut})
]


def decides(cluster: Cluster, ticks: int) -> bool:
    """Whether new work is decided within so many ticks, offered to each leader in turn."""
    before = len(cluster.invariants.decided)
    for _ in range(ticks):
        for leader in cluster.leaders:
            cluster.propose(leader, b"x")
        cluster.tick()
        cluster.settle()
        fresh = cluster.invariants.decided[before:]
        if any(entry.data == b"x" for entry in fresh):
            return True
    return False


@pytest.mark.parametrize("cut", CUTS, ids=lambda cut: " ".join(f"{a}-{b}" for a, b in sorted(cut)))
def test_one_connected_pair_of_three_is_enough(cut: set[tuple[int, int]]) -> None:
    """Every way in which links between three nodes can be cut while two hear each other."""
    cluster = Cluster(3, random_ticks=seeded_ticks(1))
    cluster.elect(1)
    for sender, receiver in cut:
        cluster.net.cut(sender, receiver)
    for _ in range(PATIENCE_TICKS):  # whoever led has noticed by now
        cluster.tick()
        cluster.settle()
    assert decides(cluster, ELECTION_TICKS_MAX), "and it stays so: no leader is deposed for nothing"
    terms = {core.state.term for core in cluster.running.values()}
    assert max(terms) <= 4, "nobody campaigns without need"


@pytest.mark.parametrize("loss_percent", [5, 20, 40])
@pytest.mark.parametrize("size", [3, 5])
def test_lost_messages_only_slow_it_down(size: int, loss_percent: int) -> None:
    random = Random(loss_percent)
    cluster = Cluster(size, random_ticks=seeded_ticks(2))
    cluster.timeout(1)
    proposed = 0
    for ticks in range(4000):
        cluster.net.drop(lambda _message: random.randrange(100) < loss_percent)
        cluster.deliver()
        cluster.tick()
        if cluster.leaders and ticks % 10 == 0 and proposed < 20:
            proposed += 1
            cluster.propose(cluster.leaders[0], b"%d" % proposed)
        if sum(entry.data != b"" for entry in cluster.invariants.decided) >= 10:
            return
    raise AssertionError(f"only {len(cluster.invariants.decided)} entries were decided")
