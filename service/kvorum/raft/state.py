"""The one mutable state of a member, and the outboxes that ``ready()`` empties."""

from collections.abc import Sequence

from msgspec import Struct

from kvorum.raft.config import CoreOptions, IsIntroduced, RandomTicks
from kvorum.raft.log import RaftLog
from kvorum.raft.membership import NOBODY, Membership, index_of_birth
from kvorum.raft.memberships import Memberships
from kvorum.raft.messages import AppendResponse, InstallSnapshot, Message, ReadIndexResponse
from kvorum.raft.progress import Progress
from kvorum.raft.quorum import electorates_of
from kvorum.raft.read_only import ReadQueue, ReadRequest
from kvorum.raft.ready import ChunkWanted, Event, EventKind, ReadState, Receipt
from kvorum.raft.snapshot import Snapshot
from kvorum.raft.types import Entry, EntryId, HardState, Index, NodeId, Role, Term


class Transfer(Struct):
    """A leader's attempt to hand over (§3.10), and how old it is in ticks."""

    target: NodeId
    elapsed: int = 0
    sent: int = 0  # TimeoutNow messages so far
    sent_at: int = 0


class State:
    """Plain data with a few transitions; the rules are in the modules above it."""

    def __init__(
        self,
        options: CoreOptions,
        membership: Membership,
        hard_state: HardState,
        entries: Sequence[Entry],
        random_ticks: RandomTicks,
        *,
        base: EntryId,
        is_introduced: IsIntroduced,
    ) -> None:
        self.options = options
        self.is_introduced = is_introduced
        self.log = RaftLog(entries, hard_state.commit, base)
        self.snapshot: Snapshot | None = None  # the newest one here: followers may get it
        self.rebase: EntryId | None = None  # installed, but the disk's log does not say so yet
        self.role = Role.FOLLOWER
        # A snapshot reaches the disk before the log notes the term that it came in.
        self.term = max(hard_state.term, base.term)
        self.vote = hard_state.vote if self.term == hard_state.term else None
        self.leader: NodeId | None = None
        self.leader_commit = Index(0)  # what it said it had committed; ours may lag behind
        self.durable = hard_state  # term and vote that the disk holds

        self.is_able = True  # whether the node is fit to lead
        self.election_elapsed = 0  # ticks since a leader was heard, or a campaign began
        self.heartbeat_elapsed = 0
        self._random_ticks = random_ticks
        self.election_timeout = 0
        self.restart_election_timer()

        self.votes: dict[NodeId, bool] = {}  # answers to the running campaign
        self.progress: dict[NodeId, Progress] = {}  # empty unless leader
        self.departing: dict[NodeId, Progress] = {}  # they hear once more that they left
        self.transfer: Transfer | None = None
        self.unfit: set[NodeId] = set()  # did not take over when this leader asked them to
        self.is_resigning = False  # a leader that its own change of the membership removed
        self.reads = ReadQueue()

        self.messages: list[Message] = []
        self.messages_after_sync: list[Message] = []
        self.receipts: list[Receipt] = []
        self.read_states: list[ReadState] = []
        self.events: list[Event] = []
        self.chunks: list[InstallSnapshot] = []
        self.chunks_wanted: list[ChunkWanted] = []

        self.memberships = Memberships(base.index, membership, entries)
        self.is_removed = False
        self.use_latest_membership()
        self.note_decided_membership()

    @property
    def node(self) -> NodeId:
        return self.options.node

    # --- membership ----------------------------------------------------------------------

    def use_latest_membership(self) -> None:
        """The latest in the log is in force, decided or not (§4.1)."""
        membership, node = self.memberships.latest, self.node
        self.membership = membership
        self.peers = membership.peers_of(node)
        self.electors = tuple(peer for peer in self.peers if membership.is_voter(peer))
        self.electorates = electorates_of(membership, node)
        self.next_decision = self.memberships.after(self.log.commit)
        if self.role is Role.LEADER:
            self.refresh_progress()

    def note_decided_membership(self) -> None:
        """The commit index passed an entry that changes the membership."""
        commit = self.log.commit
        self.next_decision = self.memberships.after(commit)
        decided = self.memberships.at(commit)
        was_here = decided != NOBODY and index_of_birth(self.node) <= commit
        if was_here and self.node not in decided.members and not self.is_removed:
            self.is_removed = True
            self.tell(EventKind.REMOVED, why="it is no member of its cluster any more")
        if self.role is Role.LEADER:
            self.refresh_progress()

    def may_campaign(self) -> bool:
        """Only a voter that is fit to lead.

        One that is leaving still may until that is decided: perhaps nobody else who could
        complete the change has as much of the log (§4.2.2).
        """
        if not self.is_able:
            return False
        return any(m.is_voter(self.node) for m in self.memberships.since(self.log.commit))

    # --- followers -----------------------------------------------------------------------

    def refresh_progress(self) -> None:
        """A leader follows up all members, and those leaving until that is decided."""
        known = self.memberships.since(self.log.commit)
        members = dict.fromkeys(m for one in reversed(known) for m in one.peers_of(self.node))
        before = self.progress
        self.progress = {peer: before.get(peer) or self._new_progress() for peer in members}
        for peer in before.keys() - members.keys():
            before[peer].due = True
            self.departing[peer] = before[peer]

    def _new_progress(self) -> Progress:
        return Progress(
            Index(self.log.last_index + 1),
            inflight_max=self.options.inflight_appends_max,
            inflight_bytes_max=self.options.inflight_bytes_max,
        )

    # --- outboxes --------------------------------------------------------------------

    def send(self, message: Message) -> None:
        """For messages that promise nothing about this node's disk."""
        self.messages.append(message)

    def send_after_sync(self, message: Message) -> None:
        """For messages that promise what ``term``, ``vote`` and the log are now (§3.8)."""
        if isinstance(message, AppendResponse) and message.success:
            self._supersede_acknowledgement(message)
        self.messages_after_sync.append(message)

    def _supersede_acknowledgement(self, message: AppendResponse) -> None:
        """One acknowledgement covers the earlier ones that wait for the same sync."""
        if not self.messages_after_sync:
            return
        earlier = self.messages_after_sync[-1]
        if (
            isinstance(earlier, AppendResponse)
            and earlier.success
            and earlier.to == message.to
            and earlier.term == message.term
            and earlier.match <= message.match
            and earlier.round <= message.round
        ):
            self.messages_after_sync.pop()

    def tell(
        self,
        kind: EventKind,
        node: NodeId | None = None,
        why: str = "",
        *,
        is_transfer: bool = False,
    ) -> None:
        self.events.append(Event(kind, self.term, node, why, is_transfer))

    def clear_outboxes(self) -> None:
        """``ready()`` took what they held."""
        self.messages.clear()
        self.receipts.clear()
        self.read_states.clear()
        self.events.clear()
        self.chunks.clear()
        self.chunks_wanted.clear()

    # --- roles -----------------------------------------------------------------------

    def restart_election_timer(self) -> None:
        """A fresh random timeout each time, so that split votes resolve (§3.4)."""
        self.election_elapsed = 0
        self.election_timeout = self._random_ticks(
            self.options.election_ticks_min, self.options.election_ticks_max
        )

    def hasten_next_campaign(self) -> None:
        """Votes were split: if nobody leads soon, run again before a whole timeout is over.

        At random again (§3.4), and not before those votes that can still decide had the time to
        come: about as long as it took this candidate to vote for itself and hear of another.
        Then pre-votes see to it that haste disturbs no leader (§9.6).
        """
        low = self.options.heartbeat_ticks + 2 * self.election_elapsed
        wait = self._random_ticks(low, low + self.options.election_ticks_min)
        self.election_timeout = min(self.election_timeout, self.election_elapsed + wait)

    def become_follower(self, term: Term, leader: NodeId | None, why: str) -> None:
        """Follow ``leader`` (if known) in ``term``; whatever this node led is over."""
        assert term >= self.term, "terms never go back"
        if self.role is Role.LEADER:
            self._abdicate(why)
        if term > self.term:
            self.term, self.vote, self.leader = term, None, None
        self.role = Role.FOLLOWER
        self.votes = {}
        self.restart_election_timer()
        self.follow(leader)

    def follow(self, leader: NodeId | None) -> None:
        """Note who leads this term; tell it once."""
        if leader is not None and leader != self.leader:
            self.tell(EventKind.FOLLOW, leader)
        self.leader = leader

    def _abdicate(self, why: str) -> None:
        self.tell(EventKind.STEP_DOWN, why=why)
        self.progress = {}
        self.departing = {}
        self.transfer = None
        self.unfit = set()
        self.is_resigning = False
        self.chunks_wanted.clear()
        for request in self.reads.drop():
            self.answer_read(request, None)

    def hears_a_leader(self) -> bool:
        """A live leader was heard within the minimum timeout: votes are refused (§4.2.3).

        Without this a node that lost touch could depose a leader that all others hear.
        """
        if self.role is Role.LEADER:
            return True  # it steps down by itself when a majority is silent (§6.2)
        return self.leader is not None and self.election_elapsed < self.options.election_ticks_min

    # --- reads -----------------------------------------------------------------------

    def answer_read(self, request: ReadRequest, index: Index | None) -> None:
        """Tell whoever asked: safe at ``index``, or (None) ask again."""
        if request.origin == self.node:
            self.read_states.append(ReadState(request.ticket, index))
            return
        follower = self.progress.get(request.origin)
        if follower is not None and index is not None:
            follower.awaits = max(follower.awaits, index)
        self.send(
            ReadIndexResponse(
                to=request.origin,
                sender=self.node,
                term=self.term,
                ticket=request.ticket,
                index=index,
            )
        )
