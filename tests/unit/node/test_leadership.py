"""Who leads, and whether it is worth waiting for one."""

from kvorum.node.leadership import LeadershipWatch
from tests.unit.node.fakes import OPTIONS, OTHER, SELF, THIRD, FakeClock

GRACE_S = OPTIONS.leaderless_grace_s


def test_a_fresh_node_waits_for_the_grace_before_it_gives_up_hope() -> None:
    clock = FakeClock()
    watch = LeadershipWatch(OPTIONS, clock)
    clock.advance(GRACE_S - 0.001)
    assert not watch.is_hopeless()
    clock.advance(0.002)
    assert watch.is_hopeless()


def test_the_grace_is_twice_the_longest_election_timeout() -> None:
    longest_s = OPTIONS.election_ticks_max * OPTIONS.tick_s
    assert OPTIONS.election_timeout_s_max == longest_s
    assert 2 * longest_s == GRACE_S


def test_a_leader_is_hope_and_its_loss_starts_the_grace_anew() -> None:
    clock = FakeClock()
    watch = LeadershipWatch(OPTIONS, clock)
    watch.report(OTHER)
    clock.advance(100 * GRACE_S)
    assert not watch.is_hopeless()
    watch.report(None)
    assert not watch.is_hopeless()
    clock.advance(GRACE_S + 0.001)
    assert watch.is_hopeless()


def test_repeated_news_of_no_leader_does_not_prolong_the_grace() -> None:
    clock = FakeClock()
    watch = LeadershipWatch(OPTIONS, clock)
    watch.report(OTHER)
    watch.report(None)
    clock.advance(GRACE_S * 0.75)
    watch.report(None)
    clock.advance(GRACE_S * 0.5)
    assert watch.is_hopeless()


def test_only_this_node_is_itself_the_leader() -> None:
    watch = LeadershipWatch(OPTIONS, FakeClock())
    assert not watch.is_leader
    watch.report(THIRD)
    assert not watch.is_leader
    watch.report(SELF)
    assert watch.is_leader


def test_last_contact_is_unknown_then_grows_and_is_zero_on_the_leader() -> None:
    clock = FakeClock()
    watch = LeadershipWatch(OPTIONS, clock)
    assert watch.last_contact_s() is None
    watch.report(OTHER)
    watch.heard()
    clock.advance(1.5)
    assert watch.last_contact_s() == 1.5
    watch.report(SELF)
    assert watch.last_contact_s() == 0


def test_a_former_leader_counts_contact_from_the_end_of_its_own_reign() -> None:
    clock = FakeClock()
    watch = LeadershipWatch(OPTIONS, clock)
    watch.report(OTHER)
    watch.heard()
    watch.report(SELF)
    clock.advance(3600)
    watch.report(None)
    clock.advance(0.25)
    assert watch.last_contact_s() == 0.25


def test_what_a_peer_holds_against_this_node_explains_it_while_it_is_news() -> None:
    clock = FakeClock()
    watch = LeadershipWatch(OPTIONS, clock)
    watch.refused("nobody added this node")
    assert watch.no_leader_message().startswith("no leader: nobody added this node; nothing was")
    clock.advance(10)
    assert watch.refusal == ""
    assert "fewer than a majority" in watch.no_leader_message()


def test_the_refusal_says_that_nothing_was_applied() -> None:
    message = LeadershipWatch(OPTIONS, FakeClock()).no_leader_message()
    assert "no leader" in message
    assert "nothing was applied" in message
