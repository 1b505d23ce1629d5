"""The leader's work: append, pipeline, commit, prove leadership (§3.5, §3.6, §6.2, §6.4).

Nothing is sent while messages are being handled. ``flush`` runs once per
``ready()`` and gives each follower at most what it needs: all new entries, the
commit index and the read round together.
"""

from kvorum.raft.messages import AppendEntries, AppendResponse
from kvorum.raft.progress import Progress, ProgressState
from kvorum.raft.quorum import committed_index, majority
from kvorum.raft.read_only import ReadQueue
from kvorum.raft.ready import EventKind
from kvorum.raft.state import State
from kvorum.raft.types import Entry, EntryId, EntryKind, Index, NodeId, Role


def lead(state: State) -> None:
    """Won: begin the term with a no-op, which lets older entries commit (§3.6.2)."""
    state.role = Role.LEADER
    state.leader = state.node
    state.votes = {}
    state.election_elapsed = 0
    state.heartbeat_elapsed = 0
    state.reads = ReadQueue()
    options = state.options
    state.progress = {
        peer: Progress(
            Index(state.log.last_index + 1),
            inflight_max=options.inflight_appends_max,
            inflight_bytes_max=options.inflight_bytes_max,
        )
        for peer in state.peers
    }
    state.tell(EventKind.LEADER)
    append(state, EntryKind.NOOP, b"")


def propose(state: State, data: bytes) -> EntryId | None:
    """Append a batch; None if too much is undecided already."""
    if state.log.uncommitted_bytes() + len(data) > state.options.uncommitted_bytes_max:
        return None
    return append(state, EntryKind.COMMANDS, data)


def append(state: State, kind: EntryKind, data: bytes) -> EntryId:
    """Put one entry at the end of our own log; ``flush`` sends it."""
    entry = Entry(state.term, Index(state.log.last_index + 1), kind, data)
    state.log.append(entry)
    return entry.id


# --- sending -------------------------------------------------------------------------


def flush(state: State) -> None:
    """Send every follower what is new for it, or a heartbeat if one is due."""
    if _may_read(state) and state.reads.begin(state.log.commit):
        confirm_reads(state)  # with a single voter there is nobody to ask
    for peer, progress in state.progress.items():
        _flush_peer(state, peer, progress)


def _flush_peer(state: State, peer: NodeId, progress: Progress) -> None:
    log = state.log
    while progress.next <= log.last_index and progress.may_send_entries():
        entries = log.slice(progress.next, state.options.append_bytes_max)
        _send_append(state, peer, progress, entries)
        progress.sent(entries[-1].index, sum(len(entry.data) for entry in entries))
    is_awaited = progress.commit_sent < min(log.commit, progress.awaits)
    if is_awaited or progress.due or progress.round_sent < state.reads.round:
        _send_append(state, peer, progress, ())


def _send_append(
    state: State, peer: NodeId, progress: Progress, entries: tuple[Entry, ...]
) -> None:
    prev = Index(progress.next - 1)
    term = state.log.term_at(prev)
    assert term is not None, "next is at most one past the end of the log"
    progress.due = False
    progress.commit_sent = state.log.commit
    progress.round_sent = state.reads.round
    state.send(
        AppendEntries(
            to=peer,
            sender=state.node,
            term=state.term,
            prev=EntryId(term, prev),
            entries=entries,
            commit=state.log.commit,
            round=state.reads.round,
        )
    )


def spread_commit(state: State) -> None:
    """Tell those who have not heard it yet how far the log is committed.

    Followers learn it from the next append for free, and at once if a client of
    theirs waits for it; the others need not hear of every commit in a message of
    its own, only soon.
    """
    for progress in state.progress.values():
        if progress.state is ProgressState.REPLICATE and progress.commit_sent < state.log.commit:
            progress.due = True


def heartbeat(state: State) -> None:
    """Every follower hears from us now, even if there is nothing to say (§3.4)."""
    for progress in state.progress.values():
        progress.heartbeat()


# --- hearing back --------------------------------------------------------------------


def on_append_response(state: State, response: AppendResponse) -> None:
    progress = state.progress[response.sender]
    if response.match > state.log.last_index or response.round > state.reads.round:
        return  # acknowledges what this leader never sent
    progress.recent_active = True
    if response.round > progress.round_acked:
        progress.round_acked = response.round
        confirm_reads(state)
    if response.success:
        if progress.accepted(response.match):
            advance_commit(state)
    elif response.conflict:
        if progress.is_below_acknowledged(response.conflict):
            state.tell(
                EventKind.LOST_ENTRIES,
                response.sender,
                f"it had acknowledged index {progress.match}",
            )
            progress.forget()
        if not progress.is_stale_refusal(response.rejected):
            retry = state.log.next_to_try(response.conflict)
            progress.refused(min(retry, response.rejected))


def advance_commit(state: State) -> None:
    """Commit what a majority stores, if it is of our own term (§3.6.2, Figure 3.7).

    Our own disk counts like any other: up to ``stable``, not up to the log's end.
    """
    log = state.log
    match = [progress.match for progress in state.progress.values()]
    index = committed_index([*match, log.stable])
    if index > log.commit and log.term_at(index) == state.term:
        log.commit = index


def is_quorum_active(state: State) -> bool:
    """Has a majority been heard since the last call (§6.2)?"""
    active = 1 + sum(progress.recent_active for progress in state.progress.values())
    for progress in state.progress.values():
        progress.recent_active = False
    return active >= majority(len(state.membership.voters))


# --- reads ---------------------------------------------------------------------------


def _may_read(state: State) -> bool:
    """A leader knows the commit index only once an entry of its own term committed (§6.4)."""
    return state.log.term_at(state.log.commit) == state.term


def confirm_reads(state: State) -> None:
    """Answer the open round if a majority, ourselves included, has acknowledged it."""
    reads = state.reads
    if not reads.checking:
        return
    acked = 1 + sum(p.round_acked >= reads.round for p in state.progress.values())
    if acked < majority(len(state.membership.voters)):
        return
    index, requests = reads.confirm()
    for request in requests:
        state.answer_read(request, index)
