"""Every message type, with any well-formed content, to a core in any role.

Well-formed means: what a decoder lets through and what the protocol's own history
allows (no leader of a term contradicts a committed entry). Nothing may raise, no
cursor may go back, no promise may be made.
"""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvorum.raft.core import Core
from kvorum.raft.membership import AddLearner, Change, Promote, Remove, Replace, encode_change
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
from kvorum.raft.snapshot import Snapshot
from kvorum.raft.types import ORIGIN, EntryId, EntryKind, Index, NodeId, Role, Term, Ticket
from tests.support.raft_cores import (
    drain,
    eid,
    elect,
    log_of,
    make_core,
    node_id,
    time_out,
    vote_answer,
    voters_up_to,
)
from tests.support.raft_disk import Recovered
from tests.support.raft_invariants import durable_before_said

COMMITTED = (1, 1, 2)  # terms of the entries that every run has decided
STRANGER = 9

SENDERS = st.sampled_from([2, 3, STRANGER]).map(node_id)
TERMS = st.integers(1, 9).map(Term)
INDEXES = st.integers(0, 12).map(Index)
MATCHES = st.one_of(st.integers(0, len(COMMITTED)), st.integers(50, 60)).map(Index)
IDS = st.builds(EntryId, TERMS, INDEXES)
TICKETS = st.integers(0, 3).map(Ticket)
ROUNDS = st.integers(0, 3)
TO = st.just(node_id(1))


@st.composite
def logs(draw: st.DrawFn) -> tuple[int, ...]:
    """Terms never fall along a log, and every log begins with what is decided."""
    rest = draw(st.lists(st.integers(2, 6), max_size=6).map(sorted))
    return (*COMMITTED, *rest)


@st.composite
def appends(draw: st.DrawFn) -> AppendEntries:
    """What a leader with some log may send: a slice of it, with its own commit index."""
    terms = draw(logs())
    start = draw(st.integers(0, len(terms)))
    end = draw(st.integers(start, len(terms)))
    prev = eid(terms[start - 1], start) if start else eid(0, 0)
    return AppendEntries(
        to=node_id(1),
        sender=draw(SENDERS),
        term=Term(draw(st.integers(max(terms), 9))),
        prev=prev,
        entries=log_of(*terms[start:end], first=start + 1),
        commit=Index(draw(st.integers(0, len(COMMITTED)))),
        round=draw(ROUNDS),
    )


SNAPSHOTS = st.builds(
    lambda index: Snapshot(eid(COMMITTED[index - 1], index), voters_up_to(3), 9, index),
    st.integers(1, len(COMMITTED)),
)
SOME_CHANGES: list[Change] = [
    AddLearner("4"),
    AddLearner("2"),
    Promote(NodeId("4#5")),
    Remove(node_id(1)),
    Remove(node_id(3)),
    Replace(node_id(2)),
]
CHANGES = st.sampled_from([encode_change(change) for change in SOME_CHANGES])

MESSAGES: st.SearchStrategy[Message] = st.one_of(
    appends(),
    st.builds(RequestVote, to=TO, sender=SENDERS, term=TERMS, last=IDS, pre=st.booleans()),
    st.builds(
        VoteResponse, to=TO, sender=SENDERS, term=TERMS, granted=st.booleans(), pre=st.booleans()
    ),
    st.builds(
        AppendResponse,
        to=TO,
        sender=SENDERS,
        term=TERMS,
        success=st.just(True),
        match=MATCHES,
        round=ROUNDS,
    ),
    st.builds(
        AppendResponse,
        to=TO,
        sender=SENDERS,
        term=TERMS,
        success=st.just(False),
        rejected=INDEXES,
        conflict=st.none() | IDS,
        round=ROUNDS,
    ),
    st.builds(
        Propose, to=TO, sender=SENDERS, term=TERMS, ticket=TICKETS, data=st.binary(max_size=9)
    ),
    st.builds(
        ProposeResponse, to=TO, sender=SENDERS, term=TERMS, ticket=TICKETS, entry=st.none() | IDS
    ),
    st.builds(ReadIndex, to=TO, sender=SENDERS, term=TERMS, ticket=TICKETS),
    st.builds(
        ReadIndexResponse,
        to=TO,
        sender=SENDERS,
        term=TERMS,
        ticket=TICKETS,
        index=st.none() | INDEXES,
    ),
    st.builds(
        Propose,
        to=TO,
        sender=SENDERS,
        term=TERMS,
        ticket=TICKETS,
        kind=st.just(EntryKind.MEMBERSHIP),
        data=CHANGES | st.binary(max_size=9),
    ),
    st.builds(
        InstallSnapshot,
        to=TO,
        sender=SENDERS,
        term=st.integers(max(COMMITTED), 9).map(Term),
        snapshot=SNAPSHOTS,
        offset=st.integers(0, 9),
        data=st.binary(max_size=9),
    ),
    st.builds(
        InstallSnapshotResponse,
        to=TO,
        sender=SENDERS,
        term=TERMS,
        last=SNAPSHOTS.map(lambda snapshot: snapshot.last) | IDS,
        checksum=st.integers(0, 3),
        offset=st.integers(-1, 20),
    ),
    st.builds(TimeoutNow, to=TO, sender=SENDERS, term=TERMS),
    st.builds(TransferLeadership, to=TO, sender=SENDERS, term=TERMS, target=st.none() | SENDERS),
    st.builds(StateHash, to=TO, sender=SENDERS, term=TERMS, index=INDEXES, hash=st.just(1)),
)


