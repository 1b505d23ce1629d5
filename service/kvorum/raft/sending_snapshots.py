"""The leader's part in sending a snapshot to a follower that needs entries which are gone (§5.3).

The core only says which bytes are wanted; reading them is the driver's work. One chunk at
a time is on its way to a follower, whose answers say where to go on.
"""

from kvorum.raft import log_keeping
from kvorum.raft.messages import InstallSnapshotResponse
from kvorum.raft.progress import Progress, ProgressState
from kvorum.raft.ready import ChunkWanted, EventKind
from kvorum.raft.snapshot import Snapshot
from kvorum.raft.state import State
from kvorum.raft.types import Index, NodeId


def offer(state: State, snapshot: Snapshot, keep_from: Index) -> None:
    """The newest snapshot here; entries below ``keep_from`` may go, as far as it covers them.

    Those that a snapshot on its way leads up to stay: otherwise it would be of no use when it
    arrives, and the next one, sent while the log is cut again, would fare no better.
    """
    log = state.log
    if state.snapshot is None and snapshot.last.index < log.base.index:
        return  # written while a later one was installed that proved unreadable since
    if state.snapshot is None or snapshot.last.index > state.snapshot.last.index:
        state.snapshot = snapshot
    index = min(Index(keep_from - 1), state.snapshot.last.index, log.applied, log.stable)
    for progress in state.progress.values():
        if progress.snapshot is not None and _is_worth_waiting_for(state, progress):
            index = min(index, progress.snapshot.last.index)
    log_keeping.compact(state, index)


def _is_worth_waiting_for(state: State, progress: Progress) -> bool:
    """The follower answers, and what is kept for it is not more than it may cost."""
    assert progress.snapshot is not None, "only while one is being sent"
    kept_bytes = state.log.size_bytes(Index(progress.snapshot.last.index + 1))
    return (
        progress.silent_ticks < state.options.election_ticks_max
        and kept_bytes <= state.options.kept_for_snapshot_bytes_max
    )


def withdraw(state: State, snapshot: Snapshot) -> None:
    """Its file cannot be read: whoever is being sent it gets another one, once there is one."""
    if state.snapshot == snapshot:
        state.snapshot = None
    for progress in state.progress.values():
        if progress.snapshot == snapshot:
            progress.send_snapshot(None)
    state.chunks_wanted[:] = [one for one in state.chunks_wanted if one.snapshot != snapshot]


def attend(state: State, peer: NodeId, progress: Progress) -> None:
    """What the follower needs next is gone: make sure that it is being sent a snapshot.

    One that was begun is sent to its end, unless the log does not reach back to it any more.
    While the only one that was here proved unreadable, the follower waits for the next.
    """
    base = state.log.base
    if progress.snapshot is not None and progress.snapshot.last.index >= base.index:
        return
    snapshot = state.snapshot
    progress.send_snapshot(snapshot)
    if snapshot is None:
        return
    assert snapshot.last.index >= base.index, "entries go only once a snapshot covers them"
    what = f"up to index {snapshot.last.index}, {snapshot.size_bytes} bytes"
    state.tell(EventKind.SEND_SNAPSHOT, peer, what)
    _want_chunk(state, peer, progress)


def tick(state: State, peer: NodeId, progress: Progress) -> None:
    """Ask again if no answer came, but not while the follower is silent altogether."""
    if progress.snapshot is None:
        return
    progress.asked_ticks += 1
    if progress.must_ask_again(state.options.election_ticks_max):
        _want_chunk(state, peer, progress)


def on_response(state: State, response: InstallSnapshotResponse) -> None:
    progress = state.progress.get(response.sender)
    if progress is None:
        return
    progress.heard()
    snapshot = progress.snapshot
    if progress.state is not ProgressState.SNAPSHOT or snapshot is None:
        return
    is_this_one = (response.last, response.checksum) == (snapshot.last, snapshot.checksum)
    if not is_this_one or not 0 <= response.offset <= snapshot.size_bytes:
        return
    if progress.has_bytes(response.offset):
        _want_chunk(state, response.sender, progress)


def _want_chunk(state: State, peer: NodeId, progress: Progress) -> None:
    assert progress.snapshot is not None, "only while one is being sent"
    state.chunks_wanted.append(
        ChunkWanted(peer, state.term, progress.snapshot, progress.asked_offset)
    )
