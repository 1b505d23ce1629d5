"""Counting at its edges; in general it is in tests/properties/test_raft_log.py."""

import pytest

from kvorum.raft.quorum import VoteResult, committed_index, majority, vote_result
from kvorum.raft.types import Index
from tests.support.raft_cores import node_id


@pytest.mark.parametrize(("voters", "needed"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (7, 4)])
def test_majority(voters: int, needed: int) -> None:
    assert majority(voters) == needed


@pytest.mark.parametrize(
    ("match", "committed"), [([4], 4), ([4, 9], 4), ([1, 5, 9], 5), ([1, 2, 8, 9], 2)]
)
def test_committed_index(match: list[int], committed: int) -> None:
    assert committed_index([Index(index) for index in match]) == committed


def test_nobody_decides_nothing() -> None:
    with pytest.raises(AssertionError, match="at least one voter"):
        committed_index([])


def test_vote_result() -> None:
    voters = [node_id(number) for number in (1, 2, 3, 4)]
    one, two, three, four = voters
    assert vote_result(voters, {}) is VoteResult.PENDING
    assert vote_result(voters, {one: True, two: True}) is VoteResult.PENDING
    assert vote_result(voters, {one: True, two: True, three: True}) is VoteResult.WON
    assert vote_result(voters, {one: False}) is VoteResult.PENDING
    assert vote_result(voters, {one: False, four: False}) is VoteResult.LOST
