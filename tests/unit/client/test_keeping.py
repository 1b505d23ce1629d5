"""Time of leases, and the way to a lock, without I/O."""

import json
from typing import Any

import pytest

from kvorum.client.attempts import Pause
from kvorum.client.calls.claims import Kind
from kvorum.client.errors import LeaseNotFound, Taken, Unavailable
from kvorum.client.keeping import Ask, ClaimPlan, Keeper
from kvorum.client.model import Claim, LeaseInfo


def test_a_keepalive_is_due_after_a_third_of_the_time() -> None:
    keeper = Keeper("l", 9.0, 100.0)
    assert keeper.pause_s(100.0) == pytest.approx(3.0)
    assert keeper.pause_s(102.0) == pytest.approx(1.0)


def test_a_keepalive_that_is_late_is_tried_often_and_never_after_the_end() -> None:
    keeper = Keeper("l", 10.0, 100.0)
    assert keeper.pause_s(105.0) == pytest.approx(0.5)
    assert keeper.pause_s(109.9) == pytest.approx(0.1)
    assert keeper.pause_s(111.0) == 0.0


def test_time_counts_from_when_the_keepalive_was_sent() -> None:
    keeper = Keeper("l", 9.0, 100.0)
    keeper.renewed(103.0, 9.0)  # whenever the answer came
    assert keeper.remaining_s(105.0) == pytest.approx(7.0)
    assert not keeper.has_ended(111.9)
    assert keeper.has_ended(112.0)


def test_an_answer_to_an_earlier_keepalive_takes_nothing_back() -> None:
    keeper = Keeper("l", 9.0, 100.0)
    keeper.renewed(105.0, 9.0)
    keeper.renewed(103.0, 9.0)
    assert keeper.remaining_s(105.0) == pytest.approx(9.0)


class Cluster:
    """Answers a plan's calls; virtual time passes while the node holds them."""

    def __init__(self, *claims: Claim | Exception) -> None:
        self.now_s = 0.0
        self.asked: list[str] = []
        self.waits: list[float] = []
        self.pauses: list[float] = []
        self.granted: list[str] = []
        self.is_patient = True
        self._claims = list(claims)

    def clock(self) -> float:
        return self.now_s

    def run(self, plan: ClaimPlan, wait_s: float | None) -> Claim:
        flow = plan.acquire("me", wait_s)
        try:
            ask = next(flow)
            while True:
                try:
                    result = self._answer(ask)
                except (LeaseNotFound, Unavailable) as error:
                    ask = flow.throw(error)
                else:
                    ask = flow.send(result)
        except StopIteration as end:
            result = end.value
            assert isinstance(result, Claim)
            return result

    def _answer(self, ask: Ask | Pause) -> Any:
        if isinstance(ask, Pause):
            self.pauses.append(ask.seconds)
            self.now_s += ask.seconds
            return None
        assert len(self.asked) < 1000, "it never ends"
        self.asked.append(ask.call.operation)
        if ask.call.operation == "lease_grant":
            self.granted.append(json.loads(ask.call.content or b"")["id"])
        if not ask.call.operation.endswith("acquire"):
            lease = ask.call.path.split("/")[-2] if "keepalive" in ask.call.path else "new"
            return LeaseInfo(lease, 9.0, 9.0)
        self.waits.append(ask.call.patience_s)
        self.now_s += 0.01 + (ask.call.patience_s if self.is_patient else 0.0)
        claim = self._claims.pop(0) if len(self._claims) > 1 else self._claims[0]
        if isinstance(claim, Exception):
            raise claim
        return claim


HELD = Claim("l", 7, held=True)
WAITS = Claim("l", 7, position=1)


def plan(cluster: Cluster, lease: str = "") -> ClaimPlan:
    return ClaimPlan(Kind.LOCK, "name", ttl_s=9.0, lease=lease, clock=cluster.clock)


def test_a_free_lock_takes_a_lease_and_a_claim() -> None:
    cluster = Cluster(HELD)
    wanted = plan(cluster)
    assert cluster.run(wanted, None) == HELD
    assert cluster.asked == ["lease_grant", "lock_acquire"]
    assert wanted.keeper is not None
    assert wanted.keeper.lease == wanted.lease


def test_while_it_waits_its_lease_is_kept_alive_in_time() -> None:
    cluster = Cluster(WAITS, WAITS, WAITS, WAITS, HELD)
    cluster.run(plan(cluster), None)
    assert cluster.asked.count("lease_grant") == 1
    assert cluster.asked.count("lease_keepalive") >= 3
    assert max(cluster.waits) < 3.01  # a third of the lease's time
    assert cluster.asked[-1] == "lock_acquire"


def test_with_a_lease_of_the_callers_it_only_waits() -> None:
    cluster = Cluster(WAITS, WAITS, HELD)
    wanted = plan(cluster, "mine")
    cluster.run(wanted, None)
    assert cluster.asked == ["lock_acquire"] * 3
    assert cluster.waits == [60.0] * 3
    assert wanted.keeper is None
    assert wanted.withdrawal().operation == "lock_release"


def test_it_waits_no_longer_than_it_was_told() -> None:
    cluster = Cluster(WAITS)
    with pytest.raises(Taken, match="1 stood before"):
        cluster.run(plan(cluster), 10.0)
    assert 10.0 <= cluster.now_s < 11.0
    assert plan(cluster).withdrawal().operation == "lease_revoke"


def test_without_waiting_it_asks_once_and_stays_in_no_queue() -> None:
    cluster = Cluster(WAITS)
    wanted = plan(cluster, "mine")
    ask = next(wanted.acquire(None, 0))
    assert isinstance(ask, Ask)
    assert b'"queue":false' in (ask.call.content or b"")
    assert b'"waitSeconds":0' in (ask.call.content or b"")


def test_a_lease_that_ended_meanwhile_is_replaced() -> None:
    cluster = Cluster(WAITS, LeaseNotFound("gone"), HELD)
    wanted = plan(cluster)
    cluster.run(wanted, None)
    assert cluster.asked.count("lease_grant") == 2
    first, second = cluster.granted
    assert first != second  # an id that has ended may not be free yet
    assert wanted.lease == second


def test_a_lease_of_the_callers_that_ended_is_an_error() -> None:
    cluster = Cluster(WAITS, LeaseNotFound("gone"), HELD)
    with pytest.raises(LeaseNotFound):
        cluster.run(plan(cluster, "mine"), None)


def test_an_endless_wait_sits_out_an_outage_and_a_limited_one_does_not() -> None:
    cluster = Cluster(WAITS, Unavailable("nobody"), HELD)
    assert cluster.run(plan(cluster, "mine"), None) == HELD
    cluster = Cluster(Unavailable("nobody"))
    with pytest.raises(Unavailable):
        cluster.run(plan(cluster, "mine"), 5.0)


def test_a_node_that_does_not_wait_is_not_asked_all_the_time() -> None:
    cluster = Cluster(WAITS)
    cluster.is_patient = False
    with pytest.raises(Taken):
        cluster.run(plan(cluster, "mine"), 10.0)
    assert len(cluster.asked) < 60
    cluster = Cluster(WAITS, HELD)
    cluster.run(plan(cluster, "mine"), None)
    assert cluster.pauses == []
