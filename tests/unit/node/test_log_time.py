"""The log's time: leaders make it, everybody else follows, and it never makes up for anything."""

from collections.abc import Sequence

import pytest

from kvorum.node.log_time import LogTime
from kvorum.raft.types import Index
from kvorum.testing.history import WrongAnswer
from kvorum.testing.log_clock import Stamped, check_log_clock
from tests.unit.node.fakes import FakeClock


class Node:
    """A log time, and whether it is this node that makes it."""

    def __init__(self, *, leads: bool = False) -> None:
        self.clock, self.leads = FakeClock(), leads
        self.time = LogTime(self.clock, lambda: self.leads)


def test_a_leaders_clock_makes_it() -> None:
    node = Node(leads=True)
    assert node.time.stamp_ms() == 0
    node.clock.advance(2.0)
    assert node.time.stamp_ms() == 2000
    node.time.observe(1500)  # its own, which took half a second
    assert node.time.stamp_ms() == 2000


def test_who_follows_gives_up_a_clock_that_was_ahead() -> None:
    """Otherwise the first batch of a new leader would end leases that others had just granted."""
    node = Node()
    node.clock.advance(100.0)
    node.time.observe(3000)
    node.clock.advance(0.5)
    assert node.time.now_ms() == 3500
    node.leads = True
    assert node.time.stamp_ms() <= 3500


def test_a_leader_starts_where_the_log_was() -> None:
    node = Node()
    node.time.observe(3000)
    node.clock.advance(5.0)
    assert node.time.stamp_ms() == 3000, "it does not know yet how late it is"
    node.time.observe(4000)
    node.clock.advance(1.0)
    node.leads = True
    assert node.time.stamp_ms() == 4000, "what it stamped before is no older"
    node.clock.advance(1.0)
    assert node.time.stamp_ms() == 5000


def test_a_leader_that_comes_back_has_followed_meanwhile() -> None:
    node = Node(leads=True)
    node.time.stamp_ms()
    node.clock.advance(60.0)
    node.leads = False
    node.time.observe(2000)
    node.leads = True
    assert node.time.stamp_ms() == 2000


def stamped(*facts: tuple[int, float]) -> Sequence[Stamped]:
    return [Stamped(Index(n), ms, born) for n, (ms, born) in enumerate(facts, 1)]


def test_time_in_the_log_may_be_slow() -> None:
    check_log_clock(stamped((0, 10.0), (500, 11.0), (1500, 12.0), (1500, 90.0), (2500, 91.0)))


def test_notices_time_that_was_made_up_for() -> None:
    with pytest.raises(WrongAnswer, match="900 ms passed in the log, and 300 ms outside"):
        check_log_clock(stamped((0, 10.0), (100, 11.0), (200, 11.2), (1100, 11.5)))
