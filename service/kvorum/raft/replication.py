"""The leader's work: append, pipeline, commit, stay heard (§3.5, §3.6, §6.2).

Nothing is sent while messages are being handled. ``flush`` runs once per
``ready()`` and gives each follower at most what it needs: all new entries, the
commit index and the read round (:mod:`kvorum.raft.read_rounds`) together.
"""

from kvorum.raft import log_keeping, read_rounds, reconfiguration, sending_snapshots, transfer
from kvorum.raft.messages import AppendEntries, AppendResponse
from kvorum.raft.progress import Progress, ProgressState
from kvorum.raft.quorum import Electorate, committed_index, is_majority
from kvorum.raft.read_only import ReadQueue
from kvorum.raft.ready import EventKind
from kvorum.raft.state import State
from kvorum.raft.types import ORIGIN, Entry, EntryId, EntryKind, Index, NodeId, Role


def lead(state: State) -> None:
    """Won: begin the term with a no-op, which lets older entries commit (§3.6.2)."""
    state.role = Role.LEADER
    state.leader = state.node
    state.votes = {}
    state.election_elapsed = 0
    state.heartbeat_elapsed = 0
    state.reads = ReadQueue()
    state.refresh_progress()
    state.tell(EventKind.LEADER)
    log_keeping.append(state, EntryKind.NOOP, b"")


def propose(state: State, data: bytes) -> EntryId | None:
    """Append a batch; None if too much is undecided already, or leadership is handed over."""
    if state.transfer is not None or state.is_resigning:
        return None
    undecided_bytes = state.log.size_bytes(Index(state.log.commit + 1))
    if undecided_bytes + len(data) > state.options.uncommitted_bytes_max:
        return None
    return log_keeping.append(state, EntryKind.COMMANDS, data)


def tick(state: State) -> None:
    """Heartbeats at their interval; patience with those who do not answer."""
    state.heartbeat_elapsed += 1
    if state.heartbeat_elapsed >= state.options.heartbeat_ticks:
        state.heartbeat_elapsed = 0
        heartbeat(state)
    elif state.log.commit == state.log.last_index:
        spread_commit(state)
    read_rounds.tick(state)
    for peer, progress in state.progress.items():
        progress.silent_ticks += 1
        if progress.state is ProgressState.SNAPSHOT:
            sending_snapshots.tick(state, peer, progress)
    if state.membership.heirs:
        reconfiguration.promote_heirs(state)
    transfer.tick(state)
    if state.election_elapsed >= state.options.election_ticks_max:
        state.election_elapsed = 0
        if not is_quorum_active(state):
            state.become_follower(state.term, None, "a majority is silent (CheckQuorum)")


# --- sending -------------------------------------------------------------------------


def flush(state: State) -> None:
    """Send every follower what is new for it, or a heartbeat if one is due."""
    read_rounds.begin(state)
    for peer, progress in state.progress.items():
        _flush_peer(state, peer, progress)
    if state.departing:
        _dismiss(state)
    if state.transfer is not None:
        transfer.proceed(state)
    if state.is_resigning:
        reconfiguration.resign(state)


def _flush_peer(state: State, peer: NodeId, progress: Progress) -> None:
    log = state.log
    if progress.next <= log.base.index:
        sending_snapshots.attend(state, peer, progress)
    while progress.next <= log.last_index and progress.may_send_entries():
        entries = log.slice(progress.next, state.options.append_bytes_max)
        _send_append(state, peer, progress, entries)
        progress.sent(entries[-1].index, sum(len(entry.data) for entry in entries))
    is_awaited = progress.commit_sent < min(log.commit, progress.awaits)
    is_asked = progress.round_sent < state.reads.round and state.reads.asks(peer)
    if is_awaited or is_asked or progress.due:
        _send_append(state, peer, progress, ())


def _dismiss(state: State) -> None:
    """Members that were removed hear it from us once: we do not answer them any more."""
    for peer, progress in state.departing.items():
        if progress.next > state.log.base.index:
            _flush_peer(state, peer, progress)
    state.departing = {}


