"""A follower whose disk was replaced must not wait for ever for what it once had."""

from kvorum.raft.progress import CONTRADICTIONS_MAX
from kvorum.raft.ready import EventKind
from kvorum.raft.types import HardState
from tests.support.raft_cluster import Cluster, Disk


def test_a_follower_with_an_empty_disk_gets_everything_again() -> None:
    """§3.8 forbids losing the disk; a leader notices it and says so, and does not get stuck."""
    cluster = Cluster(3)
    cluster.elect(1)
    for number in range(5):
        cluster.propose(1, b"%d" % number)
        cluster.settle()
    cluster.crash(3)
    cluster[3].disk = Disk(HardState(), ())
    cluster.restart(3)
    for _ in range(2 * CONTRADICTIONS_MAX):
        cluster.tick(1, count=cluster[1].running.state.options.heartbeat_ticks)
        cluster.settle()
    assert cluster[3].data == cluster[1].data
    assert EventKind.LOST_ENTRIES in {event.kind for event in cluster[1].events}
    assert cluster.leaders == [1]
