"""The node's story: every event has words and a level."""

import logging

import pytest
from prometheus_client import CollectorRegistry

from kvorum.node.observer import NodeObserver
from kvorum.raft.ready import Event, EventKind
from kvorum.raft.types import Term
from kvorum.telemetry.raft_metrics import RaftMetrics
from tests.unit.node.fakes import OTHER


@pytest.fixture
def observer() -> NodeObserver:
    return NodeObserver(RaftMetrics(CollectorRegistry()), lambda address: f"name of {address}")


@pytest.mark.parametrize("kind", EventKind)
def test_every_event_can_be_told(
    kind: EventKind, observer: NodeObserver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "kvorum.raft")
    observer.event(Event(kind, Term(3), OTHER, "because"))
    [record] = caplog.records
    assert record.getMessage()
    assert vars(record)["term"] == 3
    assert vars(record)["peer"] == "name of b:1"
    assert vars(record)["why"] == "because"


def test_losing_leadership_and_the_leader_are_warnings(
    observer: NodeObserver, caplog: pytest.LogCaptureFixture
) -> None:
    observer.event(Event(EventKind.STEP_DOWN, Term(3)))
    observer.leader_changed(Term(3), None)
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2


def test_a_new_leader_is_told_by_the_core_only(
    observer: NodeObserver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "kvorum.raft")
    observer.leader_changed(Term(3), OTHER)
    assert not caplog.records


def test_refused_appends_are_routine(
    observer: NodeObserver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "kvorum.raft")
    observer.event(Event(EventKind.REFUSE_APPEND, Term(3), OTHER, "too short"))
    assert not caplog.records


def test_a_node_that_is_cut_off_says_so_once(
    observer: NodeObserver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "kvorum.raft")
    for _ in range(3):
        observer.event(Event(EventKind.PRE_CAMPAIGN, Term(3)))
    assert len(caplog.records) == 1
    observer.leader_changed(Term(3), OTHER)
    observer.event(Event(EventKind.PRE_CAMPAIGN, Term(3)))
    assert len(caplog.records) == 2
