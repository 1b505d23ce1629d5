"""Elections: thesis §3.3, §3.4, §3.6.1 and §3.8."""

import pytest

from kvorum.raft.core import Core
from kvorum.raft.messages import AppendResponse, Message, RequestVote, VoteResponse
from kvorum.raft.ready import EventKind
from kvorum.raft.types import EntryId, Role, Term
from tests.support.raft_chaos import seeded_ticks
from tests.support.raft_cluster import Cluster
from tests.support.raft_cores import (
    ELECTION_TICKS_MAX,
    ELECTION_TICKS_MIN,
    HEARTBEAT_TICKS,
    append_entries,
    drain,
    eid,
    elect,
    feed,
    log_of,
    make_core,
    make_leader,
    node_id,
    refusal,
    time_out,
    vote_answer,
    vote_request,
)

SPLIT = {("1", "4"), ("2", "3")}  # lost: so 1 gets the vote of 3, and 2 that of 4


def test_election_safety() -> None:
    """Figure 3, "Election Safety"; §3.4: at most one leader in a term.

    All five candidates of one term are heard by everyone, in every order that the
    queue produces; the observer inside the cluster fails on a second leader.
    """
    cluster = Cluster(5)
    for number in range(1, 6):
        cluster.timeout(number)
    cluster.settle()
    assert len(cluster.invariants.leaders) <= 1
    cluster.elect(4)
    assert list(cluster.invariants.leaders.values())[-1] == node_id(4)


def test_one_vote_in_a_term() -> None:
    """§3.4: first come, first served; the same candidate may ask again."""
    core = make_core()
    answers = feed(
        core,
        vote_request(2, term=1),
        vote_request(3, term=1),
        vote_request(2, term=1),
    ).of(VoteResponse)
    assert [(a.to, a.granted) for a in answers] == [("2", True), ("3", False), ("2", True)]


def test_a_restart_does_not_forget_the_vote() -> None:
    """§3.8: the vote of the current term is persistent."""
    core = make_core(term=4, vote=2)
    answers = feed(core, vote_request(3, term=4), vote_request(2, term=4)).of(VoteResponse)
    assert [a.granted for a in answers] == [False, True]


def test_a_new_term_gives_a_new_vote() -> None:
    """§3.4: one vote per *term*."""
    core = make_core(term=4, vote=2)
    [answer] = feed(core, vote_request(3, term=5)).of(VoteResponse)
    assert (answer.granted, answer.term) == (True, 5)


@pytest.mark.parametrize(
    ("candidate", "granted"),
    [
        (eid(3, 1), True),  # later term, shorter log
        (eid(3, 9), True),  # later term, longer log
        (eid(2, 4), True),  # same term, longer log
        (eid(2, 3), True),  # the same log
        (eid(2, 2), False),  # same term, shorter log
        (eid(1, 9), False),  # earlier term, longer log
        (eid(1, 3), False),  # earlier term, same length
        (eid(0, 0), False),  # nothing at all
    ],
)
@pytest.mark.parametrize("pre", [False, True])
def test_up_to_date_check(candidate: EntryId, granted: bool, pre: bool) -> None:
    """§3.6.1: the later term of the last entry wins, then the longer log; §9.6 asks the same."""
    core = make_core(term=3, log=log_of(1, 2, 2))
    [answer] = feed(core, vote_request(2, term=4, last=candidate, pre=pre)).of(VoteResponse)
    assert answer.granted is granted


def test_a_refused_candidate_still_brings_its_term() -> None:
    """§3.3: a later term is adopted whatever the answer is."""
    core = make_core(term=3, log=log_of(1, 2, 2))
    [answer] = feed(core, vote_request(2, term=9, last=eid(1, 1))).of(VoteResponse)
    assert (answer.granted, answer.term, core.state.term) == (False, 9, 9)
    assert core.state.vote is None


