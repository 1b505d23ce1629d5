"""What a node looks after between requests, tick by tick and turn by turn."""

from kvorum.node.handover import Handover
from kvorum.node.housekeeping import Housekeeping
from kvorum.node.introduction import Introductions
from kvorum.node.members import Members
from kvorum.node.ports import Peers
from kvorum.node.snapshot_exchange import SnapshotSender
from kvorum.node.stall import StallWatch
from kvorum.raft.core import Core
from kvorum.raft.membership import Membership


class Upkeep:
    """Called by the driver; the parts are public for whoever composes a node."""

    def __init__(
        self,
        core: Core,
        *,
        peers: Peers,
        housekeeping: Housekeeping,
        stall: StallWatch,
        members: Members,
        handover: Handover,
        introductions: Introductions,
        sender: SnapshotSender,
    ) -> None:
        self._core = core
        self._peers = peers
        self.housekeeping = housekeeping
        self.stall = stall
        self.members = members
        self.handover = handover
        self.introductions = introductions
        self.sender = sender
        self._membership: Membership | None = None  # as last told to the transport

    def tick(self, late_s: float) -> None:
        """Time passed; ``late_s``: by how much the event loop came too late."""
        self.stall.look(late_s)
        self.housekeeping.tick()
        self.members.expire()
        self.sender.look()
        is_member = self._core.state.node in self._core.membership.members
        self.introductions.look(is_member=is_member)

    def note_membership(self) -> None:
        """Tell the transport who belongs to the cluster, if that changed."""
        core = self._core
        if core.membership is not self._membership:
            self._membership = core.membership
            self._peers.set_members(core.state.memberships.latest_index, core.membership.members)

    def settle(self) -> None:
        """End of a turn: answer whoever waits for what is now true."""
        self.members.settle()
        self.handover.settle()

    def close(self) -> None:
        self.members.close()
        self.handover.close()
