"""What follows for this node from how others answer it."""

from kvorum.raft.membership import address_of
from kvorum.raft.types import Index, NodeId
from kvorum.transport.admission import is_successor
from kvorum.transport.disks import Disks
from kvorum.transport.identity import Registrar, generation
from kvorum.transport.introduction import (
    REASON_CHARACTERS_MAX,
    Assignment,
    HelloReply,
    RefusalKind,
    shown,
)
from kvorum.transport.options import PROTOCOL_VERSION, TransportOptions
from kvorum.transport.standing import Standing
from kvorum.transport.wire import MalformedMessage, member_id

_LASTING = frozenset(
    {
        RefusalKind.PROTOCOL_VERSION,
        RefusalKind.BAD_IDENTITY,
        RefusalKind.OTHER_CLUSTER,
        RefusalKind.STRANGER,
        RefusalKind.REMOVED,
        RefusalKind.LOST_DISK,
        RefusalKind.OTHER_DATA,
        RefusalKind.OTHER_EXECUTED_KEY,
        RefusalKind.DUPLICATE_ID,
    }
)
"""Refusals that somebody has to know about, if they leave this node without a leader."""
_NOT_ADDED = (RefusalKind.STRANGER, RefusalKind.OTHER_CLUSTER)


class Consequences:
    """Tells the node; may do so again and again, as long as it is so."""

    def __init__(
        self, options: TransportOptions, standing: Standing, registrar: Registrar, disks: Disks
    ) -> None:
        self._options = options
        self._standing = standing
        self._registrar = registrar
        self._disks = disks
        self._aside = ""  # why this node takes no part until the cluster turns out to have it

    def heed(self, peer: NodeId, reply: HelloReply) -> None:
        """Tell the node what follows for it from an answer of ``peer``, whatever it was."""
        if reply.protocol_version != PROTOCOL_VERSION:
            return
        is_virgin = self._registrar.is_virgin()
        is_ours = reply.cluster_id == self._options.cluster_id
        if reply.accepted and is_ours and not reply.virgin:
            self._step_in()
        if self._shows_lost_disk(peer, reply, is_ours=is_ours):
            self._registrar.on_lost(peer)
        if reply.refusal in _LASTING:
            self._registrar.on_refused(self._complaint(peer, reply, is_virgin=is_virgin))
        match reply.refusal:
            case RefusalKind.ASSIGNED if is_virgin:
                self._take(reply)
            case RefusalKind.LOST_DISK if is_virgin:
                self._standing.disowned = shown(reply.reason, REASON_CHARACTERS_MAX)
            case RefusalKind.OTHER_CLUSTER if is_virgin and not reply.virgin:
                self._yield_to(peer, reply)
            case RefusalKind.REMOVED if is_ours and not is_virgin:
                self._leave(reply)
            case RefusalKind.STRANGER | RefusalKind.REMOVED if is_ours and is_virgin:
                self._stand_aside(peer, reply)

    def _complaint(self, peer: NodeId, reply: HelloReply, *, is_virgin: bool) -> str:
        if is_virgin and not reply.virgin and reply.refusal in _NOT_ADDED:
            return (
                f"nobody added this node to the cluster of {peer}; run `kvorum member add "
                f"{self._options.self_address}`, or check OTHER_NODES on both"
            )
        return f"{peer} refuses this node: {shown(reply.reason, REASON_CHARACTERS_MAX)}"

    def _yield_to(self, peer: NodeId, reply: HelloReply) -> None:
        """A cluster lives where this node's own was to be: a second one must not form there.

        Such is the case if the others were emptied after `kvorum recover`, or if a cluster of
        one is to grow and the new nodes are started before they are added.
        """
        own = self._options
        if address_of(peer) not in map(address_of, own.members) or self._standing.disowned:
            return
        self._standing.disowned = (
            f"{own.node_id} ({own.self_address}) forms no cluster {own.cluster_id}: {peer}, which "
            f"was to be in it, belongs to cluster {shown(reply.cluster_id)} already. To let it "
            f"join that one, run `kvorum member add {own.self_address}`; otherwise check "
            "OTHER_NODES on both and start it again"
        )

    def _stand_aside(self, peer: NodeId, reply: HelloReply) -> None:
        """The cluster that this node was to form exists, and does without it.

        So it is if a first member was removed and comes back with an empty directory: two of them
        that met each other would be a majority of the three that once were. REMOVED: for good, as
        that is decided. A peer that accepts this node then has yet to hear of it, and the two of
        them with another one like this would be such a majority, too.
        """
        own = self._options
        if reply.virgin:
            return  # it knows as little as this node
        if not self._standing.disowned:
            self._standing.disowned = self._aside = (
                f"{own.node_id} ({own.self_address}) forms no cluster {own.cluster_id}: {peer} "
                f"knows that it exists, without this node. To let it join, run `kvorum member add "
                f"{own.self_address}`"
            )
        if reply.refusal == RefusalKind.REMOVED:
            self._aside = ""

    def _step_in(self) -> None:
        """It belongs to the cluster after all: a removal that was not decided has been undone."""
        if self._aside and self._standing.disowned == self._aside:
            self._standing.disowned = self._aside = ""

    def _take(self, reply: HelloReply) -> None:
        assigned, own = _assigned(reply), self._options
        if assigned is None:
            return  # the refusal is told anyway
        if address_of(assigned) == own.self_address and assigned != own.member_id:
            self._registrar.on_assigned(Assignment(assigned, reply.cluster_id))

    def _leave(self, reply: HelloReply) -> None:
        """Removed for good; and added anew, perhaps: see :meth:`Admission._added_anew`."""
        own, assigned = self._options.member_id, _assigned(reply)
        if assigned is None or not is_successor(assigned, own):
            self._registrar.on_removed(shown(reply.reason, REASON_CHARACTERS_MAX))
        elif not self._outlives(generation(assigned)):
            assignment = Assignment(assigned, reply.cluster_id, begins_anew=True)
            self._registrar.on_assigned(assignment)

    def _outlives(self, index: Index) -> bool:
        """By its own log this node still is a member behind the entry ``index``."""
        standing = self._standing
        return self._options.member_id in standing.members and standing.index > index

    def _shows_lost_disk(self, peer: NodeId, reply: HelloReply, *, is_ours: bool) -> bool:
        """Where ``peer`` should be is a virgin node that was meant for this cluster.

        Only what was dialled counts, not what a caller says of itself: a mistake in
        somebody's SELF_ADDRESS must not cost a member its place.
        """
        if not reply.virgin or self._standing.at(address_of(peer)) != peer:
            return False
        knows_us = self._options.self_address in map(address_of, map(NodeId, reply.members))
        return (is_ours or knows_us) and self._disks.is_other(peer, reply.uid)


def _assigned(reply: HelloReply) -> NodeId | None:
    """The id that the caller has to take, if the answer names one."""
    try:
        return member_id(reply.assigned)
    except MalformedMessage:
        return None
