"""Which data directory may speak for which member.

A member's votes and acknowledgements are promises that only its disk remembers (§3.8). So an
id belongs for ever to the data directory (``uid``) that introduced itself with it in the log.
Who comes back empty-handed is not let in as the old member, but replaced by a new one; who
was removed stays out, and may begin anew if its address was added again. An empty data
directory is only given an id that never voted.
"""

from kvorum.raft.membership import address_of
from kvorum.raft.types import NodeId
from kvorum.transport.disks import Disks
from kvorum.transport.identity import Registrar, generation
from kvorum.transport.introduction import (
    SHOWN_CHARACTERS_MAX,
    Hello,
    HelloReply,
    Refusal,
    RefusalKind,
    shown,
)
from kvorum.transport.options import TransportOptions
from kvorum.transport.standing import Standing
from kvorum.transport.wire import MalformedMessage, member_id


class Admission:
    """Judges by what the node knows at this moment; an open stream may be judged again."""

    def __init__(
        self, options: TransportOptions, standing: Standing, registrar: Registrar, disks: Disks
    ) -> None:
        self._options = options
        self._standing = standing
        self._registrar = registrar
        self._disks = disks

    @property
    def _is_virgin(self) -> bool:
        return self._registrar.is_virgin()

    # --- callers -----------------------------------------------------------------------

    def judge_form(self, hello: Hello) -> Refusal | None:
        """What every node of this version says of itself; all of it is fit for a log line."""
        try:
            member_id(hello.member)
            fits = address_of(hello.member) == hello.sender_address
        except MalformedMessage:
            fits = False
        is_short = len(hello.member) <= SHOWN_CHARACTERS_MAX and hello.member.isprintable()
        if fits and is_short and hello.uid:
            return None
        return Refusal(
            RefusalKind.BAD_IDENTITY,
            f"{name(hello)} calls itself member {shown(hello.member)!r} with the data directory "
            f"{shown(hello.uid)!r}, which no kvorum node does; run the same release on all nodes",
        )

    def judge_newcomer(self, hello: Hello) -> Refusal | None:
        """A virgin caller from a member's address: another id, or a lost disk.

        Its cluster id does not count: it follows from its first configuration, which may be
        younger than the cluster.
        """
        if not hello.virgin:
            return None
        member = self._standing.at(hello.sender_address)
        if not self._disks.may_judge(member or hello.member, hello.uid):
            return self._not_ready()
        if member is None or not self._standing.is_decided(hello.member):
            return None  # nobody's address, or it knows a later entry than this node
        if self._disks.is_other(member, hello.uid):
            return self._lost(member)
        if member == hello.member or not self._was_added(member):
            return None
        # Whoever votes under an id has introduced itself, so this is another directory.
        is_learner = self._registrar.is_learner(member)
        return self._assigned(hello, member) if is_learner else self._lost(member)

    def _assigned(self, hello: Hello, member: NodeId) -> Refusal:
        return Refusal(
            RefusalKind.ASSIGNED,
            f"{hello.sender_address} is member {member} of cluster {self._options.cluster_id}: "
            "the node there takes that id by itself",
            assigned=member,
        )

    def _not_ready(self) -> Refusal:
        return Refusal(
            RefusalKind.NOT_READY,
            f"{self._options.node_id} is not ready to judge who comes with an empty data "
            "directory: it has yet to apply what is decided; try again shortly",
        )

    def judge_aim(self, hello: Hello) -> Refusal | None:
        """Whether the caller looks for this node or for another one at its address."""
        own, sought = self._options.member_id, hello.receiver_member
        if sought == own:
            return None
        if self._is_renamed(hello):
            return Refusal(
                RefusalKind.RENAMED,
                f"{own} takes its new id {sought} and will be back in a moment",
                assigned=sought,
            )
        return Refusal(
            RefusalKind.WRONG_RECEIVER,
            f"{name(hello)} looks for the member {shown(sought)}, but at this address is "
            f"{own}; {self._advice_on_aim(sought)}",
        )

    def _advice_on_aim(self, sought: NodeId) -> str:
        own = self._options.member_id
        if is_successor(own, sought):
            return "the caller has yet to hear that the one replaced the other"
        if self._is_virgin:
            return "it takes another id as soon as the cluster has decided upon it"
        return f"if {own} was removed, it begins anew as that one when a member tells it so"

    def judge_member(self, hello: Hello) -> Refusal | None:
        """Whether the caller is a member, or may be one of whom this node has not heard yet."""
        standing, member = self._standing, hello.member
        if standing.disowned:
            return Refusal(RefusalKind.DISOWNED, standing.disowned)
        if standing.knows(member):
            return self._judge_data(member, hello.uid, is_virgin=hello.virgin)
        is_gone = standing.is_gone(member, hello.membership_index)
        if is_gone and standing.index and not self._is_virgin:
            return self._removed(hello)
        if is_gone or (hello.virgin and (self._is_virgin or standing.is_decided(member))):
            return self._stranger(hello)
        return None

    def _removed(self, hello: Hello) -> Refusal:
        standing = self._standing
        removed = (
            f"{name(hello)} was removed from the cluster: member {hello.member} is not among "
            f"{', '.join(standing.members)}, the members since entry {standing.index}"
        )
        member = standing.at(hello.sender_address)
        if member is not None and self._disks.is_vacant(member):
            return self._added_anew(removed, member)
        return Refusal(
            RefusalKind.REMOVED,
            f"{removed}. Stop it; or, to take it in again, run "
            f"`kvorum member add {hello.sender_address}`",
        )

    def _added_anew(self, removed: str, member: NodeId) -> Refusal:
        """The caller may begin anew as ``member``, which is as safe as an empty directory.

        Its own id is out of a membership that is decided, and never comes back: nobody will ask
        for what it promised under it (§3.8). The other id belongs to a learner that never voted
        and that no data directory has introduced itself with; it can only be younger than the
        removal, since there is one member at an address.
        """
        return Refusal(
            RefusalKind.REMOVED,
            f"{removed}. Its address was added anew, as member {member}: the node there puts its "
            "data aside and begins anew by itself; a release that cannot has to be stopped, and "
            "started with an empty DATA_DIR",
            assigned=member,
        )

    def _stranger(self, hello: Hello) -> Refusal:
        expected = self._standing.at(hello.sender_address)
        if expected is not None:
            advice = f"it will be member {expected} as soon as that is decided; it need only wait"
        else:
            advice = (
                f"run `kvorum member add {hello.sender_address}` to add it, or check "
                "OTHER_NODES on both"
            )
        return Refusal(
            RefusalKind.STRANGER,
            f"{name(hello)} is not a member of the cluster of {self._options.node_id} "
            f"(members {', '.join(self._standing.members)}); {advice}",
        )

    # --- receivers ---------------------------------------------------------------------

    def judge_receiver(self, peer: NodeId, reply: HelloReply) -> Refusal | None:
        """Who answered at the address of ``peer``, and accepted us."""
        if reply.member != peer:
            return Refusal(
                RefusalKind.WRONG_RECEIVER,
                f"at the address of member {peer} is {shown(reply.member)}",
            )
        if reply.virgin and not self._disks.may_judge(peer, reply.uid):
            return self._not_ready()
        return self._judge_data(peer, reply.uid, is_virgin=reply.virgin)

    # --- both --------------------------------------------------------------------------

    def _judge_data(self, member: NodeId, uid: str, *, is_virgin: bool) -> Refusal | None:
        if not self._disks.is_other(member, uid):
            return None
        if is_virgin:
            return self._lost(member)
        return Refusal(
            RefusalKind.OTHER_DATA,
            f"{member} uses another data directory than the one with which it joined; if two "
            "processes run under its address, stop the wrong one. Give it its own directory "
            "back, or, if that is lost, an empty one: then it is replaced",
        )

    def _lost(self, member: NodeId) -> Refusal:
        return Refusal(
            RefusalKind.LOST_DISK,
            f"{member} has lost its data: an empty data directory is where it was. The leader "
            "lets a new member take its place; wait, or give it back the right DATA_DIR. If "
            "most members lost theirs, nothing can be decided: see `kvorum recover`",
        )

    def _was_added(self, member: NodeId) -> bool:
        """First members have their ids from the start; and what is not decided may vanish."""
        return generation(member) > 0 and self._standing.is_decided(member)

    def _is_renamed(self, hello: Hello) -> bool:
        """The cluster knows a later id for this node than it has."""
        return (
            hello.receiver_vacant
            and self._is_virgin
            and is_successor(hello.receiver_member, self._options.member_id)
        )


def is_successor(member: str, of: NodeId) -> bool:
    """Whether ``member``, which may be anything, came later to the same address."""
    try:
        later = member_id(member)
    except MalformedMessage:
        return False
    return address_of(later) == address_of(of) and generation(later) > generation(of)


def name(hello: Hello) -> str:
    """A caller, for people."""
    return f"{shown(hello.node_id)} ({shown(hello.sender_address)})"
