"""What the member commands print, and which endpoints they understand."""

import pytest

from kvorum.cli.asking import Endpoint, parse_endpoints
from kvorum.cli.cluster.words import after_adding, member_table, voters_of
from kvorum.rest.schemas import Member, MembersAnswer


def member(number: int, **changes: object) -> Member:
    fields: dict[str, object] = {
        "id": f"localhost:800{number}",
        "name": f"Node-{number}",
        "address": f"localhost:800{number}",
        "role": "voter",
        "is_leader": number == 1,
        "active": True,
        "match_index": 118,
        "lag": 0,
    }
    return Member(**(fields | changes))  # type: ignore[arg-type]  # the fields are as above


def answer(*members: Member, **changes: object) -> MembersAnswer:
    fields: dict[str, object] = {
        "is_leader": True,
        "leader_id": "Node-1",
        "cluster_id": "5f0c2a9e",
        "index": 31,
        "is_joint": False,
        "members": list(members),
    }
    return MembersAnswer(**(fields | changes))  # type: ignore[arg-type]  # the fields are as above


def test_the_table_is_aligned() -> None:
    learner = member(6, id="localhost:8006#1f", name="", role="learner", active=False, lag=118)
    assert member_table(answer(member(1), member(2), learner)) == (
        "ID                 NAME    ROLE     STATE   LAG\n"
        "localhost:8001     Node-1  voter    leader  0\n"
        "localhost:8002     Node-2  voter    active  0\n"
        "localhost:8006#1f  -       learner  silent  118\n"
        "\n"
        "cluster 5f0c2a9e, members as of log entry 31"
    )


def test_a_follower_says_that_it_does_not_know() -> None:
    text = member_table(answer(member(2, active=None, lag=None), is_leader=False, is_joint=True))
    assert "localhost:8002  Node-2  voter  -      -\n" in text
    assert text.endswith(
        "a change of voters is under way\n"
        "only the leader (Node-1) knows state and lag; this is another node"
    )


def test_without_a_leader_that_is_said() -> None:
    text = member_table(answer(member(2), is_leader=False, leader_id=""))
    assert "only the leader (none is known here: see /readyz)" in text


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (1, "1 voter, of which 0 may fail"),
        (4, "4 voters, of which 1 may fail"),
        (5, "5 voters, of which 2 may fail"),
    ],
)
def test_how_many_may_fail(count: int, words: str) -> None:
    voters = [member(number) for number in range(count)]
    learner = member(9, role="learner")
    assert voters_of(answer(*voters, learner)) == words


def test_after_adding_comes_starting_and_promoting() -> None:
    text = after_adding(member(6, id="localhost:8006#1f", role="learner"))
    assert "SELF_ADDRESS=localhost:8006," in text
    assert text.endswith("kvorum member promote localhost:8006")


def test_endpoints_are_urls_or_addresses() -> None:
    text = "http://localhost:8081, Node-2.example:80,http://[::1]:8083/"
    endpoints = parse_endpoints(text)
    assert endpoints == (
        Endpoint("localhost", 8081),
        Endpoint("node-2.example", 80),
        Endpoint("::1", 8083),
    )
    assert str(endpoints[2]) == "http://[::1]:8083"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "http://a",
        "a:1,",
        "https://a:1",
        "http://a:x",
        "http://:1",
        "http://a:1/x",
        "a:1?b",
        "[",
    ],
)
def test_other_things_are_no_endpoints(text: str) -> None:
    with pytest.raises(ValueError, match="no URL of a node, such as http://localhost:8081"):
        parse_endpoints(text)
