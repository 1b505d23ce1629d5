"""Which endpoint is asked."""

import pytest

from kvorum.client.errors import InvalidRequest
from kvorum.client.routing import REST_S_MAX, Router, parse_endpoints


def router(*endpoints: str) -> Router:
    return Router(endpoints or ("a", "b", "c"), jitter=lambda: 0.5)


def where(chosen: Router, now_s: float = 0.0, *, prefers_leader: bool = True) -> str:
    choice = chosen.choose(now_s, prefers_leader=prefers_leader)
    assert choice.wait_s == 0
    return choice.endpoint


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("a:1", ("http://a:1",)),
        ("http://a:1, https://b:2/ ,", ("http://a:1", "https://b:2")),
        (["a:1", "a:1", "b:2"], ("http://a:1", "http://b:2")),
        ("http://[::1]:8081", ("http://[::1]:8081",)),
    ],
)
def test_endpoints(given: str | list[str], expected: tuple[str, ...]) -> None:
    assert parse_endpoints(given) == expected


@pytest.mark.parametrize(
    "given", ["", ",", [], "ftp://a:1", "http://", "a:b", "http://a/x", "a:1?x", "u:p@a:1", "[::1"]
)
def test_what_is_no_endpoint(given: str | list[str]) -> None:
    with pytest.raises(InvalidRequest, match="http://localhost:8081"):
        parse_endpoints(given)


def test_stays_with_whoever_served_last() -> None:
    chosen = router()
    chosen.served("b")
    assert where(chosen) == "b"


def test_one_that_failed_rests_longer_each_time() -> None:
    chosen = router("a")
    rests = []
    for _ in range(10):
        chosen.failed("a", 0.0)
        rests.append(chosen.choose(0.0, prefers_leader=True).wait_s)
    assert rests[:3] == [pytest.approx(0.0375), pytest.approx(0.075), pytest.approx(0.15)]
    assert max(rests) <= REST_S_MAX
    chosen.served("a")
    assert where(chosen) == "a"


def test_the_one_whose_rest_ends_first_is_waited_for() -> None:
    chosen = router("a", "b")
    chosen.failed("a", 0.0, retry_after_s=5)
    chosen.failed("b", 0.0, retry_after_s=2)
    choice = chosen.choose(0.5, prefers_leader=False)
    assert choice.endpoint == "b"
    assert choice.wait_s == pytest.approx(1.5)


def test_the_leader_is_looked_for_among_those_who_have_not_said() -> None:
    chosen = router()
    chosen.served("a")
    chosen.told("a", is_leader=False, leader_id="C")
    assert where(chosen) == "b"
    chosen.told("b", is_leader=False, leader_id="C")
    assert where(chosen) == "c"
    chosen.told("c", is_leader=True, leader_id="C")
    assert [where(chosen), chosen.leader] == ["c", "c"]


def test_reads_that_need_no_leader_do_not_look_for_it() -> None:
    chosen = router()
    chosen.told("a", is_leader=False, leader_id="C")
    assert where(chosen, prefers_leader=False) == "a"


def test_a_leader_outside_the_endpoints_is_not_looked_for_again_and_again() -> None:
    chosen = router()
    for endpoint in ("a", "b", "c"):
        chosen.told(endpoint, is_leader=False, leader_id="Z")
    chosen.served("b")
    assert where(chosen) == "b"


def test_one_that_does_not_answer_is_not_where_the_leader_is_looked_for() -> None:
    chosen = router()
    chosen.told("a", is_leader=False, leader_id="C")
    chosen.failed("b", 0.0)
    assert where(chosen, 100.0) == "c"


def test_a_former_leader_is_found_again_without_looking() -> None:
    chosen = router()
    chosen.told("a", is_leader=True, leader_id="A")
    chosen.told("b", is_leader=True, leader_id="B")
    chosen.told("b", is_leader=False, leader_id="A")
    assert where(chosen) == "a"


def test_an_endpoint_that_denies_to_lead_is_not_the_leaders() -> None:
    chosen = router("a", "b")
    chosen.told("a", is_leader=True, leader_id="A")
    chosen.told("a", is_leader=False, leader_id="A")  # A moved to another address
    assert chosen.leader == ""
    assert where(chosen) == "b"


def test_a_leader_that_failed_is_passed_over_while_it_rests() -> None:
    chosen = router()
    chosen.told("c", is_leader=True, leader_id="C")
    chosen.failed("c", 0.0)
    assert where(chosen, 0.001) == "a"
    assert where(chosen, 10.0) == "c"
