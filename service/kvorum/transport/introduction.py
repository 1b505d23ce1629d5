"""What two nodes tell each other before anything else, and why one may be refused."""

from enum import StrEnum

from msgspec import Struct

from kvorum.raft.types import Index, NodeId

SHOWN_CHARACTERS_MAX = 200
REASON_CHARACTERS_MAX = 1000


class Hello(Struct, frozen=True, kw_only=True):
    """Who is calling, and whom it believes to call.

    ``uid`` is as old as the caller's data directory; ``virgin``: its log is empty.
    ``membership_index`` is the log entry that ``members`` come from.
    ``receiver_vacant``: ``receiver_member`` is an id that a node with an empty data directory
    may take.
    """

    protocol_version: int
    cluster_id: str
    node_id: str
    member: NodeId
    uid: str
    virgin: bool
    sender_address: str
    receiver_address: str
    receiver_member: NodeId
    receiver_vacant: bool
    members: tuple[str, ...]
    membership_index: Index
    executed_commands_key: str


class HelloReply(Struct, frozen=True, kw_only=True):
    """The verdict, and who gave it.

    ``reason`` explains a refusal to people, ``refusal`` (a :class:`RefusalKind`, or one of a
    later release) to programs. ``assigned`` is the id that the caller has to take, or "".
    """

    accepted: bool
    reason: str
    protocol_version: int
    cluster_id: str
    node_id: str
    member: str
    uid: str
    virgin: bool
    membership_index: Index
    members: tuple[str, ...]
    refusal: str = ""
    assigned: str = ""


class RefusalKind(StrEnum):
    """Which rule was broken."""

    PROTOCOL_VERSION = "protocol-version"
    BAD_IDENTITY = "bad-identity"
    OTHER_CLUSTER = "other-cluster"
    NOT_READY = "not-ready"  # the judge has yet to learn what is decided
    WRONG_RECEIVER = "wrong-receiver"
    STRANGER = "stranger"
    REMOVED = "removed"
    ASSIGNED = "assigned"  # the caller has to take another id
    RENAMED = "renamed"  # the receiver has to
    LOST_DISK = "lost-disk"  # of the caller
    DISOWNED = "disowned"  # the receiver takes no part itself
    OTHER_DATA = "other-data"
    TOO_MANY_GUESTS = "too-many-guests"
    OTHER_EXECUTED_KEY = "other-executed-key"
    DUPLICATE_ID = "duplicate-id"


class Refusal(Struct, frozen=True):
    """``assigned``: with ASSIGNED, RENAMED and (if there is one) REMOVED, the id to be taken."""

    kind: RefusalKind
    text: str
    assigned: NodeId | None = None


class Assignment(Struct, frozen=True):
    """The id that the cluster ``cluster_id`` gave to the node at this node's address.

    ``begins_anew``: what the node has belongs to a former member, which was removed for good.
    """

    member_id: NodeId
    cluster_id: str
    begins_anew: bool = False


def shown(text: str, characters_max: int = SHOWN_CHARACTERS_MAX) -> str:
    """Text from the wire, fit for a log line: printable and of bounded length."""
    cut = text[:characters_max]
    return "".join(c if c.isprintable() else "?" for c in cut) + "…" * (len(text) > len(cut))
