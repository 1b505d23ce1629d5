"""The follower's work: make the log agree with the leader's (§3.5)."""

from kvorum.raft.messages import AppendEntries, AppendResponse
from kvorum.raft.ready import EventKind
from kvorum.raft.state import State
from kvorum.raft.types import Index


def on_append_entries(state: State, append: AppendEntries) -> None:
    """Entries or a heartbeat from the leader of our term."""
    state.election_elapsed = 0
    state.leader_commit = append.commit
    log = state.log
    if not log.contains(append.prev):
        _refuse(state, append)
        return
    removed = log.splice(append.prev.index, append.entries)
    if removed is not None:
        state.tell(EventKind.TRUNCATE, append.sender, f"from index {removed}")
    end = Index(append.prev.index + len(append.entries))
    log.commit = max(log.commit, min(append.commit, end))
    _accept(state, append, end)


def _accept(state: State, append: AppendEntries, end: Index) -> None:
    """Acknowledge what is durable.

    A heartbeat is answered at once with what the disk holds already; entries are
    acknowledged after the sync that stores them (§3.8).
    """
    match = end if append.entries else min(end, state.log.stable)
    response = AppendResponse(
        to=append.sender,
        sender=state.node,
        term=state.term,
        success=True,
        match=match,
        round=append.round,
    )
    if match <= state.log.stable and state.durable.term == state.term:
        state.send(response)
    else:
        state.send_after_sync(response)


def _refuse(state: State, append: AppendEntries) -> None:
    conflict = state.log.conflict_at(append.prev)
    state.tell(
        EventKind.REFUSE_APPEND,
        append.sender,
        f"no {append.prev.term}/{append.prev.index}: try {conflict.term}/{conflict.index}",
    )
    state.send_after_sync(
        AppendResponse(
            to=append.sender,
            sender=state.node,
            term=state.term,
            success=False,
            rejected=append.prev.index,
            conflict=conflict,
            round=append.round,
        )
    )


def refuse_append(state: State, append: AppendEntries) -> None:
    """Refuse whoever does not lead our term: mostly the leader of an earlier one.

    With pre-vote a node that is ahead in term cannot depose it by campaigning, so
    it must learn from the answer that its time is over (§9.6).
    """
    state.tell(EventKind.REFUSE_APPEND, append.sender, f"it does not lead term {state.term}")
    state.send_after_sync(
        AppendResponse(
            to=append.sender,
            sender=state.node,
            term=state.term,
            success=False,
            rejected=append.prev.index,
        )
    )
