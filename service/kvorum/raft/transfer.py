"""Handing leadership over without waiting for a timeout (§3.10).

The leader stops to take proposals, brings the target's log up to its own, and tells it
to campaign at once. If that does not succeed within an election timeout, it goes on leading.
"""

from kvorum.raft.messages import TimeoutNow
from kvorum.raft.ready import EventKind
from kvorum.raft.state import State, Transfer
from kvorum.raft.types import NodeId, Role

ATTEMPTS_MAX = 2
"""TimeoutNow messages: one may be lost."""


def begin(state: State, target: NodeId | None) -> str:
    """Hand over to ``target``, None: to the best voter. Why not, or an empty string."""
    assert state.role is Role.LEADER, "only a leader has something to hand over"
    if state.transfer is not None:
        return f"leadership is being handed to {state.transfer.target} already"
    refusal = _why_not(state, target)
    if refusal:
        return refusal
    chosen = target or best_successor(state)
    if chosen is None:
        return "no other voter answers"
    state.transfer = Transfer(chosen)
    state.tell(EventKind.TRANSFER, chosen)
    return ""


def _why_not(state: State, target: NodeId | None) -> str:
    if target is None:
        return ""
    if target == state.node:
        return f"{target} leads already"
    if target in state.membership.learners:
        return f"{target} is a learner; promote it first"
    if target not in state.membership.voters:
        return f"{target} is no voter"
    if state.progress[target].silent_ticks >= state.options.election_ticks_max:
        return f"{target} does not answer"
    return ""


def best_successor(state: State) -> NodeId | None:
    """The voter that answers and has the most of the log; those that failed in this term last."""
    patience = state.options.election_ticks_max
    active = [
        voter
        for voter in state.membership.voters
        if voter != state.node and state.progress[voter].is_active(patience)
    ]
    return max(
        active,
        key=lambda voter: (voter not in state.unfit, state.progress[voter].match),
        default=None,
    )


def tick(state: State) -> None:
    """Give up in time: a cluster that cannot write is worse than the present leader."""
    transfer = state.transfer
    if transfer is None:
        return
    transfer.elapsed += 1
    if transfer.elapsed >= state.options.election_ticks_max:
        state.transfer = None
        state.unfit.add(transfer.target)
        state.tell(EventKind.TRANSFER_FAILED, transfer.target, "it did not take over in time")


def proceed(state: State) -> None:
    """Once the target has the whole log, it is to campaign; said twice, as it may be lost."""
    transfer = state.transfer
    if transfer is None:
        return
    if state.progress[transfer.target].match < state.log.last_index:
        return
    waited = transfer.elapsed - transfer.sent_at
    if not transfer.sent or (
        transfer.sent < ATTEMPTS_MAX and waited >= state.options.heartbeat_ticks
    ):
        transfer.sent += 1
        transfer.sent_at = transfer.elapsed
        send_timeout_now(state, transfer.target)


def send_timeout_now(state: State, target: NodeId) -> None:
    state.send(TimeoutNow(to=target, sender=state.node, term=state.term))
