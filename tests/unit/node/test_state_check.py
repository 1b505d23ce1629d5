"""Replicas compare their states: the majority is right, and memory is bounded."""

import pytest
from prometheus_client import CollectorRegistry

from kvorum.mvcc.command import Put, Stamp, encode_batch, encode_command
from kvorum.mvcc.state_machine import StateMachine
from kvorum.node.fence import Fence
from kvorum.node.state_check import CHECKS_KEPT_MAX, StateCheck
from kvorum.raft.config import CoreOptions
from kvorum.raft.core import Core
from kvorum.raft.membership import Membership
from kvorum.raft.messages import StateHash
from kvorum.raft.types import HardState, Index, NodeId, Term
from kvorum.telemetry.state_metrics import StateMetrics
from tests.unit.node.fakes import OTHER, SELF, THIRD, RecordingPeers


class CheckBench:
    """A replica of three, with an interval of one second of the log's time."""

    def __init__(self, voters: tuple[NodeId, ...] = (SELF, OTHER, THIRD)) -> None:
        self.machine, self.peers, self.fence = StateMachine(), RecordingPeers(), Fence()
        self.registry = CollectorRegistry()
        core = Core(
            CoreOptions(
                node=SELF, heartbeat_ticks=10, election_ticks_min=50, election_ticks_max=70
            ),
            Membership(voters),
            lambda _low, high: high,
            HardState(),
        )
        self.check = StateCheck(
            core,
            self.machine,
            peers=self.peers,
            fence=self.fence,
            metrics=StateMetrics(self.registry),
            name_of=str,
            interval_s=1.0,
        )

    def apply(self, time_ms: int) -> Index:
        index = self.machine.applied_index + 1
        command = Put(f"r{index}", b"k", b"%d" % index)
        self.machine.apply(index, encode_batch([encode_command(command)], Stamp(time_ms, 100, 60)))
        self.check.applied(Index(index), 1)
        return Index(index)

    def hear(self, sender: NodeId, index: int, value: int) -> None:
        self.check.heard(
            StateHash(to=SELF, sender=sender, term=Term(1), index=Index(index), hash=value)
        )

    def reason(self) -> str:
        return self.fence.reason or ""

    def counted(self, name: str) -> float:
        return self.registry.get_sample_value(name) or 0.0


def test_the_hash_is_told_when_the_logs_time_crosses_the_interval() -> None:
    bench = CheckBench()
    for time_ms in (100, 900, 1000, 1999, 5000):
        bench.apply(time_ms)
    told = [message for message in bench.peers.take() if isinstance(message, StateHash)]
    assert [(message.to, message.index) for message in told] == [
        (OTHER, 3),
        (THIRD, 3),
        (OTHER, 5),
        (THIRD, 5),
    ]


def test_a_replica_that_differs_from_the_majority_stops_serving() -> None:
    bench = CheckBench()
    index = bench.apply(1000)
    bench.hear(OTHER, index, 7)
    assert not bench.reason(), "one against one decides nothing"
    bench.hear(THIRD, index, 7)
    assert f"index {index}" in bench.reason()
    assert bench.counted("kvorum_state_mismatches_total") == 1


@pytest.mark.parametrize("before", [True, False])
def test_what_others_say_counts_whether_it_comes_before_or_after(before: bool) -> None:
    bench = CheckBench()
    if before:
        bench.hear(OTHER, 1, 7)
        bench.hear(THIRD, 1, 7)
        assert not bench.reason()
    bench.apply(1000)
    if not before:
        bench.hear(OTHER, 1, 7)
        bench.hear(THIRD, 1, 7)
    assert bench.reason()


def test_another_replica_that_differs_raises_the_alarm_here_and_no_more() -> None:
    bench = CheckBench()
    index = bench.apply(1000)
    bench.hear(OTHER, index, bench.machine.state_hash)
    bench.hear(THIRD, index, 7)
    bench.hear(THIRD, index, 7)
    assert bench.fence.reason is None
    assert bench.counted("kvorum_state_mismatches_total") == 1
    assert bench.counted("kvorum_state_checks_total") >= 1


def test_two_that_differ_raise_the_alarm_and_both_go_on() -> None:
    """Nobody knows which one is right; stopping both would help nobody."""
    bench = CheckBench((SELF, OTHER))
    index = bench.apply(1000)
    bench.hear(OTHER, index, 7)
    assert bench.fence.reason is None
    assert bench.counted("kvorum_state_mismatches_total") == 1


def test_what_is_kept_is_bounded() -> None:
    bench = CheckBench()
    for index in range(1, 10 * CHECKS_KEPT_MAX):
        bench.hear(OTHER, index, 7)
    assert len(bench.check._hashes) == CHECKS_KEPT_MAX
    bench.hear(THIRD, 1, 7)
    assert len(bench.check._hashes) == CHECKS_KEPT_MAX


def test_the_first_reason_to_stop_serving_stays() -> None:
    fence, told = Fence(), []
    fence.when_raised(lambda: told.append(fence.reason))
    fence.raise_for("first")
    fence.raise_for("second")
    assert told == ["first"]
