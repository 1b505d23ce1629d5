"""Times of commits and answers: what is measured, what is left out, what is forgotten."""

import pytest
from prometheus_client import CollectorRegistry

from kvorum.node.timing import CommitTimes, RoundTrips
from kvorum.raft.messages import AppendEntries, AppendResponse
from kvorum.raft.types import EntryId, Index, NodeId, Role, Term
from kvorum.telemetry.distribution import Distribution
from kvorum.telemetry.replication_metrics import ReplicationMetrics
from tests.unit.node.driver_bench import DriverBench, append_from
from tests.unit.node.fakes import OTHER, SELF, THIRD, FakeClock, entry


def count(distribution: Distribution) -> float:
    return distribution.buckets()[-1][1]


# --- commits -----------------------------------------------------------------------------


class Commits:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.durations = Distribution((0.5, 1.0))
        self.times = CommitTimes(self.durations)

    def look(self, last: int, commit: int) -> None:
        self.times.look(Index(last), Index(commit), self.clock)

    def seen(self) -> tuple[float, float]:
        """How many, and their sum."""
        return count(self.durations), round(self.durations.sum, 6)


def test_each_entry_counts_from_its_own_append() -> None:
    commits = Commits()
    commits.look(2, 0)
    commits.clock.advance(1)
    commits.look(3, 0)
    commits.clock.advance(2)
    commits.look(3, 3)
    assert commits.seen() == (3, 3 + 3 + 2)


def test_a_part_of_what_was_appended_together_may_be_decided_first() -> None:
    commits = Commits()
    commits.look(4, 0)
    commits.clock.advance(1)
    commits.look(4, 1)
    assert commits.seen() == (1, 1)
    commits.clock.advance(1)
    commits.look(6, 4)
    assert commits.seen() == (4, 1 + 2 * 3)
    commits.clock.advance(1)
    commits.look(6, 6)
    assert commits.seen() == (6, 7 + 2)
    assert not commits.times._appended


def test_what_a_leader_begins_with_is_left_out() -> None:
    commits = Commits()
    commits.look(2, 0)
    commits.times.begin(Index(7))
    commits.clock.advance(1)
    commits.look(8, 7)
    assert commits.seen() == (0, 0)
    commits.clock.advance(1)
    commits.look(8, 8)
    assert commits.seen() == (1, 1)


# --- round trips -------------------------------------------------------------------------


class Trips:
    def __init__(self) -> None:
        self.now_s = 100.0
        self.metrics = ReplicationMetrics(CollectorRegistry())
        self.trips = RoundTrips(self.metrics)

    def send(self, prev: int, entries: int = 0, read_round: int = 0) -> None:
        self.trips.sent(
            AppendEntries(
                to=OTHER,
                sender=SELF,
                term=Term(1),
                prev=EntryId(Term(1), Index(prev)),
                entries=tuple(entry(1, prev + 1 + number, b"x") for number in range(entries)),
                commit=Index(0),
                round=read_round,
            ),
            self.now_s,
        )

    def answer(
        self, match: int, *, read_round: int = 0, success: bool = True, sender: NodeId = OTHER
    ) -> None:
        self.trips.answered(
            AppendResponse(
                to=SELF,
                sender=sender,
                term=Term(1),
                success=success,
                match=Index(match),
                round=read_round,
            ),
            self.now_s,
        )

    def seen(self) -> tuple[float, float]:
        trips = self.metrics.round_trips(OTHER)
        return count(trips), round(trips.sum, 6)


def test_entries_are_answered_by_their_acknowledgement() -> None:
    trips = Trips()
    trips.send(5, entries=2)
    trips.now_s += 1
    trips.send(7, entries=1)  # while one is measured, others are not
    trips.answer(6)
    assert trips.seen() == (0, 0)
    trips.now_s += 1
    trips.answer(8)
    assert trips.seen() == (1, 2)


def test_a_heartbeat_is_answered_by_the_next_answer() -> None:
    trips = Trips()
    for number in range(1, 4):
        trips.send(5)
        trips.now_s += 1
        trips.answer(5)
        assert trips.seen() == (number, number)
        trips.now_s += 10


def test_a_heartbeat_without_an_answer_spoils_no_later_one() -> None:
    trips = Trips()
    trips.send(5)  # it is lost
    trips.now_s += 10
    trips.send(5)
    trips.now_s += 1
    trips.answer(5)
    assert trips.seen() == (0, 0), "whose answer is it?"
    trips.send(5)
    trips.now_s += 2
    trips.answer(5)
    assert trips.seen() == (1, 2)


