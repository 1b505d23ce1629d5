"""What a node tells a front end: plain values, no references into its insides."""

from msgspec import Struct

from kvorum.mvcc.command import Command, DeleteOp, PutOp
from kvorum.mvcc.outcome import Outcome
from kvorum.mvcc.query import KeyRange, RangePage
from kvorum.mvcc.record import Event, Record
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


class KeyRead(Struct, frozen=True, gc=False):
    """Keys of a range at ``page.revision``; ``staleness`` for stale reads only."""

    request_id: str
    page: RangePage
    staleness: Staleness | None = None


class KeyCount(Struct, frozen=True, gc=False):
    """How many keys a range has at ``revision``."""

    request_id: str
    count: int
    revision: int
    staleness: Staleness | None = None


class Get(Struct, frozen=True, gc=False):
    """A read inside a transaction; at most ``limit`` keys."""

    range: KeyRange
    limit: int

    @property
    def is_single(self) -> bool:
        """It can find one key at most."""
        return self.range.end == self.range.start + b"\0"


TxnOp = PutOp | DeleteOp | Get


class Deleted(Struct, frozen=True, gc=False):
    """How many keys a deletion inside a transaction met."""

    count: int


TxnOpResult = RangePage | Deleted | None
"""Of a read, of a deletion, of a put."""


class TxnResult(Struct, frozen=True, gc=False):
    """What a transaction did: ``outcome`` is SUCCESS (then) or OTHERWISE (else).

    ``results`` has one item for each operation of the branch that was taken, in its order.
    Reads show the state before the writes of the transaction.
    """

    outcome: Outcome
    results: tuple[TxnOpResult, ...]


class LeaseView(Struct, frozen=True, gc=False):
    """A lease, by the log's time as this node knows it; ``keys`` in order."""

    id: str
    ttl_ms: int
    remaining_ms: int
    key_count: int
    keys: tuple[bytes, ...] = ()


class Claim(Struct, frozen=True, gc=False):
    """Somebody's place in the queue of a lock or an election.

    ``token`` (the claim's create revision) grows from each holder to the next: whoever guards
    something with the lock refuses a token smaller than one that it has seen. ``position`` 0
    holds the lock, or leads.
    """

    name: str
    lease: str
    token: int
    position: int
    value: bytes  # JSON text
    revision: int

    @property
    def is_held(self) -> bool:
        return self.position == 0


class StoreInfo(Struct, frozen=True):
    """How much the store holds; ``size_bytes`` is what the quota bounds."""

    keys: int
    size_bytes: int
    quota_bytes: int  # 0: no bound
    is_full: bool
    revision: int
    compacted_revision: int
    history_revisions: int
    history_bytes: int
    leases: int
    watchers: int


class Change(Struct, frozen=True, gc=False):
    """Everything that one revision did to the keys that somebody watches, in order."""

    revision: int
    events: tuple[Event, ...]
