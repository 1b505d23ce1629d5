"""Every change of the log goes through here, because the membership follows it (§4.1)."""

from collections.abc import Sequence

from kvorum.raft.ready import EventKind
from kvorum.raft.snapshot import Snapshot
from kvorum.raft.state import State
from kvorum.raft.types import Entry, EntryId, EntryKind, Index


def append(state: State, kind: EntryKind, data: bytes) -> EntryId:
    """A leader puts one entry at the end of its log; ``flush`` sends it."""
    entry = Entry(state.term, Index(state.log.last_index + 1), kind, data)
    state.log.append(entry)
    if kind is EntryKind.MEMBERSHIP:
        _adopt_memberships(state, (entry,))
    return entry.id


def splice(state: State, prev: Index, entries: Sequence[Entry]) -> Index | None:
    """A follower takes its leader's entries; see ``RaftLog.splice``.

    ``ValueError`` for a membership that this release cannot read.
    """
    removed = state.log.splice(prev, entries)
    if removed is not None and state.memberships.latest_index >= removed:
        state.memberships.truncate(removed)
        _change_membership(state)
    _adopt_memberships(state, entries)
    return removed


def _adopt_memberships(state: State, entries: Sequence[Entry]) -> None:
    for entry in entries:
        if entry.kind is EntryKind.MEMBERSHIP and state.memberships.add(entry):
            _change_membership(state)


def _change_membership(state: State) -> None:
    before = state.membership
    state.use_latest_membership()
    if state.membership != before:
        index = state.memberships.latest_index
        state.tell(EventKind.MEMBERSHIP, why=f"since {index}: {state.membership.describe()}")


def commit_to(state: State, index: Index) -> None:
    """Everything up to ``index`` is decided; so is, maybe, another membership."""
    state.log.commit = index
    if state.next_decision is not None and state.next_decision <= index:
        state.note_decided_membership()


def compact(state: State, index: Index) -> None:
    """Entries up to ``index`` leave memory: a snapshot covers them."""
    if index > state.log.base.index:
        state.log.compact(index)
        state.memberships.compact(index)


def restart(state: State, snapshot: Snapshot) -> None:
    """The log begins anew behind a snapshot whose state was loaded."""
    state.log.restart(snapshot.last)
    state.rebase = snapshot.last
    state.snapshot = snapshot
    state.memberships.restart(snapshot.last.index, snapshot.membership)
    _change_membership(state)
    state.note_decided_membership()
