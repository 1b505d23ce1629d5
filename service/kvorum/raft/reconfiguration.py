"""The leader's part in a change of the membership: accept it, complete it, leave (§4.2, §4.3).

One change at a time. A proposal that the cluster could not decide, or that makes no sense,
is refused with a reason; what was accepted is carried through by whoever leads.
"""

from kvorum.raft import log_keeping, transfer
from kvorum.raft.membership import (
    Change,
    ChangeRefused,
    Membership,
    Promote,
    Replace,
    begin,
    decode_change,
    encode_change,
    encode_membership,
    leave_joint,
)
from kvorum.raft.progress import Progress
from kvorum.raft.quorum import electorates_of, is_majority
from kvorum.raft.state import State
from kvorum.raft.types import EntryId, EntryKind, Index, NodeId

PROMOTE_LAG_MAX = 100
"""Entries that a learner may lack when it is promoted; so few arrive within a moment (§4.2.1)."""


def propose(state: State, data: bytes) -> tuple[EntryId | None, str]:
    """Append the membership that a change leads to; else why it is refused.

    Without a reason the change may be proposed again: leadership is new, or handed over.
    """
    if state.transfer is not None or state.is_resigning or not _may_change(state):
        return None, ""
    try:
        membership = _resulting(state, decode_change(data))
    except (ChangeRefused, ValueError) as refused:
        return None, str(refused)
    return log_keeping.append(state, EntryKind.MEMBERSHIP, encode_membership(membership)), ""


def _may_change(state: State) -> bool:
    """An entry of the leader's own term is committed: only then it knows what is (§4.1)."""
    return state.log.term_at(state.log.commit) == state.term


def _resulting(state: State, change: Change) -> Membership:
    if state.next_decision is not None:
        raise ChangeRefused("a change of the membership is under way; wait until it is complete")
    membership = begin(state.membership, change, Index(state.log.last_index + 1))
    if isinstance(change, Promote):
        _require_caught_up(state, change.node)
        _require_introduction(state, change.node)
    elif isinstance(change, Replace):
        _require_silence(state, change.node)
    _require_majorities(state, membership)
    return membership


def _require_caught_up(state: State, learner: NodeId) -> None:
    """A voter that lacks much of the log would hold up every decision that needs it (§4.2.1)."""
    progress = state.progress[learner]
    if not progress.is_active(state.options.election_ticks_max):
        raise ChangeRefused(f"{learner} does not answer; it can be promoted once it does")
    if not _is_caught_up(state, progress):
        raise ChangeRefused(
            f"{learner} has not caught up: it holds the log up to index {progress.match} "
            f"of {state.log.last_index}; try again later"
        )


def _is_caught_up(state: State, progress: Progress) -> bool:
    return state.log.last_index - progress.match <= PROMOTE_LAG_MAX


def _require_introduction(state: State, learner: NodeId) -> None:
    """A vote is a promise that only a disk remembers (§3.8), so it must be known which one.

    An empty data directory may take the id of a learner; of a voter it would forget the votes.
    """
    if not state.is_introduced(learner):
        raise ChangeRefused(
            f"{learner} has not introduced itself yet; it does so as soon as it runs and reaches "
            "the leader"
        )


def _require_silence(state: State, node: NodeId) -> None:
    """Whoever answers has its disk."""
    progress, patience = state.progress.get(node), state.options.election_ticks_max
    if progress is None or progress.is_active(patience):
        raise ChangeRefused(f"{node} is running: it has not lost its disk")
    if progress.silent_ticks < patience:
        raise ChangeRefused(f"{node} may be running; try again in a moment")


def _require_majorities(state: State, membership: Membership) -> None:
    """A change that cannot be decided would stand in the way of everything behind it."""
    patience = state.options.election_ticks_max

    def is_active(node: NodeId) -> bool:
        return node in state.progress and state.progress[node].is_active(patience)

    if not is_majority(electorates_of(membership, state.node), is_active):
        voters = dict.fromkeys(voter for voters in membership.majorities for voter in voters)
        missing = [v for v in voters if v != state.node and not is_active(v)]
        raise ChangeRefused(
            f"no majority could decide this change now: {', '.join(missing)} "
            f"{'does' if len(missing) == 1 else 'do'} not answer"
        )


# --- carrying it through ---------------------------------------------------------------


def proceed(state: State) -> None:
    """The commit index moved: the next step of a change may be due."""
    if state.next_decision is not None:
        return
    if state.membership.is_joint:
        final = leave_joint(state.membership)
        log_keeping.append(state, EntryKind.MEMBERSHIP, encode_membership(final))
    elif state.node not in state.membership.voters:
        state.is_resigning = True
        for progress in state.progress.values():
            progress.due = True


def resign(state: State) -> None:
    """Our removal is decided, and everyone has been told: somebody else leads now (§4.2.2)."""
    successor = transfer.best_successor(state)
    if successor is not None:
        transfer.send_timeout_now(state, successor)
    state.become_follower(state.term, None, "it is no voter any more")


def promote_heirs(state: State) -> None:
    """Learners that took the place of a voter vote as soon as they are known and caught up."""
    if state.next_decision is not None or state.membership.is_joint:
        return
    for heir in state.membership.heirs:
        if state.is_introduced(heir) and _is_caught_up(state, state.progress[heir]):
            entry, _ = propose(state, encode_change(Promote(heir)))
            if entry is not None:
                return
