"""RaftLog and the counting rules against models that are too simple to be wrong."""

from hypothesis import given
from hypothesis import strategies as st

from kvorum.raft.log import ENTRY_OVERHEAD_BYTES, RaftLog
from kvorum.raft.membership import Membership
from kvorum.raft.quorum import (
    VoteResult,
    committed_index,
    election_result,
    electorates_of,
    is_majority,
    majority,
    vote_result,
)
from kvorum.raft.types import Entry, EntryId, Index, NodeId
from tests.support.raft_cores import eid, entry, log_of, node_id
from tests.support.raft_invariants import agree

TERMS = st.lists(st.integers(1, 6), max_size=12).map(sorted)


@given(TERMS, st.data())
def test_a_compacted_log_behaves_like_the_whole(terms: list[int], data: st.DataObject) -> None:
    """As far as what is left goes: every question has the same answer (§5.1)."""
    whole, short = RaftLog(log_of(*terms), Index(0)), RaftLog(log_of(*terms), Index(0))
    commit = Index(data.draw(st.integers(0, len(terms))))
    for log in (whole, short):
        log.commit = commit
        log.take_committed(99, 1 << 30)
    base = data.draw(st.integers(0, commit))
    short.compact(Index(base))
    new = data.draw(st.lists(st.integers(terms[-1] if terms else 1, 7), max_size=4).map(sorted))
    prev = data.draw(st.integers(commit, len(terms)))
    entries = log_of(*new, first=prev + 1)
    assert short.splice(Index(prev), entries) == whole.splice(Index(prev), entries)
    assert (short.base, short.first_index) == (eid(terms[base - 1] if base else 0, base), base + 1)
    assert same_cursors(short) == same_cursors(whole)
    first = Index(data.draw(st.integers(base + 1, whole.last_index + 1)))
    assert short.slice(first, 99) == whole.slice(first, 99)
    assert short.page(Index(1), 99) == whole.page(Index(base + 1), 99)
    for index in range(base, whole.last_index + 2):
        assert short.term_at(Index(index)) == whole.term_at(Index(index))
    assert all(short.term_at(Index(index)) is None for index in range(base))
    prev_id = eid(data.draw(st.integers(1, 8)), data.draw(st.integers(commit + 1, 20)))
    if not short.contains(prev_id):
        ours, theirs = short.conflict_at(prev_id), whole.conflict_at(prev_id)
        assert (ours.term, ours.index) == (theirs.term, max(theirs.index, base + 1))
    conflict = eid(data.draw(st.integers(0, 7)), data.draw(st.integers(1, 20)))
    tried, expected = short.next_to_try(conflict), whole.next_to_try(conflict)
    assert tried == expected or max(tried, expected) <= base + 1, "both need a snapshot, or its end"


def same_cursors(log: RaftLog) -> tuple[object, ...]:
    unstable = log.unstable(1 << 20)
    undecided_bytes = log.size_bytes(Index(log.commit + 1))
    return (log.last, log.commit, log.applied, log.stable, unstable, undecided_bytes)


@given(TERMS, st.data())
def test_splice_agrees_with_a_list(terms: list[int], data: st.DataObject) -> None:
    """The result begins with prev and the entries; what agreed already is kept (§3.5)."""
    log = RaftLog(log_of(*terms), Index(0))
    prev = data.draw(st.integers(0, len(terms)))
    floor = terms[prev - 1] if prev else 1
    new = data.draw(st.lists(st.integers(floor, 7), max_size=8).map(sorted))
    model = terms[:prev] + new
    kept = terms[: len(model)]
    if model == kept:
        model = terms  # nothing in conflict: the rest stays
    agreed = next((i for i, (a, b) in enumerate(zip(terms, model, strict=False)) if a != b), None)

    removed = log.splice(Index(prev), log_of(*new, first=prev + 1))

    assert [e.term for e in log.page(Index(1), 100)] == model
    assert [e.index for e in log.page(Index(1), 100)] == list(range(1, len(model) + 1))
    assert removed == (None if agreed is None else agreed + 1)
    assert log.stable == (len(terms) if agreed is None else agreed)
    assert len(log.unstable(1 << 20)) == log.last_index - log.stable


@given(TERMS, st.integers(0, 8), st.integers(0, 14))
def test_contains_agrees_with_looking(terms: list[int], term: int, index: int) -> None:
    log = RaftLog(log_of(*terms), Index(0))
    looked = (terms[index - 1] == term if index else term == 0) if index <= len(terms) else False
    assert log.contains(eid(term, index)) == looked
    assert log.last == (eid(terms[-1], len(terms)) if terms else eid(0, 0))