def core_in(role: Role, terms: Sequence[int], compacted: int) -> Core:
    """A core with such a log that just reached ``role`` in a term after it."""
    base = eid(terms[compacted - 1], compacted) if compacted else ORIGIN
    log = log_of(*terms[compacted:], first=compacted + 1)
    core = make_core(term=max(terms), commit=len(COMMITTED), log=log, base=base)
    if compacted:
        core.offer(Snapshot(base, voters_up_to(3), 9, 0), Index(0))
    if role is Role.LEADER:
        elect(core)
    elif role is not Role.FOLLOWER:
        time_out(core)
        drain(core)
    if role is Role.CANDIDATE:
        granted = vote_answer(node_id(2), core, term=core.state.term + 1, granted=True, pre=True)
        core.step(granted)
        drain(core)
    assert core.state.role is role
    return core


class Watcher:
    """A driver whose disk obeys when told, and who compares before with after."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.hard_state = core.state.durable
        log = core.state.log
        self.base = log.base
        self.entries = list(log.page(log.first_index, log.last_index))
        self.applied = log.applied
        self.before = self._now()

    def _now(self) -> tuple[Term, Index, Index]:
        state = self.core.state
        return (state.term, state.log.commit, state.log.applied)

    def look(self, *, sync: bool) -> None:
        state, log = self.core.state, self.core.state.log
        term, vote = state.term, state.vote
        ready = self.core.ready()
        found = Recovered(self.hard_state, voters_up_to(3), self.base, self.entries)
        for message in ready.messages:
            durable_before_said(message, found, {})
        assert [e.index for e in ready.committed] == list(range(self.applied + 1, log.applied + 1))
        self.applied = log.applied
        now = self._now()
        assert all(new >= old for new, old in zip(now, self.before, strict=True))
        assert log.applied <= log.commit <= log.last_index
        assert log.stable <= log.last_index
        assert (state.term, state.vote) == (term, vote), "ready() decides nothing"
        self.before = now
        if sync and ready.save is not None:
            self.hard_state = ready.save.hard_state
            if ready.save.entries:
                del self.entries[ready.save.entries[0].index - 1 - self.base.index :]
                self.entries += ready.save.entries
            self.core.advance(ready.save)


@settings(max_examples=400)
@given(
    st.sampled_from(list(Role)),
    logs(),
    st.integers(0, len(COMMITTED)),
    st.lists(MESSAGES, min_size=1, max_size=12),
    st.data(),
)
def test_any_message_in_any_role(
    role: Role,
    terms: tuple[int, ...],
    compacted: int,
    messages: list[Message],
    data: st.DataObject,
) -> None:
    core = core_in(role, terms, compacted)
    watcher = Watcher(core)
    for message in messages:
        term, vote = core.state.term, core.state.vote
        core.step(message)
        state = core.state
        assert state.term >= term
        assert state.term > term or vote in (None, state.vote), "a vote changes only with the term"
        assert (state.role is Role.LEADER) == bool(state.progress)
        watcher.look(sync=data.draw(st.booleans()))
        if not watcher.core._saving:
            assert not state.messages_after_sync, "nothing waits for a disk that is idle"


@given(MESSAGES)
def test_a_message_for_someone_else_is_a_fault_of_the_transport(message: Message) -> None:
    """The assertion stops a node whose peers are mixed up, before any harm is done."""
    core = make_core(2)
    with pytest.raises(AssertionError):
        core.step(message)
    assert core.state.term == 0
