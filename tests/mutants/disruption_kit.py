"""Who must not disturb, who must not hold on, and how leadership is handed over.

Without pre-vote or CheckQuorum nothing is ever decided wrongly: a cluster only loses its
leader for no reason, or keeps one that can do nothing. Chance rarely shows that, nor a leader
that was asleep: so the situations are made here.
"""

from random import Random

from kvorum.raft.messages import AppendEntries, Message
from tests.support.raft_chaos import RECOVERY_TICKS_MAX, seeded_ticks, small_limits
from tests.support.raft_cluster import Cluster
from tests.support.raft_cores import ELECTION_TICKS_MAX
from tests.support.raft_invariants import require


def disturb(seed: int) -> None:
    """One of these, as the seed decides."""
    random = Random(seed)
    size = random.choice((3, 5))
    cluster = Cluster(size, base=small_limits(), random_ticks=seeded_ticks(seed))
    leader = elected(cluster)
    for number in range(random.randint(0, 5)):
        cluster.propose(leader, b"%d" % number)
    cluster.spread()
    follower = random.choice([number for number in cluster.numbers if number != leader])
    (_returns, _is_alone, _hands_over, _pauses)[seed % 4](cluster, leader, follower, random)


def elected(cluster: Cluster) -> int:
    """Whoever wins first; votes may be split before."""
    for _ in range(RECOVERY_TICKS_MAX):
        cluster.tick()
        cluster.settle()
        if cluster.leaders:
            return cluster.leaders[0]
    raise AssertionError("nobody was elected")


def _returns(cluster: Cluster, leader: int, follower: int, random: Random) -> None:
    """A node that was cut off comes back: the leader stays, in its term (§9.6, §4.2.3)."""
    term = cluster[leader].running.state.term
    cluster.net.isolate(follower)
    for _ in range(random.randint(2, 5) * ELECTION_TICKS_MAX):
        cluster.tick()
        cluster.settle()
    cluster.net.heal()
    for _ in range(3 * ELECTION_TICKS_MAX):
        cluster.tick()
        cluster.settle()
    state = cluster[leader].running.state
    stays = cluster.leaders == [leader] and state.term == term
    require(stays, "a node that returns deposes nobody", cluster.leaders, leader, state.term, term)


def _is_alone(cluster: Cluster, leader: int, _follower: int, _random: Random) -> None:
    """A leader that hears no majority gives up (§6.2)."""
    cluster.net.isolate(leader)
    for _ in range(2 * ELECTION_TICKS_MAX + 1):
        cluster.tick()
        cluster.settle()
    require(leader not in cluster.leaders, "a leader that is alone steps down", leader)


def _pauses(cluster: Cluster, leader: int, _follower: int, _random: Random) -> None:
    """A leader that stood still while another was elected answers no read from its memory (§6.4).

    Its own clock knows nothing of the pause: only an answer to this very read would do.
    """
    cluster.net.isolate(leader)
    others = [number for number in cluster.numbers if number != leader]
    for _ in range(RECOVERY_TICKS_MAX):
        cluster.tick(*others)
        cluster.settle()
        if len(cluster.leaders) == 2:
            break
    cluster.propose(next(n for n in cluster.leaders if n != leader), b"meanwhile")
    cluster.settle()
    cluster.read_index(leader)  # the cluster compares the answer, if one comes
    cluster.tick(leader, count=3)
    cluster.net.heal()
    cluster.settle()


def _hands_over(cluster: Cluster, leader: int, follower: int, random: Random) -> None:
    """Whoever is chosen takes over in one election, although it lags and writes go on (§3.10)."""
    term, target = cluster[leader].running.state.term, cluster[follower].node

    def to_target(message: Message) -> bool:
        return isinstance(message, AppendEntries) and message.to == target

    for number in range(random.randint(1, 4)):
        cluster.propose(leader, b"late %d" % number)
    cluster.net.drop(to_target)
    cluster.settle()
    why_not = cluster.transfer(leader, follower)
    require(not why_not, "an active follower may take over", why_not)
    for _ in range(ELECTION_TICKS_MAX // 2):
        cluster.tick()
        for _ in range(4):
            if leader in cluster.leaders:
                cluster.propose(leader, b"meanwhile")
            cluster.deliver()
    require(leader not in cluster.leaders, "writes do not hold up a transfer", leader)
    cluster.settle()
    state = cluster[follower].running.state
    took_over = cluster.leaders == [follower] and state.term == term + 1
    require(took_over, "leadership is handed over at once", cluster.leaders, follower, state.term)
