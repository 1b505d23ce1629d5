"""A leader proves that it still leads, so that reads need no log entries (§6.4).

Any majority that acknowledges a round proves it, and most of the cost of a read is asking. So
a round asks its *witnesses* alone: those who were the first to confirm an earlier one. With
every heartbeat, and as soon as they keep a round waiting, everybody is asked, and whoever
answers first is asked from then on: the nearest are found, and one that falls silent
holds reads up for some ticks, once.

A follower that asks for its own reads is a witness of them: it sent the question in this
term after they had arrived. With three voters that makes a majority.
"""

from kvorum.raft.messages import ReadIndex
from kvorum.raft.quorum import is_majority
from kvorum.raft.read_only import ReadRequest
from kvorum.raft.state import State

PATIENCE_TICKS = 2
"""So that at least one whole tick has passed since a round began."""


def begin(state: State) -> None:
    """Open a round for the reads that wait, unless one is out."""
    if _may_read(state) and state.reads.begin(state.log.commit):
        confirm(state)  # with a single voter there is nobody to ask


def tick(state: State) -> None:
    reads = state.reads
    if reads.checking:
        reads.waited_ticks += 1
        if reads.waited_ticks >= PATIENCE_TICKS:
            reads.witnesses = None


def confirm(state: State) -> None:
    """Answer the open round once every majority has acknowledged it."""
    reads = state.reads
    if not reads.checking:
        return
    progress = state.progress
    if not is_majority(state.electorates, lambda v: progress[v].round_acked >= reads.round):
        return
    if reads.witnesses is None:
        first = (peer for peer in state.electors if progress[peer].round_acked == reads.round)
        reads.witnesses = frozenset(first)
    index, requests = reads.confirm()
    for request in requests:
        state.answer_read(request, index)


def on_read_index(state: State, read: ReadIndex) -> None:
    """A member asks for reads of its own."""
    request = ReadRequest(read.sender, read.ticket)
    if read.sender not in state.progress:
        state.answer_read(request, None)
    elif _proves_itself(state, read) and _may_read(state):
        state.answer_read(request, state.log.commit)
    else:
        state.reads.add(request)


def _proves_itself(state: State, read: ReadIndex) -> bool:
    """Whether its sender and this node are all that a round could ask for.

    Both were in this term after the reads had arrived, so no majority had elected a later
    leader by then, and whatever was committed by then is committed here.
    """
    return read.term == state.term and is_majority(
        state.electorates, lambda voter: voter == read.sender
    )


def _may_read(state: State) -> bool:
    """A leader knows the commit index only once an entry of its own term committed (§6.4)."""
    return state.log.term_at(state.log.commit) == state.term