def test_a_candidate_votes_for_itself_and_asks_all_others() -> None:
    """§3.4: term + 1, own vote, RequestVote to every other server with its log's end."""
    core = make_core(term=4, log=log_of(1, 3), voters=5)
    time_out(core)
    drain(core)
    for peer in core.state.peers[:2]:
        core.step(vote_answer(peer, core, term=5, granted=True, pre=True))
    requests = drain(core).of(RequestVote)
    assert [r.to for r in requests] == list(core.state.peers)
    assert {(r.term, r.last, r.pre) for r in requests} == {(5, eid(3, 2), False)}
    assert (core.state.term, core.state.vote) == (5, "1")


def test_a_candidate_that_hears_the_leader_of_its_term_follows_it() -> None:
    """§3.4: a claim with an equal term is legitimate."""
    core = make_core()
    time_out(core)
    drain(core)
    feed(core, vote_answer(node_id(2), core, term=1, granted=True, pre=True))
    assert core.state.role is Role.CANDIDATE
    feed(core, append_entries(3, 1, term=1))
    assert (core.state.role, core.state.leader, core.state.term) == (Role.FOLLOWER, "3", 1)


def test_a_minority_of_votes_does_not_elect() -> None:
    """§3.4: a majority of the full cluster, not of those that answer."""
    core = make_core(voters=5)
    time_out(core)
    drain(core)
    for peer in ("2", "3"):
        feed(core, vote_answer(node_id(int(peer)), core, term=1, granted=True, pre=True))
    roles = []
    for sender in (2, 2, 3):
        feed(core, vote_answer(node_id(sender), core, term=1, granted=True))
        roles.append(core.state.role)
    assert roles == [Role.CANDIDATE, Role.CANDIDATE, Role.LEADER], "a repeated vote counts once"


def test_a_majority_of_refusals_ends_a_campaign() -> None:
    """§3.4: nothing can be won any more; the next timeout decides."""
    core = make_core()
    time_out(core)
    drain(core)
    feed(core, vote_answer(node_id(2), core, term=1, granted=True, pre=True))
    feed(core, vote_answer(node_id(2), core, term=1, granted=False))
    assert core.state.role is Role.CANDIDATE
    feed(core, vote_answer(node_id(3), core, term=1, granted=False))
    assert (core.state.role, core.state.leader) == (Role.FOLLOWER, None)


def test_a_lost_campaign_waits_a_whole_timeout() -> None:
    """§3.4: and a fresh random one, so that rivals do not meet again."""
    core = make_core()
    time_out(core)
    drain(core)
    for _ in range(ELECTION_TICKS_MAX - 1):
        core.tick()
    for sender in (2, 3):
        feed(core, vote_answer(node_id(sender), core, term=0, granted=False, pre=True))
    for _ in range(ELECTION_TICKS_MAX - 1):
        core.tick()
    assert core.state.role is Role.FOLLOWER


def hasty(low: int, high: int) -> int:
    """A whole timeout is as long as possible, any other wait as short."""
    return high if low == ELECTION_TICKS_MIN else low


def contested_candidate(*news: Message, ticks: int = 0) -> Core:
    """Of term 1 among three; hears ``news`` at once, its own vote is durable after ``ticks``."""
    core = make_core(random_ticks=hasty)
    time_out(core)
    drain(core)
    core.step(vote_answer(node_id(2), core, term=1, granted=True, pre=True))
    save = core.ready().save
    assert save is not None
    for message in news:
        core.step(message)
    for _ in range(ticks):
        core.tick()
    core.advance(save)
    assert core.state.role is Role.CANDIDATE
    return core


def ticks_until_it_asks_again(core: Core) -> int:
    for ticks in range(1, 2 * ELECTION_TICKS_MAX):
        core.tick()
        if core.state.role is Role.PRE_CANDIDATE:
            return ticks
    raise AssertionError("it never asks again")


REFUSED = VoteResponse(to=node_id(1), sender=node_id(3), term=Term(1), granted=False, pre=False)


