"""Random histories of a log, as a consensus module would write them."""

from hypothesis import strategies as st

from kvorum.raft.types import Entry, EntryKind, HardState, Index, NodeId, Term
from tests.unit.storage.logs import Batch

_DATA = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([bytes(600), b"x" * 700, b"\xff" * 300 + bytes(400)]),
)


_KINDS = st.sampled_from(EntryKind)
_CHOICES = st.booleans()


@st.composite
def histories(draw: st.DrawFn, *, max_batches: int = 12) -> list[Batch]:
    """Batches that append, replace a suffix, or only change the hard state."""
    batches: list[Batch] = []
    log: list[Entry] = []
    term, commit = 1, 0
    for _ in range(draw(st.integers(1, max_batches))):
        term += draw(st.integers(0, 1))
        first = draw(st.integers(commit + 1, len(log) + 1))
        new = [
            Entry(Term(term), Index(first + i), draw(_KINDS), draw(_DATA))
            for i in range(draw(st.integers(0, 3)))
        ]
        if new:
            log[first - 1 :] = new
        commit = draw(st.integers(commit, len(log)))
        vote = draw(st.sampled_from([None, NodeId("localhost:8001"), NodeId("ж")]))
        state = HardState(Term(term), vote, Index(commit))
        if draw(_CHOICES) and new:
            batches.append(Batch(None, tuple(new)))
            commit = recorded_commit(batches)
        else:
            batches.append(Batch(state, tuple(new)))
    return batches


def recorded_commit(batches: list[Batch]) -> int:
    """The commit index of the last hard state written."""
    states = [batch.hard_state for batch in batches if batch.hard_state is not None]
    return states[-1].commit if states else 0
