"""What a leader tells of its voters and peers, and under which names."""

from kvorum.node.leader_view import active_voters, labels_of, quorum_margin, replication_sample
from kvorum.raft.membership import Membership
from kvorum.raft.progress import Progress
from kvorum.raft.quorum import electorates_of
from kvorum.raft.state import State
from kvorum.raft.types import Index, NodeId, Role
from tests.unit.node.driver_bench import DriverBench
from tests.unit.node.fakes import OTHER, SELF, THIRD

FOURTH = NodeId("d:1")


def be(state: State, membership: Membership, *answering: NodeId) -> None:
    """Lead ``membership``, of which only those answer."""
    state.membership = membership
    state.peers = membership.peers_of(state.node)
    state.electors = tuple(peer for peer in state.peers if membership.is_voter(peer))
    state.electorates = electorates_of(membership, state.node)
    state.role = Role.LEADER
    state.progress = {
        peer: Progress(Index(1), inflight_max=8, inflight_bytes_max=1 << 20) for peer in state.peers
    }
    for peer in answering:
        state.progress[peer].heard()


async def test_the_margin_is_what_may_fail_before_writes_stop() -> None:
    async with DriverBench() as bench:
        state = bench.core.state
        assert (active_voters(state), quorum_margin(state)) == (None, None)
        be(state, Membership((SELF, OTHER, THIRD)), OTHER, THIRD)
        assert (active_voters(state), quorum_margin(state)) == (3, 1)
        be(state, Membership((SELF, OTHER, THIRD)), THIRD)
        assert (active_voters(state), quorum_margin(state)) == (2, 0)
        be(state, Membership((SELF, OTHER, THIRD)))
        assert (active_voters(state), quorum_margin(state)) == (1, -1)
        be(state, Membership((SELF,)))
        assert (active_voters(state), quorum_margin(state)) == (1, 0)


async def test_silence_ends_what_an_answer_began() -> None:
    async with DriverBench() as bench:
        state = bench.core.state
        be(state, Membership((SELF, OTHER, THIRD)), OTHER, THIRD)
        state.progress[OTHER].silent_ticks = state.options.election_ticks_max - 1
        assert quorum_margin(state) == 1
        state.progress[OTHER].silent_ticks += 1
        assert quorum_margin(state) == 0


async def test_learners_do_not_count() -> None:
    async with DriverBench() as bench:
        state = bench.core.state
        be(state, Membership((SELF, OTHER), learners=(THIRD,)), OTHER, THIRD)
        assert (active_voters(state), quorum_margin(state)) == (2, 0)


async def test_the_scarcer_of_both_majorities_counts() -> None:
    async with DriverBench() as bench:
        state = bench.core.state
        joint = Membership((SELF, OTHER, THIRD), outgoing=(OTHER, THIRD, FOURTH))
        be(state, joint, OTHER, THIRD, FOURTH)
        assert (active_voters(state), quorum_margin(state)) == (4, 1)
        be(state, joint, OTHER, THIRD)
        assert (active_voters(state), quorum_margin(state)) == (3, 0)
        be(state, joint, OTHER)
        assert (active_voters(state), quorum_margin(state)) == (2, -1)


async def test_lag_and_messages_in_flight() -> None:
    async with DriverBench() as bench:
        assert replication_sample(bench.core.state, str).followers == ()
        await bench.lead()
        future = await bench.put("a")
        sample = replication_sample(bench.core.state, lambda member: f"name of {member}")
        assert sample.peers == {OTHER: f"name of {OTHER}", THIRD: f"name of {THIRD}"}
        followers = {one.peer: one for one in sample.followers}
        acknowledged, silent = followers[f"name of {OTHER}"], followers[f"name of {THIRD}"]
        assert (acknowledged.lag_entries, acknowledged.in_flight_messages) == (1, 1)
        assert (silent.lag_entries, silent.in_flight_messages) == (2, 1), "a probe is out"
        await bench.acknowledge(OTHER, 2)
        sample = replication_sample(bench.core.state, str)
        [one] = [follower for follower in sample.followers if follower.peer == OTHER]
        assert (one.lag_entries, one.in_flight_messages) == (0, 0)
        await bench.saved()
        assert future.result().revision == 1


def test_no_two_members_have_one_label() -> None:
    names = {"a:1": "A", "a:1#f": "A", "a:1#10": "A", "b:1": "B"}
    labels = labels_of(["a:1#10", "a:1", "b:1", "c:1", "a:1#f"], lambda one: names.get(one, one))
    assert labels == {"a:1#10": "A", "a:1": "a:1", "a:1#f": "a:1#f", "b:1": "B", "c:1": "c:1"}
