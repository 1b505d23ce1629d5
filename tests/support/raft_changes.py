"""Changes of the membership by chance, and what operators do about them.

New members are started as soon as they are decided; a voter whose disk was lost is replaced.
"""

from kvorum.raft.membership import (
    AddLearner,
    Change,
    Membership,
    Promote,
    Remove,
    Replace,
    address_of,
    index_of_birth,
)
from kvorum.raft.messages import Propose
from kvorum.raft.types import EntryKind, NodeId
from tests.support.raft_cluster import Cluster

SPARE_ADDRESSES = 2


class Changes:
    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._addresses = len(cluster.numbers) + SPARE_ADDRESSES
        self._lost: set[NodeId] = set()

    # --- by chance -----------------------------------------------------------------------

    def propose(self, who: int, which: int) -> None:
        """Some change, sensible or not: who leads has to tell."""
        membership = self._cluster[who].running.membership
        address = which % self._addresses + 1
        at = membership.at_address(str(address))
        self._cluster.change(who, self._change(address, at, which // self._addresses))

    def _change(self, address: int, at: NodeId | None, choice: int) -> Change:
        if at is None:
            return AddLearner(str(address))
        if self._lost or choice % 3 == 1:
            return Promote(at)  # another voter less could be one too many
        return Replace(at) if choice % 7 == 0 else Remove(at)

    def pick(self, which: int) -> int | None:
        """Some node, or nobody in particular."""
        numbers = self._cluster.numbers
        return None if which % 3 == 0 else numbers[which % len(numbers)]

    def lose_disk(self, which: int) -> None:
        """One disk at a time, and only if the others can do without it."""
        leaders, queue = self._cluster.leaders, self._cluster.net.queue
        if any(isinstance(m, Propose) and m.kind is EntryKind.MEMBERSHIP for m in queue):
            return  # perhaps the last but one voter is about to be removed
        if len(leaders) != 1 or any(self._is_member(lost) for lost in self._lost):
            return
        cores = self._cluster.running.values()
        membership = self._cluster[leaders[0]].running.membership
        if any(core.state.next_decision for core in cores) or len(membership.voters) < 3:
            return  # with a change under way, its new voters may be needed too
        node = membership.voters[which % len(membership.voters)]
        if node in self._cluster.members and not membership.is_joint:
            self._lost.add(node)
            self._cluster.crash(int(address_of(node)))

    def _is_member(self, node: NodeId) -> bool:
        return any(node in core.membership.members for core in self._cluster.running.values())

    def is_lost(self, number: int) -> bool:
        return self._cluster[number].node in self._lost

    # --- on purpose ------------------------------------------------------------------------

    def start_newcomers(self) -> None:
        for node in self._decided_members():
            if node not in self._cluster.members and self._is_newest(node):
                self._cluster.start(node)

    def _decided_members(self) -> list[NodeId]:
        decided: list[Membership] = []
        for leader in self._cluster.leaders:
            core = self._cluster[leader].running
            decided.append(core.membership_at(core.state.log.commit))
        return [node for membership in decided for node in membership.members]

    def _is_newest(self, node: NodeId) -> bool:
        number = int(address_of(node))
        if number not in self._cluster.numbers:
            return True
        return index_of_birth(self._cluster[number].node) < index_of_birth(node)

    def replace_lost(self, leader: int) -> None:
        """The leader is told of members whose disk is lost; it refuses until they are silent."""
        for node in self._cluster[leader].running.membership.members:
            if node in self._lost:
                self._cluster.change(leader, Replace(node))
