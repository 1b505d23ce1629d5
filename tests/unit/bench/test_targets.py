"""Verdicts, and that everything aimed at is measured."""

from msgspec.structs import replace

from bench.failover import Failover
from bench.million import Million
from bench.plan import QUICK, chosen, full_plan, quick_plan
from bench.results import Row
from bench.targets import (
    BEFORE,
    DURING,
    MILLION,
    PAUSE,
    RESIDENT,
    SERVING,
    SERVING_AT,
    SNAPSHOT,
    SNAPSHOT_AT,
    TARGETS,
    WATCH,
    judge,
)
from bench.throughput import Throughput
from bench.watching import Watching
from tests.unit.bench.test_results import RESULTS


def verdicts(*rows: Row) -> dict[str, bool | None]:
    found = judge(replace(RESULTS, rows=list(rows)))
    return {verdict.target.title: verdict.is_met for verdict in found}


def test_every_target_is_measured_by_a_step_of_the_full_plan() -> None:
    measured: set[tuple[str, str]] = set()
    for step in full_plan():
        match step:
            case Throughput():
                measured.add((step.load, step.at))
            case Failover():
                measured.add((PAUSE, step.at))
            case Watching():
                measured.add((WATCH, step.at))
            case Million():
                measured |= {(RESIDENT, MILLION), (SERVING, SERVING_AT), (SNAPSHOT, SNAPSHOT_AT)}
                measured |= {("put", f"64 connections, {MILLION}")}
            case _:
                raise AssertionError(step)
    assert {(target.load, target.at) for target in TARGETS} <= measured


def test_what_was_not_measured_has_no_verdict() -> None:
    assert set(verdicts().values()) == {None}


def test_more_is_better_for_rates_and_less_for_latencies() -> None:
    at = "64 connections"
    good = Row("put", at, "per second", {"kvorum": [30.0], "etcd": [10.0]})
    slow = Row("put", at, "p99 ms", {"kvorum": [1.1], "etcd": [1.0]})
    found = verdicts(good, slow)
    assert found["put, 64 connections: rate"] is True
    assert found["put, 64 connections: p99"] is False


def test_the_worst_trial_counts_where_the_worst_is_bounded() -> None:
    trials = [0.5] * 19 + [1.6]
    row = Row(PAUSE, "kill -9 of the leader, 3 nodes", "s", {"kvorum": trials})
    found = verdicts(row)
    assert found["no writes after kill -9 of the leader, median"] is True
    assert found["no writes after kill -9 of the leader, worst"] is False


def test_kvorum_is_compared_with_itself() -> None:
    values = {BEFORE: [100.0, 100.0], DURING: [79.0, 79.0]}
    found = verdicts(Row(SNAPSHOT, SNAPSHOT_AT, "per second", values))
    assert found["put during a snapshot of 1 M keys against before: rate"] is False


def test_the_quick_form_takes_less_than_two_minutes() -> None:
    steps = quick_plan()
    start_s = sum(scene.start_s for scene in {step.scene for step in steps})
    assert start_s + sum(step.takes_s(QUICK) for step in steps) < 120


def test_a_choice_keeps_the_order_and_names_what_there_is() -> None:
    steps = chosen(full_plan(), ["get", "put"])
    assert [step.group for step in steps] == ["put"] * 4 + ["get"] * 4
    assert chosen(steps, []) == steps
