"""Real time into ticks."""

from kvorum.node.ticker import Ticker
from tests.unit.node.fakes import FakeClock

TICK_S = 0.125  # exact in binary, so that sums of it are


def test_no_tick_is_due_early() -> None:
    clock = FakeClock()
    ticker = Ticker(clock, TICK_S, 10)
    assert ticker.take_due() == 0
    clock.advance(TICK_S * 0.9)
    assert ticker.take_due() == 0
    clock.advance(TICK_S * 0.1)
    assert ticker.take_due() == 1
    assert ticker.take_due() == 0


def test_lateness_does_not_add_up() -> None:
    clock = FakeClock()
    ticker = Ticker(clock, TICK_S, 10)
    total = 0
    for _ in range(100):
        clock.advance(TICK_S * 1.5)
        total += ticker.take_due()
    assert total == 150


def test_ticks_missed_in_a_short_pause_are_made_up() -> None:
    clock = FakeClock()
    ticker = Ticker(clock, TICK_S, 10)
    clock.advance(TICK_S * 7)
    assert ticker.take_due() == 7


def test_a_long_pause_is_worth_no_more_than_the_cap_and_is_then_forgotten() -> None:
    clock = FakeClock()
    ticker = Ticker(clock, TICK_S, 10)
    clock.advance(TICK_S * 1000)
    assert ticker.take_due() == 10
    assert ticker.take_due() == 0
    clock.advance(TICK_S)
    assert ticker.take_due() == 1
