"""What members say to each other.

Every message names its sender, its receiver and the sender's term. ``term`` is
the *next* term in a pre-vote request (§9.6), the current one everywhere else.
"""

from msgspec import Struct

from kvorum.raft.types import Entry, EntryId, Index, NodeId, Term, Ticket


class RequestVote(Struct, frozen=True, gc=False, kw_only=True):
    """Candidate → every voter (§3.4); with ``pre``, only asking (§9.6)."""

    to: NodeId
    sender: NodeId
    term: Term
    last: EntryId  # end of the candidate's log
    pre: bool = False


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
    """Follower → leader: please append this batch of commands (§6.2)."""

    to: NodeId
    sender: NodeId
    term: Term
    ticket: Ticket
    data: bytes


class ProposeResponse(Struct, frozen=True, gc=False, kw_only=True):
    """Leader → follower: where the batch was appended, or None: it was not."""

    to: NodeId
    sender: NodeId
    term: Term
    ticket: Ticket
    entry: EntryId | None


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


Message = (
    RequestVote
    | VoteResponse
    | AppendEntries
    | AppendResponse
    | Propose
    | ProposeResponse
    | ReadIndex
    | ReadIndexResponse
)
