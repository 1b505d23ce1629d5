"""Ids and data directories: what the transport asks its node, and tells it."""

from collections.abc import Collection
from typing import Protocol

from kvorum.raft.types import Index, NodeId
from kvorum.transport.introduction import Assignment


def generation(member: NodeId) -> Index:
    """The log entry that added this member; 0 for one of the first members.

    ``member`` must be well-formed: see :func:`kvorum.transport.wire.member_id`.
    """
    number = member.partition("#")[2]
    return Index(int(number, 16) if number else 0)


class Registrar(Protocol):
    """The node, as the transport sees it. Called on the event loop; must not raise or block.

    What ``on_…`` tells may be told again and again, as long as it is so.
    """

    def is_virgin(self) -> bool:
        """Whether the log is empty: nothing can have been built upon this node's disk yet.

        It may have voted. A member that voted and then came back empty is told from a new one
        by its uid; and whoever takes another id keeps its term and vote.
        """
        ...

    def commit_index(self) -> Index:
        """Up to here the log is decided."""
        ...

    def is_caught_up(self) -> bool:
        """Whether everything that this node knows to be decided is applied.

        Before that ``uid_of`` may know less than the log.
        """
        ...

    def undecided_uids(self, member: NodeId) -> Collection[str]:
        """With which data directories ``member`` introduces itself in entries not applied yet.

        ``uid_of`` may come to be one of them, or stay as it is.
        """
        ...

    def is_learner(self, member: NodeId) -> bool:
        """Whether ``member`` has never voted, as far as the log goes, decided or not."""
        ...

    def uid_of(self, member: NodeId) -> str | None:
        """The data directory with which ``member`` introduced itself in the log, if it has."""
        ...

    def on_lost(self, member: NodeId) -> None:
        """At the address of ``member`` there is a virgin node: its disk is lost.

        A leader replaces it; whether ``member`` is silent as well is for the core to check.
        """
        ...

    def on_assigned(self, assignment: Assignment) -> None:
        """This node, virgin, is a member under another id: it has to start anew as that one."""
        ...

    def on_refused(self, why: str) -> None:
        """A peer will not talk to this node as it is; the text also says what to do."""
        ...

    def on_removed(self, why: str) -> None:
        """A peer of our cluster knows for certain that this node is no member (any more)."""
        ...
