"""The node that a transport under test believes to serve."""

from kvorum.raft.types import Index, NodeId
from kvorum.transport.identity import generation
from kvorum.transport.introduction import Assignment


class FakeRegistrar:
    """Says what it is set to, and keeps what it is told."""

    def __init__(self, *, virgin: bool = False, commit: int = 0) -> None:
        self.virgin = virgin
        self.commit = commit
        self.caught_up = True
        self.voters: set[NodeId] = set()  # of those that were added later
        self.uids: dict[NodeId, str] = {}
        self.undecided: dict[NodeId, list[str]] = {}
        self.lost: list[str] = []
        self.assigned: list[Assignment] = []
        self.removed: list[str] = []
        self.refused: list[str] = []

    def is_virgin(self) -> bool:
        return self.virgin

    def commit_index(self) -> Index:
        return Index(self.commit)

    def is_caught_up(self) -> bool:
        return self.caught_up

    def undecided_uids(self, member: NodeId) -> list[str]:
        return self.undecided.get(member, [])

    def is_learner(self, member: NodeId) -> bool:
        return generation(member) > 0 and member not in self.voters

    def uid_of(self, member: NodeId) -> str | None:
        return self.uids.get(member)

    def on_lost(self, member: NodeId) -> None:
        self.lost.append(member)

    def on_assigned(self, assignment: Assignment) -> None:
        self.assigned.append(assignment)

    def on_refused(self, why: str) -> None:
        self.refused.append(why)

    def on_removed(self, why: str) -> None:
        self.removed.append(why)
