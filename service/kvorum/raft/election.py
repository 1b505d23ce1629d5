"""Becoming leader: pre-vote, vote, campaign (§3.4, §4.2.3, §9.6).

A node that hears no leader first asks whether it *would* be elected (pre-vote):
no term changes, so a node that was cut off cannot disturb anyone. Only with a
majority behind it does it raise its term and ask for real votes. Voters of the latest
membership in the log are asked and counted, nobody else; but whoever asks is answered,
since one's own membership may be behind (§4.1).
"""

from kvorum.raft import replication
from kvorum.raft.messages import RequestVote, VoteResponse
from kvorum.raft.quorum import VoteResult, election_result
from kvorum.raft.ready import EventKind
from kvorum.raft.state import State
from kvorum.raft.types import ORIGIN, Role, Term


def on_silence(state: State) -> None:
    """No leader was heard for the election timeout."""
    if state.may_campaign():
        _settle(state, pre_campaign(state), pre=True)
        return
    state.leader = None
    state.restart_election_timer()


def on_timeout_now(state: State) -> None:
    """The leader says that our log is complete: no pre-vote, nor any more waiting (§3.10)."""
    if state.may_campaign() and state.role in (Role.FOLLOWER, Role.PRE_CANDIDATE):
        campaign(state, transfer=True)


def _settle(state: State, result: VoteResult, *, pre: bool) -> None:
    """Act on the state of a campaign: a won pre-vote starts the real one (§9.6)."""
    if result is VoteResult.WON and pre:
        campaign(state)
    elif result is VoteResult.WON:
        replication.lead(state)
    elif result is VoteResult.LOST:
        state.become_follower(state.term, None, "lost")
    elif not pre and _is_split(state):
        state.hasten_next_campaign()


def _is_split(state: State) -> bool:
    """Our own vote is durable and somebody voted for another: perhaps nobody gets a majority."""
    return state.node in state.votes and not all(state.votes.values())


def pre_campaign(state: State) -> VoteResult:
    """Would a majority elect us?"""
    state.role = Role.PRE_CANDIDATE
    state.leader = None
    state.votes = {state.node: True}
    state.restart_election_timer()
    state.tell(EventKind.PRE_CAMPAIGN)
    for peer in state.electors:
        state.send(
            RequestVote(
                to=peer,
                sender=state.node,
                term=Term(state.term + 1),
                last=state.log.last,
                pre=True,
            )
        )
    return election_result(state.membership, state.votes)


def campaign(state: State, *, transfer: bool = False) -> None:
    """Raise the term, vote for ourselves, ask every voter (§3.4).

    The requests wait for the disk, and our own vote counts only then: otherwise a crash
    could forget it after it had helped to elect us (§3.8).
    """
    state.role = Role.CANDIDATE
    state.term = Term(state.term + 1)
    state.vote = state.node
    state.leader = None
    state.votes = {}
    state.restart_election_timer()
    state.tell(EventKind.CAMPAIGN, is_transfer=transfer)
    for peer in state.electors:
        state.send_after_sync(
            RequestVote(
                to=peer,
                sender=state.node,
                term=state.term,
                last=state.log.last,
                transfer=transfer,
            )
        )


def on_durable(state: State) -> None:
    """The disk holds what this node voted."""
    if state.role is Role.CANDIDATE and state.durable.term == state.term:
        state.votes[state.node] = True
        _settle(state, election_result(state.membership, state.votes), pre=False)


def is_blank(state: State) -> bool:
    """Nothing on this disk shows that the node ever took part in anything.

    It may be new; or it lost its disk, and with it entries that it acknowledged and that a
    candidate never got (§3.8). So it elects nobody who has a log already, and waits for a
    leader. Whoever has a log was elected, or got it from somebody who was: by a majority,
    whose disks have a term, and which can elect again without this node. Unless one of them
    is gone for good; so a node that asks and hears of a term counts like any other from then
    on. What keeps a lost disk from voting is that its id is known in the log with another
    data directory (kvorum.transport.admission); this rule only covers for a candidate that
    calls before the two have met anybody else.
    """
    return not state.term and state.log.last == ORIGIN


def grants(state: State, request: RequestVote) -> bool:
    """One vote per term (§3.4), only for a log at least as up to date (§3.6.1)."""
    if request.last < state.log.last:
        return False
    if request.pre:
        return request.term > state.term
    assert request.term == state.term, "step() settles foreign terms first"
    return state.leader is None and state.vote in (None, request.sender)


def answer_vote(state: State, request: RequestVote) -> None:
    """Grant or refuse; the answer waits for the disk that remembers it (§3.8)."""
    granted = grants(state, request)
    if granted and not request.pre:
        state.vote = request.sender
        state.role, state.votes = Role.FOLLOWER, {}  # whoever helps another stops running
        state.restart_election_timer()
    _tell_vote(state, request, granted)
    response = VoteResponse(
        to=request.sender,
        sender=state.node,
        # A granted pre-vote speaks of the term asked for; a refusal of our own.
        term=request.term if granted else state.term,
        granted=granted,
        pre=request.pre,
    )
    # A granted pre-vote promises nothing, so it need not wait for the disk.
    if granted and request.pre:
        state.send(response)
    else:
        state.send_after_sync(response)
    if state.role is Role.CANDIDATE and not request.pre:
        state.votes[request.sender] = False  # it votes for itself
        _settle(state, election_result(state.membership, state.votes), pre=False)


def _tell_vote(state: State, request: RequestVote, granted: bool) -> None:
    kind = EventKind.VOTE if granted else EventKind.REFUSE_VOTE
    what = "pre-vote" if request.pre else "vote"
    if granted:
        why = what
    elif request.pre and request.term <= state.term:
        why = f"{what}: its term is old"
    elif request.last < state.log.last:
        why = f"{what}: its log is behind"
    elif state.leader is not None:
        why = f"{what}: {state.leader} leads"
    else:
        why = f"{what}: voted for {state.vote}"
    state.tell(kind, request.sender, why)


def refuse_vote(state: State, request: RequestVote, why: str) -> None:
    """Refuse without looking at the log and without adopting the asker's term."""
    state.tell(EventKind.REFUSE_VOTE, request.sender, why)
    state.send_after_sync(
        VoteResponse(
            to=request.sender, sender=state.node, term=state.term, granted=False, pre=request.pre
        )
    )


def on_vote(state: State, response: VoteResponse) -> None:
    """An answer of our term, or a pre-vote for the next one."""
    _settle(state, count_vote(state, response), pre=response.pre)


def count_vote(state: State, response: VoteResponse) -> VoteResult:
    """Count an answer to the running campaign; others are too late to matter."""
    expected = Role.PRE_CANDIDATE if response.pre else Role.CANDIDATE
    if state.role is not expected:
        return VoteResult.PENDING
    if response.granted and response.pre and response.term != state.term + 1:
        return VoteResult.PENDING  # granted to an earlier campaign of ours
    state.votes[response.sender] = response.granted
    return election_result(state.membership, state.votes)