@given(st.lists(st.binary(max_size=9), max_size=12), st.integers(1, 12), st.integers(0, 200))
def test_slice_is_at_least_one_entry_and_then_within_its_bytes(
    datas: list[bytes], first: int, bytes_max: int
) -> None:
    log = RaftLog([entry(1, i, data) for i, data in enumerate(datas, 1)], Index(0))
    got = log.slice(Index(first), bytes_max)
    assert [e.index for e in got] == list(range(first, first + len(got)))
    assert bool(got) == (first <= len(datas))
    size = sum(len(e.data) + ENTRY_OVERHEAD_BYTES for e in got)
    assert size <= bytes_max or len(got) == 1
    following = datas[first - 1 + len(got) :]
    assert not following or size + len(following[0]) + ENTRY_OVERHEAD_BYTES > bytes_max, (
        "as many as fit"
    )


@given(TERMS, st.lists(st.integers(0, 5), max_size=20))
def test_committed_entries_are_taken_once_each_in_order(
    terms: list[int], limits: list[int]
) -> None:
    log = RaftLog(log_of(*terms), Index(0))
    log.commit = log.last_index
    taken: list[Entry] = []
    for limit in limits:
        batch = log.take_committed(limit, 1 << 30)
        assert len(batch) <= limit
        taken += batch
    assert taken == list(log_of(*terms))[: sum(limits)]
    assert log.applied == len(taken)


@given(TERMS, TERMS)
def test_conflict_back_up_finds_the_common_prefix(leader: list[int], follower: list[int]) -> None:
    """Each refusal skips a whole term of either log, and never the last agreed entry (§3.5)."""
    ours, theirs = RaftLog(log_of(*leader), Index(0)), RaftLog(log_of(*follower), Index(0))
    # Log matching holds for what real leaders write: equal terms imply equal prefixes.
    agreed = 0
    while leader[agreed : agreed + 1] == follower[agreed : agreed + 1] != []:
        agreed += 1
    if set(leader[agreed:]) & set(follower[agreed:]):
        return
    following, refusals = Index(len(leader) + 1), 0
    while not theirs.contains(prev := ours_at(leader, following - 1)):
        tried = ours.next_to_try(theirs.conflict_at(prev))
        following = min(tried, Index(following - 1))
        refusals += 1
    assert 1 <= following <= agreed + 1, "what the follower kept is a prefix of both"
    assert refusals <= len(set(leader)) + len(set(follower)) + 1


def ours_at(terms: list[int], index: int) -> EntryId:
    return eid(terms[index - 1] if index else 0, index)


@given(st.lists(st.integers(0, 50).map(Index), min_size=1, max_size=9))
def test_commit_rule_agrees_with_counting(match: list[Index]) -> None:
    holders = {i: sum(m >= i for m in match) for i in range(51)}
    assert committed_index(match) == max(i for i in holders if holders[i] * 2 > len(match))


@given(st.lists(st.sampled_from([True, False, None]), min_size=1, max_size=9))
def test_votes_are_decided_when_no_answer_can_change_them(answers: list[bool | None]) -> None:
    voters = [node_id(number) for number in range(len(answers))]
    votes = {voter: a for voter, a in zip(voters, answers, strict=True) if a is not None}
    granted, silent = answers.count(True), answers.count(None)
    if granted * 2 > len(answers):
        expected = VoteResult.WON
    elif (granted + silent) * 2 <= len(answers):
        expected = VoteResult.LOST
    else:
        expected = VoteResult.PENDING
    assert vote_result(voters, votes) is expected
    assert vote_result(voters, {**votes, node_id(99): True}) is expected, "strangers do not count"


MEMBERSHIPS = st.builds(
    lambda voters, outgoing: Membership(tuple(map(node_id, voters)), tuple(map(node_id, outgoing))),
    st.sets(st.integers(1, 7), min_size=1),
    st.sets(st.integers(1, 7)),
)


@given(MEMBERSHIPS, st.sets(st.integers(2, 9)))
def test_majorities_agree_with_counting_heads(membership: Membership, agreeing: set[int]) -> None:
    """A leader agrees with itself, but counts only where it is a voter (§4.2.2, §4.3)."""
    nodes = {node_id(number) for number in (1, *agreeing)}
    expected = agree(membership, nodes)
    counted = is_majority(electorates_of(membership, node_id(1)), nodes.__contains__)
    assert counted == expected
    votes = dict.fromkeys(nodes, True)
    assert (election_result(membership, votes) is VoteResult.WON) == expected


@given(MEMBERSHIPS, st.dictionaries(st.integers(1, 9).map(node_id), st.booleans()))
def test_an_election_is_lost_when_no_answer_can_win_it(
    membership: Membership, votes: dict[NodeId, bool]
) -> None:
    silent = {voter for voters in membership.majorities for voter in voters} - votes.keys()
    could_win = agree(membership, silent | {node for node in votes if votes[node]})
    assert (election_result(membership, votes) is VoteResult.LOST) == (not could_win)


@given(st.integers(1, 99))
def test_two_majorities_always_share_a_member(voters: int) -> None:
    assert 2 * majority(voters) > voters
    assert 2 * (majority(voters) - 1) <= voters, "and no more than needed"
