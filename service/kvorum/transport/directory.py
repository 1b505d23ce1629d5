"""Who is who: member id ↔ SELF_ID, as learned from handshakes."""

from collections.abc import Collection

from kvorum.raft.membership import address_of
from kvorum.raft.types import NodeId


class Directory:
    """One SELF_ID per member and one member per SELF_ID, as long as both are around.

    Two nodes that share a SELF_ID cannot be told apart by people reading ``leaderId``, so it
    never moves to another address while its owner is a peer. At the same address it may
    move: that is a member that was replaced.
    """

    def __init__(self, self_member: NodeId, self_id: str) -> None:
        self._self_member = self_member
        self._ids = {self_member: self_id}
        self._members = {self_id: self_member}

    def id_of(self, member: str) -> str | None:
        """SELF_ID of ``member``; None if it was never met."""
        return self._ids.get(NodeId(member))

    def member_of(self, node_id: str) -> NodeId | None:
        """The member that uses ``node_id``; None if nobody does."""
        return self._members.get(node_id)

    def may_use(self, member: NodeId, node_id: str) -> bool:
        """Whether ``node_id`` is free for ``member``."""
        owner = self._members.get(node_id)
        return owner is None or address_of(owner) == address_of(member)

    def learn(self, member: NodeId, node_id: str) -> None:
        """Record a completed handshake."""
        assert self.may_use(member, node_id), "the handshake refuses an id in use elsewhere"
        assert self.id_of(member) in (None, node_id), "and another id of a member"
        self._ids[member] = node_id
        self._members[node_id] = member

    def keep(self, peers: Collection[NodeId]) -> None:
        """Forget everyone but ``peers`` and this node: their ids are free again."""
        for member in self._ids.keys() - {*peers, self._self_member}:
            node_id = self._ids.pop(member)
            if self._members[node_id] == member:
                del self._members[node_id]
