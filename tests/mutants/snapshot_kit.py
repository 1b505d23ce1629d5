"""Snapshots that come late, and those that bring a membership along.

Both are rare among the accidents of the model cluster, so they are made here.
"""

from random import Random

from kvorum.raft.membership import AddLearner
from kvorum.raft.types import Index
from tests.mutants.disruption_kit import elected
from tests.support.raft_chaos import seeded_ticks, small_limits
from tests.support.raft_cluster import Cluster
from tests.support.raft_invariants import require


def restore(seed: int) -> None:
    """One of these, as the seed decides."""
    random = Random(seed)
    cluster = Cluster(3, base=small_limits(), random_ticks=seeded_ticks(seed))
    leader = elected(cluster)
    (_is_overtaken, _joins, _is_offered_late)[seed % 3](cluster, leader, random)


def _write(cluster: Cluster, leader: int, count: int) -> None:
    for number in range(count):
        cluster.propose(leader, b"%d" % number)
    cluster.spread()


def _is_overtaken(cluster: Cluster, leader: int, random: Random) -> None:
    """While a snapshot is being loaded, another leader sends the entries: it is not needed."""
    lagging, other = [number for number in cluster.numbers if number != leader]
    cluster.net.isolate(lagging)
    _write(cluster, leader, random.randint(2, 8))
    cluster.snapshot(leader)
    cluster.slow_load(lagging)
    cluster.net.heal()
    for _ in range(4):
        cluster.tick(leader)
        cluster.settle()
    cluster.net.isolate(leader)
    cluster.elect(other)
    _write(cluster, other, random.randint(1, 4))
    before = cluster[lagging].running.state.log.applied
    cluster.fast_load(lagging)
    after = cluster[lagging].running.state.log.applied
    require(after >= before > 0, "nothing that was applied is undone", lagging, before, after)


def _is_offered_late(cluster: Cluster, leader: int, random: Random) -> None:
    """While a snapshot was written the log went on: what came since must stay (§5.1)."""
    lagging = next(number for number in cluster.numbers if number != leader)
    cluster.net.isolate(lagging)
    _write(cluster, leader, random.randint(2, 6))
    cluster.snapshot(leader, keep=99)
    _write(cluster, leader, random.randint(5, 9))
    snapshot = cluster[leader].disk.snapshot
    assert snapshot is not None, "it has just been taken"
    cluster[leader].running.offer(snapshot, Index(snapshot.last.index + 1))
    cluster.net.heal()
    for _ in range(8):
        cluster.tick(leader)
        cluster.settle()
    ours, theirs = cluster[leader].data, cluster[lagging].data
    require(ours == theirs, "snapshot and log together are everything", lagging, theirs, ours)


def _joins(cluster: Cluster, leader: int, random: Random) -> None:
    """A node that begins with a snapshot knows who the members are (§5.1)."""
    _write(cluster, leader, random.randint(0, 5))
    cluster.change(leader, AddLearner("9"))
    cluster.spread()
    cluster.snapshot(leader)
    cluster.join(9)
    for _ in range(20):
        cluster.tick()
        cluster.settle()
    ours, theirs = cluster[leader].running.membership, cluster[9].running.membership
    require(ours == theirs, "a snapshot brings the membership along", theirs, ours)