@pytest.mark.parametrize("news", [vote_request(3, term=1), REFUSED])
@pytest.mark.parametrize("ticks", [0, 3])
def test_after_a_split_vote_a_candidate_asks_again_sooner(news: Message, ticks: int) -> None:
    """§3.4: randomised timeouts are to resolve split votes quickly, and nobody leads meanwhile.

    But not before the votes that can still decide had the time to come: on slow disks that is
    long (§3.8).
    """
    at_once = contested_candidate(news, ticks=ticks)
    assert ticks_until_it_asks_again(at_once) == HEARTBEAT_TICKS + 2 * ticks
    later = contested_candidate(ticks=ticks)
    feed(later, news)
    assert ticks_until_it_asks_again(later) == HEARTBEAT_TICKS + 2 * ticks


def test_a_split_vote_never_makes_a_candidate_wait_longer() -> None:
    """§3.4: its timeout stays what it was if that is the shorter one."""
    slow = ELECTION_TICKS_MAX - 5
    core = contested_candidate(vote_request(3, term=1), ticks=slow)
    assert ticks_until_it_asks_again(core) == ELECTION_TICKS_MAX - slow


def test_a_candidate_without_a_rival_waits_a_whole_timeout() -> None:
    """§3.4; a rival's pre-vote splits nothing (§9.6)."""
    core = contested_candidate(vote_request(3, term=1, pre=True), ticks=1)
    assert ticks_until_it_asks_again(core) == ELECTION_TICKS_MAX - 1


def test_votes_of_an_earlier_campaign_do_not_count() -> None:
    """§3.3: messages of earlier terms are ignored."""
    core = make_core(term=1)
    time_out(core)
    drain(core)
    feed(core, vote_answer(node_id(2), core, term=2, granted=True, pre=True))
    time_out(core)
    drain(core)
    feed(core, vote_answer(node_id(2), core, term=3, granted=True, pre=True))
    assert (core.state.role, core.state.term) == (Role.CANDIDATE, 3)
    feed(core, vote_answer(node_id(2), core, term=2, granted=True))
    assert core.state.role is Role.CANDIDATE


def test_timeouts_are_random_and_within_their_bounds() -> None:
    """§3.4: drawn anew from a fixed interval, so that servers rarely time out together."""
    ticks = seeded_ticks(5)(node_id(1))
    core = make_core(random_ticks=ticks)
    seen = set()
    for _ in range(60):
        seen.add(core.state.election_timeout)
        time_out(core)
        drain(core)
    assert seen == set(range(ELECTION_TICKS_MIN, ELECTION_TICKS_MAX + 1))


@pytest.mark.parametrize("seed", range(20))
def test_a_split_vote_resolves(seed: int) -> None:
    """§3.4: with randomised timeouts one of the candidates soon comes first."""
    cluster = Cluster(4, random_ticks=seeded_ticks(seed))
    cluster.net.hold(lambda message: isinstance(message, RequestVote) and not message.pre)
    cluster.timeout(1)
    cluster.timeout(2)
    cluster.settle()
    cluster.net.drop(lambda message: (message.sender, message.to) in SPLIT)
    cluster.net.release()
    cluster.settle()
    votes = [member.running.state.vote for member in cluster.members.values()]
    assert votes == ["1", "2", "1", "2"]
    assert cluster.leaders == []
    for _ in range(3 * ELECTION_TICKS_MAX):
        cluster.tick()
        cluster.settle()
    assert len(cluster.leaders) == 1


def test_a_follower_that_hears_its_leader_stays_quiet() -> None:
    """§3.4: heartbeats, even refused ones, prevent elections."""
    core = make_core(term=1)
    for _ in range(5):
        for _ in range(ELECTION_TICKS_MAX - 1):
            core.tick()
        feed(core, append_entries(2, term=1, prev=eid(1, 9)))
    assert core.state.role is Role.FOLLOWER


@pytest.mark.parametrize("term", [1, 2])
def test_granting_a_vote_restarts_the_timer(term: int) -> None:
    """Figure 3.1, "Rules for Servers": timeout without hearing a leader *or granting a vote*."""
    core = make_core(term=1)
    for _ in range(ELECTION_TICKS_MAX - 1):
        core.tick()
    [answer] = feed(core, vote_request(2, term=term)).of(VoteResponse)
    assert answer.granted
    for _ in range(ELECTION_TICKS_MAX - 1):
        core.tick()
    assert core.state.role is Role.FOLLOWER


