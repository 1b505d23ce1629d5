"""The follower's work: make the log agree with the leader's (§3.5), or begin it anew (§5.3)."""

from kvorum.raft import log_keeping
from kvorum.raft.messages import AppendEntries, AppendResponse, InstallSnapshot
from kvorum.raft.ready import EventKind
from kvorum.raft.snapshot import Snapshot
from kvorum.raft.state import State
from kvorum.raft.types import Index, NodeId


def on_append_entries(state: State, append: AppendEntries) -> None:
    """Entries or a heartbeat from the leader of our term."""
    state.election_elapsed = 0
    state.leader_commit = append.commit
    log = state.log
    skip = max(log.base.index - append.prev.index, 0)
    if not skip and not log.contains(append.prev):
        _refuse(state, append)
        return
    # What a snapshot here covers is committed, hence the same in the leader's log.
    prev, entries = Index(append.prev.index + skip), append.entries[skip:]
    removed = log_keeping.splice(state, prev, entries)
    if removed is not None:
        state.tell(EventKind.TRUNCATE, append.sender, f"from index {removed}")
    end = Index(prev + len(entries))
    log_keeping.commit_to(state, max(log.commit, min(append.commit, end)))
    match = end if entries else min(end, log.stable)
    _accept(state, append.sender, match, append.round)


def _accept(state: State, leader: NodeId, match: Index, read_round: int = 0) -> None:
    """Acknowledge what is durable.

    A heartbeat is answered at once with what the disk holds already; entries are
    acknowledged after the sync that stores them (§3.8).
    """
    response = AppendResponse(
        to=leader, sender=state.node, term=state.term, success=True, match=match, round=read_round
    )
    is_stable = match <= state.log.stable and state.rebase is None
    if is_stable and state.durable.term == state.term:
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


def refuse(state: State, message: AppendEntries | InstallSnapshot) -> None:
    """Refuse whoever does not lead our term: mostly the leader of an earlier one.

    With pre-vote a node that is ahead in term cannot depose it by campaigning, so
    it must learn from the answer that its time is over (§9.6).
    """
    state.tell(EventKind.REFUSE_APPEND, message.sender, f"it does not lead term {state.term}")
    state.send_after_sync(
        AppendResponse(
            to=message.sender,
            sender=state.node,
            term=state.term,
            success=False,
            rejected=message.prev.index if isinstance(message, AppendEntries) else Index(0),
        )
    )


# --- snapshots -----------------------------------------------------------------------


def on_install_snapshot(state: State, message: InstallSnapshot) -> None:
    """A chunk from the leader of our term, for whoever collects it here (§5.3)."""
    state.election_elapsed = 0
    if _is_covered(state, message.snapshot):
        _accept(state, message.sender, message.snapshot.last.index)
    else:
        state.chunks.append(message)


def install(state: State, snapshot: Snapshot) -> bool:
    """The state of ``snapshot`` was loaded: the log begins anew behind it (Figure 5.3).

    False if the log has come as far by itself: then the loaded state is not needed. What
    the disk's log holds remains void until a save with ``base`` is durable; the
    acknowledgement waits for that.
    """
    if _is_covered(state, snapshot):
        return False
    log_keeping.restart(state, snapshot)
    state.tell(EventKind.INSTALL_SNAPSHOT, state.leader, f"up to index {snapshot.last.index}")
    if state.leader is not None:
        _accept(state, state.leader, snapshot.last.index)
    return True


def _is_covered(state: State, snapshot: Snapshot) -> bool:
    """Whether the log leads there by itself; what a snapshot covers is committed (§5.3)."""
    last = snapshot.last
    if last.index > state.log.commit and state.log.contains(last):
        log_keeping.commit_to(state, last.index)
    return last.index <= state.log.commit
