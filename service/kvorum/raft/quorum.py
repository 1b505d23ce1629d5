"""Counting: what does a majority agree on, or each of two while a membership is joint (§4.3)?"""

from collections.abc import Callable, Collection, Mapping, Sequence
from enum import StrEnum

from msgspec import Struct

from kvorum.raft.membership import Membership
from kvorum.raft.types import Index, NodeId


def majority(voters: int) -> int:
    """How many of ``voters`` are needed to decide."""
    return voters // 2 + 1


def committed_index(match: Sequence[Index]) -> Index:
    """Highest index that a majority stores; the caller checks its term (§3.6.2)."""
    assert match, "a configuration has at least one voter"
    return sorted(match, reverse=True)[len(match) // 2]


class Electorate(Struct, frozen=True):
    """One set of voters as a leader counts it; itself only if it belongs to it (§4.2.2)."""

    others: tuple[NodeId, ...]
    with_us: bool
    needed: int


def electorates_of(membership: Membership, node: NodeId) -> tuple[Electorate, ...]:
    """What ``node`` must count to decide anything: a majority of each."""
    return tuple(
        Electorate(
            tuple(voter for voter in voters if voter != node), node in voters, majority(len(voters))
        )
        for voters in membership.majorities
    )


def is_majority(electorates: Sequence[Electorate], agrees: Callable[[NodeId], bool]) -> bool:
    """Whether enough of every electorate agree; a voter agrees with itself."""
    return all(
        electorate.with_us + sum(map(agrees, electorate.others)) >= electorate.needed
        for electorate in electorates
    )


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


def election_result(membership: Membership, votes: Mapping[NodeId, bool]) -> VoteResult:
    """Every majority must be won; one that is lost decides it (§4.3)."""
    results = {vote_result(voters, votes) for voters in membership.majorities}
    if VoteResult.LOST in results:
        return VoteResult.LOST
    return VoteResult.WON if results == {VoteResult.WON} else VoteResult.PENDING