@pytest.mark.parametrize("pre", [False, True])
def test_neither_a_refusal_nor_a_pre_vote_restarts_the_timer(pre: bool) -> None:
    """Figure 3.1, §9.6: a candidate that cannot win must not keep others from trying."""
    core = make_core(log=log_of(1), term=1)
    for _ in range(ELECTION_TICKS_MAX - 1):
        core.tick()
    last = eid(9, 9) if pre else eid(0, 0)
    feed(core, vote_request(2, term=2 if pre else 1, last=last, pre=pre))
    core.tick()
    assert core.state.role is Role.PRE_CANDIDATE


def test_a_campaign_has_a_whole_timeout() -> None:
    """§3.4: the time that its pre-vote took does not count."""
    core = make_core()
    time_out(core)
    drain(core)
    for _ in range(ELECTION_TICKS_MAX - 1):
        core.tick()
    feed(core, vote_answer(node_id(2), core, term=1, granted=True, pre=True))
    for _ in range(ELECTION_TICKS_MAX - 1):
        core.tick()
    assert core.state.role is Role.CANDIDATE


@pytest.mark.parametrize("leading", [False, True])
def test_a_later_term_is_adopted(leading: bool) -> None:
    """§3.3: candidates and leaders whose term is out of date step down."""
    core = make_leader(term=2) if leading else make_core(term=2, vote=1)
    told = feed(core, refusal(2, term=7, rejected=0))
    assert (core.state.role, core.state.term, core.state.vote) == (Role.FOLLOWER, 7, None)
    assert core.state.leader is None
    assert bool(told.told(EventKind.STEP_DOWN)) is leading


def test_a_stale_term_is_refused_with_the_current_one() -> None:
    """§3.3: a request with a stale term number is rejected."""
    core = make_core(term=5, log=log_of(1))
    out = feed(core, append_entries(2, 1, term=4), vote_request(3, term=4, last=eid(4, 9)))
    [append], [vote] = out.of(AppendResponse), out.of(VoteResponse)
    assert (append.success, append.term) == (False, 5)
    assert (vote.granted, vote.term) == (False, 5)
    assert (core.state.term, core.state.leader, core.state.log.last_index) == (5, None, 1)


def test_a_leader_refuses_a_rival_of_its_term() -> None:
    """§3.4: it voted for itself."""
    leader = make_leader(term=3)
    [answer] = feed(leader, vote_request(2, term=3, last=eid(9, 9))).of(VoteResponse)
    assert not answer.granted
    assert leader.state.role is Role.LEADER


def test_a_single_voter_elects_itself() -> None:
    """§3.4: a majority of one; but its own vote counts only once it is durable (§3.8).

    Its learners would otherwise hear of a term that it may lead again after a crash.
    """
    core = make_core(voters=1)
    time_out(core)
    ready = core.ready()
    assert (core.state.role, ready.messages) == (Role.CANDIDATE, ())
    assert ready.save is not None
    assert (ready.save.hard_state.term, ready.save.hard_state.vote) == (1, "1")
    core.advance(ready.save)
    assert core.state.role is Role.LEADER
    assert core.ready().committed == (), "its no-op is not durable yet"


def test_a_deposed_leader_can_be_elected_again() -> None:
    """§3.4: but only in a later term."""
    leader = make_leader(term=1)
    feed(leader, append_entries(2, 2, term=2, prev=eid(1, 1)))
    assert leader.state.role is Role.FOLLOWER
    elect(leader)
    assert (leader.state.role, leader.state.term) == (Role.LEADER, 3)


def test_a_stranger_gets_a_vote_but_has_none() -> None:
    """§4.1: our own membership may be behind that of a candidate, but not behind our votes."""
    core = make_core()
    [answer] = feed(core, vote_request(9, term=5)).of(VoteResponse)
    assert answer.granted
    time_out(core)
    drain(core)
    feed(core, vote_answer(node_id(9), core, term=6, granted=True, pre=True))
    assert core.state.role is Role.PRE_CANDIDATE