def _send_append(
    state: State, peer: NodeId, progress: Progress, entries: tuple[Entry, ...]
) -> None:
    progress.due = False
    progress.commit_sent = state.log.commit
    progress.round_sent = state.reads.round
    state.send(
        AppendEntries(
            to=peer,
            sender=state.node,
            term=state.term,
            prev=_before(state, progress),
            entries=entries,
            commit=state.log.commit,
            round=state.reads.round,
        )
    )


def _before(state: State, progress: Progress) -> EntryId:
    """What precedes the next entry; with a snapshot under way, what every log begins with.

    That makes a heartbeat which any follower accepts, and learns nothing new from.
    """
    if progress.state is ProgressState.SNAPSHOT:
        return ORIGIN
    prev = Index(progress.next - 1)
    term = state.log.term_at(prev)
    assert term is not None, "next is at most one past the end of the log"
    return EntryId(term, prev)


def spread_commit(state: State) -> None:
    """Tell those who have not heard it yet how far the log is committed.

    Followers learn it from the next append for free, and at once if a client of
    theirs waits for it; the others need not hear of every commit in a message of
    its own, only soon. While something is undecided this is left alone: either more
    is appended, which brings it along, or the next heartbeat does.
    """
    for progress in state.progress.values():
        if progress.state is ProgressState.REPLICATE and progress.commit_sent < state.log.commit:
            progress.due = True


def heartbeat(state: State) -> None:
    """Every follower hears from us now, even if there is nothing to say (§3.4)."""
    state.reads.witnesses = None
    for progress in state.progress.values():
        progress.heartbeat()


# --- hearing back --------------------------------------------------------------------


def on_append_response(state: State, response: AppendResponse) -> None:
    progress = state.progress.get(response.sender)
    if progress is None:
        return  # it is no member any more
    if response.match > state.log.last_index or response.round > state.reads.round:
        return  # acknowledges what this leader never sent
    progress.heard()
    if response.round > progress.round_acked:
        progress.round_acked = response.round
        read_rounds.confirm(state)
    if response.success:
        _on_accepted(state, progress, response.match)
    elif response.conflict:
        _on_refused(state, progress, response, response.conflict)


def _on_accepted(state: State, progress: Progress, match: Index) -> None:
    if progress.state is ProgressState.SNAPSHOT and match < state.log.base.index:
        return  # it still needs what is gone
    if progress.accepted(match) and match > state.log.commit:
        advance_commit(state)


def _on_refused(
    state: State, progress: Progress, response: AppendResponse, conflict: EntryId
) -> None:
    if progress.is_below_acknowledged(conflict):
        state.tell(
            EventKind.LOST_ENTRIES,
            response.sender,
            f"it had acknowledged index {progress.match}",
        )
        progress.forget()
    if not progress.is_stale_refusal(response.rejected):
        retry = state.log.next_to_try(conflict)
        progress.refused(min(retry, response.rejected))


def advance_commit(state: State) -> None:
    """Commit what every majority stores, if it is of our own term (§3.6.2, Figure 3.7)."""
    log = state.log
    index = _stored(state, state.electorates[0])
    for electorate in state.electorates[1:]:
        index = min(index, _stored(state, electorate))
    if index > log.commit and log.term_at(index) == state.term:
        log_keeping.commit_to(state, index)
        if state.membership.is_joint or not state.electorates[0].with_us:
            reconfiguration.proceed(state)


def _stored(state: State, electorate: Electorate) -> Index:
    """What its majority stores. Our own disk counts up to ``stable``, not to the log's end."""
    progress = state.progress
    match = [progress[voter].match for voter in electorate.others]
    if electorate.with_us:
        match.append(state.log.stable)
    return committed_index(match)


def is_quorum_active(state: State) -> bool:
    """Has every majority been heard since the last call (§6.2)?"""
    progress = state.progress
    is_active = is_majority(state.electorates, lambda voter: progress[voter].recent_active)
    for one in progress.values():
        one.recent_active = False
    return is_active
