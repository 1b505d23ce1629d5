"""What each message does to this node: whose term counts, and who takes it from here.

Terms are settled here and nowhere else (§3.3). Whoever leads a term is followed and whoever
campaigns is answered, member or not: our own membership may be behind (§4.1). Answers count
only from members.
"""

from typing import assert_never

from kvorum.raft import (
    election,
    following,
    read_rounds,
    reconfiguration,
    replication,
    sending_snapshots,
)
from kvorum.raft import transfer as handing_over
from kvorum.raft.messages import (
    AppendEntries,
    AppendResponse,
    InstallSnapshot,
    InstallSnapshotResponse,
    Message,
    Propose,
    ProposeResponse,
    ReadIndex,
    ReadIndexResponse,
    RequestVote,
    StateHash,
    TimeoutNow,
    TransferLeadership,
    VoteResponse,
)
from kvorum.raft.ready import ReadState, Receipt
from kvorum.raft.state import State
from kvorum.raft.types import ORIGIN, EntryId, EntryKind, Role, Term


def step(state: State, message: Message) -> None:
    match message:
        case AppendResponse() | InstallSnapshotResponse() | VoteResponse():
            if message.sender in state.progress or message.sender in state.peers:
                _on_answer(state, message)
        case AppendEntries() | InstallSnapshot():
            _on_leader(state, message)
        case RequestVote():
            _on_request_vote(state, message)
        case TimeoutNow():
            _on_timeout_now(state, message)
        case _:
            _on_request(state, message)


def _leads(state: State, term: Term) -> bool:
    return state.role is Role.LEADER and state.term == term


def _adopt(state: State, term: Term, why: str) -> bool:
    """A later term ends whatever we were doing (§3.3); true if it did."""
    if term <= state.term:
        return False
    state.become_follower(term, None, why)
    return True


# --- consensus -----------------------------------------------------------------------


def _on_leader(state: State, message: AppendEntries | InstallSnapshot) -> None:
    if message.term < state.term or _leads(state, message.term):
        following.refuse(state, message)
        return
    if message.term > state.term or state.role is not Role.FOLLOWER:
        state.become_follower(message.term, message.sender, f"{message.sender} leads")
    else:
        state.follow(message.sender)
    if isinstance(message, AppendEntries):
        following.on_append_entries(state, message)
    else:
        following.on_install_snapshot(state, message)


def _on_answer(
    state: State, answer: AppendResponse | InstallSnapshotResponse | VoteResponse
) -> None:
    if answer.term > state.term and not _is_granted_ahead(answer):
        _adopt(state, answer.term, f"{answer.sender} is in term {answer.term}")
    elif answer.term < state.term:
        return
    elif isinstance(answer, VoteResponse):
        election.on_vote(state, answer)
    elif state.role is not Role.LEADER:
        return
    elif isinstance(answer, AppendResponse):
        replication.on_append_response(state, answer)
    else:
        sending_snapshots.on_response(state, answer)


def _is_granted_ahead(answer: AppendResponse | InstallSnapshotResponse | VoteResponse) -> bool:
    """A granted pre-vote speaks of the term that was asked for."""
    return isinstance(answer, VoteResponse) and answer.pre and answer.granted


def _on_request_vote(state: State, request: RequestVote) -> None:
    what = "pre-vote" if request.pre else "vote"
    if request.term < state.term:
        election.refuse_vote(state, request, f"{what}: its term is old")
    elif request.term > state.term and state.hears_a_leader() and not request.transfer:
        election.refuse_vote(state, request, f"{what}: {state.leader} is alive")
    elif election.is_blank(state) and request.last != ORIGIN:
        election.refuse_vote(state, request, f"{what}: this node has no log yet")
    else:
        if not request.pre:
            _adopt(state, request.term, f"{request.sender} campaigns")
        election.answer_vote(state, request)


def _on_timeout_now(state: State, message: TimeoutNow) -> None:
    if message.term < state.term:
        return  # somebody else was elected meanwhile
    _adopt(state, message.term, f"{message.sender} leads")
    election.on_timeout_now(state)


# --- what one node asks of another ---------------------------------------------------


def _on_request(
    state: State,
    message: Propose
    | ProposeResponse
    | ReadIndex
    | ReadIndexResponse
    | TransferLeadership
    | StateHash,
) -> None:
    match message:
        case Propose():
            _on_propose(state, message)
        case ProposeResponse():
            state.receipts.append(Receipt(message.ticket, message.entry, message.refusal))
        case ReadIndex():
            read_rounds.on_read_index(state, message)
        case ReadIndexResponse():
            state.read_states.append(ReadState(message.ticket, message.index))
        case TransferLeadership():
            _on_transfer_leadership(state, message)
        case StateHash():
            pass  # no part of consensus: the driver compares
        case _:
            assert_never(message)


def _on_propose(state: State, proposal: Propose) -> None:
    entry, refusal = None, ""
    follower = state.progress.get(proposal.sender)
    if follower is not None:
        entry, refusal = propose(state, proposal.kind, proposal.data)
        if entry is not None:
            follower.awaits = entry.index
    state.send(
        ProposeResponse(
            to=proposal.sender,
            sender=state.node,
            term=state.term,
            ticket=proposal.ticket,
            entry=entry,
            refusal=refusal,
        )
    )


def propose(state: State, kind: EntryKind, data: bytes) -> tuple[EntryId | None, str]:
    """As the leader: append a batch, or the membership that a change leads to."""
    if kind is EntryKind.MEMBERSHIP:
        return reconfiguration.propose(state, data)
    return replication.propose(state, data), ""


def _on_transfer_leadership(state: State, message: TransferLeadership) -> None:
    """A refusal needs no answer: whoever asked sees that the leader stays."""
    if message.sender in state.progress:
        handing_over.begin(state, message.target)
