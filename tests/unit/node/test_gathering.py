"""When the next round for reads waits for those who were just answered, and for how long."""

from kvorum.node.gathering import ENOUGH, SKIPPED_MAX, WAIT_S, Gathering
from tests.unit.node.fakes import FakeTimers


class Kit:
    def __init__(self) -> None:
        self.timers = FakeTimers()
        self.wakes = 0
        self.gathering = Gathering(self.timers.later, self._wake)

    def _wake(self) -> None:
        self.wakes += 1

    def wait_in_vain(self) -> None:
        self.gathering.answered(16, 0)
        self.timers.run_out()


def test_whoever_is_alone_never_waits() -> None:
    kit = Kit()
    kit.gathering.answered(1, 0)
    assert kit.gathering.came(1)
    assert kit.timers.running == []


def test_a_round_waits_for_most_of_those_who_were_answered() -> None:
    kit = Kit()
    kit.gathering.answered(16, 0)
    assert [timer.delay_s for timer in kit.timers.running] == [WAIT_S]
    assert [n for n in range(1, 15) if kit.gathering.came(n)] == [14]
    assert kit.timers.running == []
    assert kit.wakes == 0


def test_and_for_those_who_had_come_before() -> None:
    """Else two groups of clients would take turns, each with rounds of its own."""
    kit = Kit()
    kit.gathering.answered(8, 8)
    assert not kit.gathering.may_go(14)
    assert kit.gathering.may_go(15)


def test_enough_is_enough() -> None:
    kit = Kit()
    kit.gathering.answered(1000, 0)
    assert not kit.gathering.may_go(ENOUGH - 1)
    assert kit.gathering.may_go(ENOUGH)


def test_no_wait_if_enough_are_there() -> None:
    kit = Kit()
    kit.gathering.answered(10, ENOUGH)
    assert kit.gathering.may_go(ENOUGH)
    assert kit.timers.running == []


def test_a_second_answer_meanwhile_prolongs_nothing() -> None:
    kit = Kit()
    kit.gathering.answered(16, 0)
    kit.gathering.answered(16, 3)
    assert len(kit.timers.running) == 1
    assert kit.gathering.may_go(14)


def test_the_wait_ends_after_a_while() -> None:
    kit = Kit()
    kit.wait_in_vain()
    assert kit.wakes == 1
    assert kit.gathering.may_go(1)


def rounds_until_one_waits(kit: Kit) -> int:
    for rounds in range(2 * SKIPPED_MAX):
        kit.gathering.answered(16, 0)
        if kit.timers.running:
            return rounds
        assert kit.gathering.may_go(1)
    raise AssertionError("none waits any more")


def test_after_a_wait_in_vain_rounds_do_not_wait() -> None:
    """Ever more of them, as long as it is in vain each time."""
    kit, skipped = Kit(), []
    for _ in range(9):
        kit.timers.run_out()
        skipped.append(rounds_until_one_waits(kit))
    assert skipped == [0, 2, 4, 8, 16, 32, 64, 128, SKIPPED_MAX]


def test_half_of_them_were_worth_the_wait() -> None:
    kit = Kit()
    kit.gathering.answered(16, 0)
    assert not kit.gathering.may_go(7)
    kit.timers.run_out()
    assert rounds_until_one_waits(kit) == 0


def test_success_makes_up_for_earlier_waits() -> None:
    kit = Kit()
    for _ in range(3):
        rounds_until_one_waits(kit)
        kit.timers.run_out()
    rounds_until_one_waits(kit)
    assert kit.gathering.may_go(14)
    kit.wait_in_vain()
    assert rounds_until_one_waits(kit) == 2
