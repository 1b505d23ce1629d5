"""What a node tells a front end: plain values, no references into its insides."""

from msgspec import Struct

from kvorum.mvcc.command import Command
from kvorum.mvcc.store import Record
from kvorum.raft.membership import Membership


class Leadership(Struct, frozen=True, gc=False):
    """``leader_id`` is the leader's SELF_ID, "" while none is known."""

    is_leader: bool
    leader_id: str


class Staleness(Struct, frozen=True, gc=False):
    """How far behind a local read may be.

    ``last_contact_ms`` is the time since this node last heard from a leader (0 on
    the leader); None if it never did since it started.
    """

    last_contact_ms: int | None
    applied_index: int
    commit_index: int


class ReadResult(Struct, frozen=True, gc=False):
    """One read: ``record`` is None if the key does not exist at ``revision``."""

    request_id: str
    record: Record | None
    revision: int  # of the store when it was read
    staleness: Staleness | None = None  # for stale reads only


class PeerProgress(Struct, frozen=True, gc=False):
    """A follower as its leader sees it: its SELF_ID, and its address as in ``members``."""

    node: str
    address: str
    next_index: int
    match_index: int


class ClusterInfo(Struct, frozen=True):
    """Where this node stands; ``peers`` is empty unless it leads."""

    node_id: str
    cluster_id: str
    role: str
    current_term: int
    commit_index: int
    last_applied: int
    last_index: int
    revision: int
    members: tuple[str, ...]  # peer addresses, this node's included
    peers: tuple[PeerProgress, ...]


class LogEntry(Struct, frozen=True):
    """One entry of the replicated log, decoded.

    A no-op has no commands; the entry of a membership none but that.
    """

    index: int
    term: int
    committed: bool
    commands: tuple[Command, ...]
    membership: Membership | None = None


class LogPage(Struct, frozen=True):
    """Entries in order; ``next_index`` is None on the last page.

    The log begins at ``first_index``: what a snapshot covers may be gone.
    """

    entries: tuple[LogEntry, ...]
    last_index: int
    next_index: int | None
    first_index: int = 1


class MemberView(Struct, frozen=True):
    """One member. What only a leader knows of others is None elsewhere.

    ``name`` is its SELF_ID, "" until it has introduced itself. ``role`` is voter, learner or
    leaving (a voter of the outgoing majority only). ``active``: heard from within the last
    election timeout. ``lag``: entries that it does not have yet.
    """

    member: str  # its id in the log
    name: str
    address: str
    role: str
    is_leader: bool
    active: bool | None
    match_index: int | None
    lag: int | None


class MembersView(Struct, frozen=True):
    """The membership in force on this node; ``index`` is that of its log entry, 0 at bootstrap."""

    cluster_id: str
    index: int
    is_joint: bool
    members: tuple[MemberView, ...]