def test_a_heartbeat_behind_entries_is_not_answered_by_their_acknowledgement() -> None:
    trips = Trips()
    trips.send(5, entries=1)
    trips.send(6, entries=1)
    trips.answer(6)
    assert trips.seen() == (1, 0)
    trips.now_s += 1
    trips.send(7)
    trips.answer(7)  # of the second entry
    assert trips.seen() == (1, 0)


def test_entries_take_the_place_of_a_heartbeat() -> None:
    trips = Trips()
    trips.send(5)
    trips.now_s += 1
    trips.send(5, entries=1)
    trips.now_s += 1
    trips.answer(5)
    assert trips.seen() == (0, 0)
    trips.now_s += 1
    trips.answer(6)
    assert trips.seen() == (1, 2)


def test_a_read_round_is_answered_by_its_number() -> None:
    trips = Trips()
    trips.send(5)
    trips.send(5, read_round=3)
    trips.now_s += 1
    trips.answer(5, read_round=2)
    assert trips.seen() == (0, 0)
    trips.now_s += 1
    trips.answer(5, read_round=3)
    assert trips.seen() == (1, 2)


def test_repeated_entries_are_not_measured() -> None:
    """Whatever answers may answer the first of them."""
    trips = Trips()
    trips.send(5, entries=1)
    trips.answer(0, success=False)
    trips.now_s += 1
    trips.send(5, entries=1)
    trips.answer(6)
    assert trips.seen() == (0, 0)


def test_a_stranger_is_ignored_and_another_reign_forgets_everything() -> None:
    trips = Trips()
    trips.answer(5, sender=THIRD)
    trips.send(5, entries=1)
    trips.trips.begin()
    trips.answer(6)
    assert trips.seen() == (0, 0)


# --- a whole driver ------------------------------------------------------------------------


def figures(bench: DriverBench, name: str, **labels: str) -> float:
    return bench.registry.get_sample_value(name, labels) or 0.0


async def test_a_leader_times_commits_and_answers() -> None:
    async with DriverBench() as bench:
        await bench.lead()
        before = bench.metrics.replication.round_trips(OTHER).sum
        _ = await bench.put("a")
        bench.clock.advance(0.25)
        await bench.saved()
        bench.clock.advance(0.25)
        await bench.acknowledge(OTHER, 2)
        assert figures(bench, "kvorum_commit_duration_seconds_count") == 1
        assert figures(bench, "kvorum_commit_duration_seconds_sum") == pytest.approx(0.5)
        assert figures(bench, "kvorum_apply_duration_seconds_count") == 2
        assert figures(bench, "kvorum_proposal_batch_commands_sum") == 1
        trips = bench.metrics.replication.round_trips(OTHER)
        assert trips.sum - before == pytest.approx(0.5)


async def test_a_peer_that_comes_back_does_not_count_as_slow() -> None:
    """What was out when it went away is answered when it returns."""
    async with DriverBench() as bench:
        await bench.lead()
        trips = bench.metrics.replication.round_trips(OTHER)
        before = count(trips)
        _ = await bench.put("a")
        await bench.saved()
        for _ in range(4 * bench.core.state.options.election_ticks_max):
            await bench.acknowledge(THIRD, 2)  # or it would not go on leading
            await bench.tick()
        assert bench.core.state.role is Role.LEADER
        await bench.acknowledge(OTHER, 2)
        assert count(trips) == before
        _ = await bench.put("b", b"2")
        bench.clock.advance(0.25)
        await bench.acknowledge(OTHER, 3)
        assert count(trips) == before + 1


async def test_who_leads_no_more_measures_nothing() -> None:
    async with DriverBench() as bench:
        await bench.lead()
        future = await bench.put("a")
        bench.clock.advance(0.25)
        await bench.deliver(append_from(THIRD, term=2, prev=EntryId(Term(1), Index(1))))
        assert bench.core.state.role is Role.FOLLOWER
        await bench.saved()
        await bench.deliver(
            append_from(THIRD, entry(1, 2, b""), term=2, prev=EntryId(Term(1), Index(1)), commit=2)
        )
        assert figures(bench, "kvorum_commit_duration_seconds_count") == 0
        future.cancel()
