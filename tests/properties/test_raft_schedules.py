"""Any schedule of ticks, deliveries, losses, crashes and slow disks keeps what Raft promises.

The checks are those of ``tests.support.raft_invariants``: election safety, log
matching, leader completeness, state-machine safety (Raft paper, Figure 3), durable
before said (§3.8), linearizable reads (§6.4).
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvorum.raft.ready import EventKind
from kvorum.raft.types import Role
from tests.support.raft_chaos import Chaos, Recorder, long_schedule, schedule_from


@settings(max_examples=150)
@given(st.binary(min_size=300, max_size=1800), st.sampled_from([2, 3, 4, 5]), st.integers(0, 99))
def test_any_schedule_is_safe_and_recovers(data: bytes, size: int, seed: int) -> None:
    chaos = Chaos(size, seed)
    chaos.play(schedule_from(data))
    chaos.recover()


@settings(max_examples=150)
@given(st.binary(min_size=300, max_size=1800), st.sampled_from([1, 2, 3, 4]), st.integers(0, 99))
def test_any_schedule_of_changes_is_safe_and_recovers(data: bytes, size: int, seed: int) -> None:
    """With snapshots, changes of the membership, transfers and lost disks (§3.10, §4, §5)."""
    chaos = Chaos(size, seed, changing=True)
    chaos.play(schedule_from(data))
    chaos.recover()


@pytest.mark.parametrize("size", [1, 3, 4])
@pytest.mark.parametrize("seed", range(10))
def test_long_runs_of_changes_are_safe_and_recover(size: int, seed: int) -> None:
    chaos = Chaos(size, seed, changing=True)
    for part in range(3):
        chaos.play(long_schedule(seed * 10 + part, 800))
        chaos.recover()
    assert len(chaos.cluster.invariants.memberships) > 1, "nothing was changed"


@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("seed", range(12))
def test_long_runs_are_safe_and_recover(size: int, seed: int) -> None:
    chaos = Chaos(size, seed)
    for part in range(4):
        chaos.play(long_schedule(seed * 10 + part, 800))
        chaos.recover()
    assert len(chaos.cluster.invariants.decided) > 20, "a run that decides nothing tests nothing"


def test_chaos_reaches_what_it_should() -> None:
    """The schedules above are worth something only if terms, truncations and reads happen."""
    kinds, reads = set(), 0
    for seed in range(6):
        chaos = Chaos(5, seed)
        chaos.play(long_schedule(seed, 1500))
        for member in chaos.cluster.members.values():
            kinds |= {event.kind.value for event in member.events}
            reads += sum(index is not None for index in member.reads.values())
    assert kinds >= {"leader", "step-down", "truncate", "refuse-append", "refuse-vote"}
    assert reads > 20


def test_chaos_of_changes_reaches_what_it_should() -> None:
    kinds, joint = set(), 0
    for seed in range(8):
        chaos = Chaos(4, seed, changing=True)
        for part in range(2):
            chaos.play(long_schedule(seed * 10 + part, 800))
            chaos.recover()
        joint += sum(membership.is_joint for membership in chaos.cluster.invariants.memberships)
        for member in chaos.cluster.members.values():
            kinds |= {event.kind for event in member.events}
    assert kinds >= {
        EventKind.MEMBERSHIP,
        EventKind.REMOVED,
        EventKind.SEND_SNAPSHOT,
        EventKind.INSTALL_SNAPSHOT,
        EventKind.TRANSFER,
        EventKind.TRANSFER_FAILED,
        EventKind.TRUNCATE,
    }
    assert joint > 5


@pytest.mark.parametrize("changing", [False, True])
@pytest.mark.parametrize("size", [1, 3, 5])
def test_the_same_schedule_gives_the_same_outputs(size: int, *, changing: bool) -> None:
    runs = []
    for _ in range(2):
        recorder = Recorder()
        Chaos(size, 7, recorder, changing=changing).play(long_schedule(7, 1200))
        runs.append(recorder.readies)
    assert runs[0] == runs[1]
    assert len(runs[0]) > 200


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_a_quiet_cluster_keeps_its_leader(size: int) -> None:
    chaos = Chaos(size)
    chaos.recover()
    cluster = chaos.cluster
    leaders, term = cluster.leaders, cluster[1].running.state.term
    for _ in range(200):
        cluster.tick()
        cluster.settle()
    assert cluster.leaders == leaders
    assert {core.state.term for core in cluster.running.values()} == {term}
    roles = [core.state.role for core in cluster.running.values()]
    assert sorted(set(roles)) == sorted({Role.LEADER, *([Role.FOLLOWER] if size > 1 else [])})
