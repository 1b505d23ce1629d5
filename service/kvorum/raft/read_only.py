"""Linearizable reads without log entries: the leader's queue of read batches (§6.4).

All reads that arrive while a round of leadership checks is out form the next
batch. A round's number is never used twice in a term, so a late answer to an
earlier round can never vouch for a later read.
"""

from collections.abc import Sequence

from msgspec import Struct

from kvorum.raft.types import Index, NodeId, Ticket


class ReadRequest(Struct, frozen=True, gc=False):
    """A read waiting at the leader; ``origin`` is the node that asked."""

    origin: NodeId
    ticket: Ticket


class ReadQueue:
    def __init__(self) -> None:
        self.round = 0
        self._forming: list[ReadRequest] = []
        self._checking: list[ReadRequest] = []
        self._index = Index(0)
        self.waited_ticks = 0  # that the open round has waited for
        self.witnesses: frozenset[NodeId] | None = None  # whom a round asks; None: everybody

    def asks(self, peer: NodeId) -> bool:
        """Whether a round needs a message to ``peer`` for its own sake."""
        return self.witnesses is None or peer in self.witnesses

    def add(self, request: ReadRequest) -> None:
        self._forming.append(request)

    def begin(self, commit: Index) -> bool:
        """Open a round for the waiting reads, unless one is out; true if opened.

        ``commit`` is the leader's commit index now, after the reads arrived and
        after an entry of its own term committed.
        """
        if self._checking or not self._forming:
            return False
        self.round += 1
        self.waited_ticks = 0
        self._index = commit
        self._checking, self._forming = self._forming, []
        return True

    @property
    def checking(self) -> bool:
        return bool(self._checking)

    def confirm(self) -> tuple[Index, Sequence[ReadRequest]]:
        """A majority answered the open round: its reads are safe at the index."""
        confirmed, self._checking = self._checking, []
        return self._index, confirmed

    def drop(self) -> Sequence[ReadRequest]:
        """Leadership ended: every waiting read must be asked again elsewhere."""
        dropped = self._checking + self._forming
        self._checking, self._forming = [], []
        return dropped
