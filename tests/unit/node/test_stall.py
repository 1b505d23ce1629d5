"""Standing still for longer than an election timeout ends leadership."""

from prometheus_client import CollectorRegistry

from kvorum.node.stall import StallWatch
from kvorum.telemetry.state_metrics import StateMetrics
from tests.unit.node.fakes import OPTIONS, FakeClock

TIMEOUT_S = OPTIONS.election_timeout_s_max


class StallBench:
    def __init__(self) -> None:
        self.clock, self.registry, self.able = FakeClock(), CollectorRegistry(), [True]
        self.watch = StallWatch(OPTIONS, self.clock, StateMetrics(self.registry), self.able.append)

    def stalls(self, cause: str) -> float:
        name = "kvorum_stalls_total"
        return self.registry.get_sample_value(name, {"cause": cause}) or 0.0


def test_a_write_that_takes_too_long_makes_the_node_unable_until_it_ends() -> None:
    bench = StallBench()
    bench.watch.write_began()
    bench.clock.advance(TIMEOUT_S * 0.99)
    bench.watch.look(0.0)
    assert bench.able == [True]
    bench.clock.advance(TIMEOUT_S * 0.02)
    bench.watch.look(0.0)
    bench.watch.look(0.0)
    assert bench.able == [True, False]
    assert bench.stalls("disk") == 1
    bench.watch.write_ended()
    assert bench.able == [True, False, True]


def test_many_quick_writes_are_no_stall() -> None:
    bench = StallBench()
    for _ in range(100):
        bench.watch.write_began()
        bench.clock.advance(TIMEOUT_S / 2)
        bench.watch.look(0.0)
        bench.watch.write_ended()
    assert bench.able == [True]


def test_a_blocked_loop_ends_leadership_once_and_it_may_try_again() -> None:
    bench = StallBench()
    bench.watch.look(TIMEOUT_S * 1.01)
    assert bench.able == [True, False, True]
    assert bench.stalls("event_loop") == 1
    bench.watch.look(TIMEOUT_S * 0.5)
    assert bench.able == [True, False, True]


def test_time_that_the_loop_slept_is_not_held_against_the_disk() -> None:
    bench = StallBench()
    bench.watch.write_began()
    bench.clock.advance(TIMEOUT_S * 3)
    bench.watch.look(TIMEOUT_S * 3)
    bench.clock.advance(TIMEOUT_S * 0.5)
    bench.watch.look(0.0)
    assert bench.stalls("disk") == 0


def test_a_blocked_loop_does_not_make_a_node_able_whose_disk_stalls() -> None:
    bench = StallBench()
    bench.watch.write_began()
    bench.clock.advance(TIMEOUT_S * 1.01)
    bench.watch.look(0.0)
    bench.watch.look(TIMEOUT_S * 2)
    assert bench.able[-1] is False
