"""What members say to each other.

Every message names its sender, its receiver and the sender's term. ``term`` is
the *next* term in a pre-vote request (§9.6), the current one everywhere else.
"""

from msgspec import Struct

from kvorum.raft.snapshot import Snapshot
from kvorum.raft.types import Entry, EntryId, EntryKind, Index, NodeId, Term, Ticket


class RequestVote(Struct, frozen=True, gc=False, kw_only=True):
    """Candidate → every voter (§3.4); with ``pre``, only asking (§9.6).

    ``transfer``: the leader itself asked for this campaign, so its being alive is no
    reason to refuse (§4.2.3).
    """

    to: NodeId
    sender: NodeId
    term: Term
    last: EntryId  # end of the candidate's log
    pre: bool = False
    transfer: bool = False


class VoteResponse(Struct, frozen=True, gc=False, kw_only=True):
    """Voter → candidate. A granted pre-vote echoes the term it was asked for."""

    to: NodeId
    sender: NodeId
    term: Term
    granted: bool
    pre: bool = False


class AppendEntries(Struct, frozen=True, gc=False, kw_only=True):
    """Leader → follower: entries, or none as a heartbeat (§3.5).

    ``round`` is the newest leadership-check round of this leader (§6.4): an
    answer to it proves that the sender was still followed when it began.
    """

    to: NodeId
    sender: NodeId
    term: Term
    prev: EntryId
    entries: tuple[Entry, ...] = ()
    commit: Index
    round: int = 0


class AppendResponse(Struct, frozen=True, gc=False, kw_only=True):
    """Follower → leader.

    ``match`` is the last index known to agree with the leader *and* durable
    here; 0 in a refusal. ``conflict`` explains a refusal: the term of the entry
    that disagrees (0 if the log is too short) and the first index to try (§3.5).
    ``rejected`` echoes the refused ``prev.index``, so that a late refusal can be
    told from a current one.
    """

    to: NodeId
    sender: NodeId
    term: Term
    success: bool
    match: Index = Index(0)
    rejected: Index = Index(0)
    conflict: EntryId | None = None
    round: int = 0


class Propose(Struct, frozen=True, gc=False, kw_only=True):
    """Follower → leader: please append this (§6.2).

    ``data`` is a batch of commands, or an encoded change of the membership.
    """

    to: NodeId
    sender: NodeId
    term: Term
    ticket: Ticket
    data: bytes
    kind: EntryKind = EntryKind.COMMANDS


class ProposeResponse(Struct, frozen=True, gc=False, kw_only=True):
    """Leader → follower: where it was appended, or None: it was not.

    ``refusal`` tells people why a change of the membership makes no sense; without
    one, whatever was refused may be proposed again.
    """

    to: NodeId
    sender: NodeId
    term: Term
    ticket: Ticket
    entry: EntryId | None
    refusal: str = ""


class ReadIndex(Struct, frozen=True, gc=False, kw_only=True):
    """Follower → leader: at which index is a read linearizable now (§6.4)?"""

    to: NodeId
    sender: NodeId
    term: Term
    ticket: Ticket


class ReadIndexResponse(Struct, frozen=True, gc=False, kw_only=True):
    """Leader → follower: that index, or None: not the leader (any more)."""

    to: NodeId
    sender: NodeId
    term: Term
    ticket: Ticket
    index: Index | None


class InstallSnapshot(Struct, frozen=True, gc=False, kw_only=True):
    """Leader → follower: bytes of ``snapshot`` from ``offset`` on (§5.3, Figure 5.3).

    Sent one at a time; whatever the follower has already, its answer says where to go on.
    """

    to: NodeId
    sender: NodeId
    term: Term
    snapshot: Snapshot
    offset: int
    data: bytes


class InstallSnapshotResponse(Struct, frozen=True, gc=False, kw_only=True):
    """Follower → leader: of the snapshot ``last`` / ``checksum`` it has the first ``offset`` bytes.

    The whole snapshot, installed, is acknowledged by an AppendResponse like entries are.
    """

    to: NodeId
    sender: NodeId
    term: Term
    last: EntryId
    checksum: int
    offset: int


class TimeoutNow(Struct, frozen=True, gc=False, kw_only=True):
    """Leader → voter: your log is complete, campaign at once (§3.10)."""

    to: NodeId
    sender: NodeId
    term: Term


class TransferLeadership(Struct, frozen=True, gc=False, kw_only=True):
    """Follower → leader: please hand over to ``target``, or to whoever is best (None)."""

    to: NodeId
    sender: NodeId
    term: Term
    target: NodeId | None = None


class StateHash(Struct, frozen=True, gc=False, kw_only=True):
    """Anyone → everyone: what my state machine's hash was after applying ``index``.

    No part of consensus; replicas compare, so that one that went astray is noticed.
    """

    to: NodeId
    sender: NodeId
    term: Term
    index: Index
    hash: int  # 64 bits


Message = (
    RequestVote
    | VoteResponse
    | AppendEntries
    | AppendResponse
    | Propose
    | ProposeResponse
    | ReadIndex
    | ReadIndexResponse
    | InstallSnapshot
    | InstallSnapshotResponse
    | TimeoutNow
    | TransferLeadership
    | StateHash
)
