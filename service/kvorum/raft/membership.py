"""Who the members are, and how that changes: joint consensus (§4.3).

A membership is a value. The log and the snapshot hold every one that ever was in force;
a node uses the latest one in its log, committed or not (§4.1). A change of voters
passes through a joint membership, in which every decision needs a majority of the
outgoing *and* of the incoming voters; learners come and go without one.

A member's id names where it is reached and, unless it was there from the beginning, which
of those that ever lived there it is: ``host:port`` or ``host:port#17``. So a node that
comes back with an empty disk is never taken for the one whose promises were lost.
"""

from typing import assert_never

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from kvorum.raft.types import Index, NodeId


def address_of(node: NodeId) -> str:
    """``host:port`` of a member."""
    return node.partition("#")[0]


def new_member_id(address: str, index: Index) -> NodeId:
    """Id of the member that the log's entry ``index`` adds: no other entry makes the same."""
    return NodeId(f"{address}#{index:x}")


def index_of_birth(node: NodeId) -> Index:
    """Of the entry that added a member; 0 for those that were there from the beginning."""
    return Index(int(node.partition("#")[2] or "0", 16))


class Membership(Struct, frozen=True, forbid_unknown_fields=True):
    """The members in a fixed order; ``outgoing`` is not empty while joint.

    ``heirs`` are the learners that take the place of a voter whose disk was lost: the leader
    promotes them as soon as they have caught up.
    """

    voters: tuple[NodeId, ...]
    outgoing: tuple[NodeId, ...] = ()
    learners: tuple[NodeId, ...] = ()
    heirs: tuple[NodeId, ...] = ()

    @property
    def is_joint(self) -> bool:
        return bool(self.outgoing)

    @property
    def majorities(self) -> tuple[tuple[NodeId, ...], ...]:
        """Sets of voters; a decision needs a majority of each."""
        return (self.voters, self.outgoing) if self.outgoing else (self.voters,)

    @property
    def members(self) -> tuple[NodeId, ...]:
        """Everyone who gets the log: voters, those leaving, learners; each once."""
        return tuple(dict.fromkeys((*self.voters, *self.outgoing, *self.learners)))

    def peers_of(self, node: NodeId) -> tuple[NodeId, ...]:
        return tuple(member for member in self.members if member != node)

    def is_voter(self, node: NodeId) -> bool:
        """Whether its vote counts, in the incoming or the outgoing set."""
        return node in self.voters or node in self.outgoing

    def at_address(self, address: str) -> NodeId | None:
        """The member that is reached there."""
        return next((m for m in self.members if address_of(m) == address), None)

    def describe(self) -> str:
        """One line for people."""
        named = {
            "voters": self.voters,
            "outgoing": self.outgoing,
            "learners": self.learners,
            "heirs": self.heirs,
        }
        return "; ".join(f"{role} {', '.join(ids)}" for role, ids in named.items() if ids)


NOBODY = Membership(())
"""What a node knows that was told to join: it waits for a leader's log or snapshot."""


class AddLearner(Struct, frozen=True, tag="add", forbid_unknown_fields=True):
    """A new member at ``address``; it gets the log and decides nothing."""

    address: str


class Promote(Struct, frozen=True, tag="promote", forbid_unknown_fields=True):
    """A learner that has caught up becomes a voter."""

    node: NodeId


class Remove(Struct, frozen=True, tag="remove", forbid_unknown_fields=True):
    """A voter or learner leaves for good: its id never comes back."""

    node: NodeId


class Replace(Struct, frozen=True, tag="replace", forbid_unknown_fields=True):
    """``node`` has lost its disk: a new learner at the same address takes its place."""

    node: NodeId


Change = AddLearner | Promote | Remove | Replace


class ChangeRefused(Exception):
    """A change that makes no sense in the present membership; the message says why."""


def begin(membership: Membership, change: Change, index: Index) -> Membership:
    """The membership that entry ``index`` puts in force: joint if voters change.

    Raises :class:`ChangeRefused`.
    """
    if membership.is_joint:
        raise ChangeRefused("a change of the membership is under way; wait until it is complete")
    match change:
        case AddLearner(address):
            return _add(membership, address, index)
        case Promote(node):
            return _promote(membership, node)
        case Remove(node):
            return _remove(membership, node)
        case Replace(node):
            return _replace(membership, node, index)
        case _:
            assert_never(change)


def leave_joint(membership: Membership) -> Membership:
    """The incoming voters alone, once the joint membership is committed."""
    assert membership.is_joint, "only a joint membership is left"
    return replace(membership, outgoing=())


def _add(membership: Membership, address: str, index: Index) -> Membership:
    taken = membership.at_address(address)
    if taken is not None:
        raise ChangeRefused(f"{address} is the address of member {taken} already")
    learner = new_member_id(address, index)
    return replace(membership, learners=(*membership.learners, learner))


def _promote(membership: Membership, node: NodeId) -> Membership:
    if node in membership.voters:
        raise ChangeRefused(f"{node} is a voter already")
    if node not in membership.learners:
        raise ChangeRefused(f"{node} is no member; add it first")
    return Membership(
        voters=(*membership.voters, node),
        outgoing=membership.voters,
        learners=_without(membership.learners, node),
        heirs=_without(membership.heirs, node),
    )


def _remove(membership: Membership, node: NodeId) -> Membership:
    if node in membership.learners:
        return replace(
            membership,
            learners=_without(membership.learners, node),
            heirs=_without(membership.heirs, node),
        )
    if node not in membership.voters:
        raise ChangeRefused(f"{node} is no member")
    if len(membership.voters) == 1:
        raise ChangeRefused(f"{node} is the last voter: without it nothing could be decided")
    voters = _without(membership.voters, node)
    return replace(membership, voters=voters, outgoing=membership.voters)


def _replace(membership: Membership, node: NodeId, index: Index) -> Membership:
    left = _remove(membership, node)
    new = new_member_id(address_of(node), index)
    inherits = node in membership.voters or node in membership.heirs
    return replace(
        left,
        learners=(*left.learners, new),
        heirs=(*left.heirs, new) if inherits else left.heirs,
    )


def _without(nodes: tuple[NodeId, ...], node: NodeId) -> tuple[NodeId, ...]:
    return tuple(other for other in nodes if other != node)


# --- bytes ---------------------------------------------------------------------------

_membership_decoder = msgspec.msgpack.Decoder(Membership)
_change_decoder: msgspec.msgpack.Decoder[Change] = msgspec.msgpack.Decoder(Change)
_encode = msgspec.msgpack.Encoder().encode


def encode_membership(membership: Membership) -> bytes:
    """Data of a MEMBERSHIP entry."""
    return _encode(membership)


def decode_membership(data: bytes) -> Membership:
    """Raises ``ValueError`` for bytes that this release cannot read."""
    try:
        return _membership_decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"not a membership: {error}") from error


def encode_change(change: Change) -> bytes:
    """Data of a proposal to change the membership."""
    return _encode(change)


def decode_change(data: bytes) -> Change:
    """Raises ``ValueError`` for bytes that this release cannot read."""
    try:
        return _change_decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"not a change of the membership: {error}") from error
