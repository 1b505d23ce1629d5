"""Who belongs to the cluster, as far as this node knows at the moment."""

from collections.abc import Sequence

from kvorum.raft.membership import address_of
from kvorum.raft.types import Index, NodeId
from kvorum.transport.identity import Registrar, generation
from kvorum.transport.options import TransportOptions


class Standing:
    """The membership, and those whom it no longer names but who may still have to be heard.

    A membership is in force before it is committed (§4.1). Until then a leader that it does
    not name goes on leading (§4.2.2), and it may yet be undone; so whoever leaves stays in
    touch until it is committed, and for a moment longer, in which the news reaches it.
    """

    def __init__(self, options: TransportOptions, registrar: Registrar) -> None:
        self._options = options
        self._registrar = registrar
        self._leaving: dict[NodeId, float | None] = {}  # until when, once that is known
        self.is_told = False
        """Whether the node has said what its disk remembers."""
        self.index = Index(0)
        self.members = options.members
        self.disowned = ""
        """Why this node must not take part: it lost its disk, and what it promised with it, or
        is about to form a cluster beside the one that its peers belong to."""

    def set(self, index: Index, members: Sequence[NodeId]) -> None:
        """``members`` are those of the log's entry ``index``; 0: the first ones.

        The first call says what the disk remembers: nobody leaves by it.
        """
        gone = [member for member in self.members if member not in members and self.is_told]
        self.is_told = True
        self.index, self.members = index, tuple(members)
        leaving = {**dict.fromkeys(gone), **self._leaving}
        self._leaving = {each: end for each, end in leaving.items() if each not in self.members}

    def release(self, now_s: float) -> None:
        """Let go of those who left long enough ago."""
        if not self._leaving or not self._is_settled:
            return
        last_s = now_s + self._options.leave_grace_ms / 1000
        ends = {each: last_s if end is None else end for each, end in self._leaving.items()}
        self._leaving = {each: end for each, end in ends.items() if end > now_s}

    @property
    def peers(self) -> tuple[NodeId, ...]:
        """Everyone this node keeps in touch with for the membership's sake."""
        own = self._options.member_id
        return tuple(each for each in (*self.members, *self._leaving) if each != own)

    @property
    def _is_settled(self) -> bool:
        return self.index <= self._registrar.commit_index()

    def knows(self, member: NodeId) -> bool:
        """A member, or one that is about to leave."""
        return member in self.members or member in self._leaving

    def at(self, address: str) -> NodeId | None:
        """The latest member with this address: a replacement is there beside the replaced."""
        there = (member for member in self.members if address_of(member) == address)
        return max(there, key=generation, default=None)

    def is_decided(self, member: NodeId) -> bool:
        """Whether this node knows what became of the entry that was to add ``member``."""
        return generation(member) <= self._registrar.commit_index()

    def is_gone(self, member: NodeId, index: Index) -> bool:
        """Certainly no member (any more); ``index``: of the membership that it knows.

        Ids never come back, so what a decided membership does not name is gone, unless this
        node is behind: with nobody to name (it is joining), or an older membership.
        """
        behind = not self.members or index > self.index
        return not (
            behind or self.knows(member) or not self._is_settled or not self.is_decided(member)
        )
