"""Counting: what does a majority agree on?"""

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum

from kvorum.raft.types import Index, NodeId


def majority(voters: int) -> int:
    """How many of ``voters`` are needed to decide."""
    return voters // 2 + 1


def committed_index(match: Sequence[Index]) -> Index:
    """Highest index that a majority stores; the caller checks its term (§3.6.2)."""
    assert match, "a configuration has at least one voter"
    return sorted(match, reverse=True)[len(match) // 2]


class VoteResult(StrEnum):
    WON = "won"
    LOST = "lost"
    PENDING = "pending"


def vote_result(voters: Collection[NodeId], votes: Mapping[NodeId, bool]) -> VoteResult:
    """Won or lost as soon as the voters still silent cannot change it (§3.4)."""
    needed = majority(len(voters))
    granted = sum(votes.get(voter, False) for voter in voters)
    refused = sum(not votes.get(voter, True) for voter in voters)
    if granted >= needed:
        return VoteResult.WON
    return VoteResult.LOST if refused > len(voters) - needed else VoteResult.PENDING
