"""The one mutable state of a member, and the outboxes that ``ready()`` empties."""

from collections.abc import Sequence

from kvorum.raft.config import CoreOptions, RandomTicks
from kvorum.raft.log import RaftLog
from kvorum.raft.membership import Membership
from kvorum.raft.messages import AppendResponse, Message, ReadIndexResponse
from kvorum.raft.progress import Progress
from kvorum.raft.read_only import ReadQueue, ReadRequest
from kvorum.raft.ready import Event, EventKind, ReadState, Receipt
from kvorum.raft.types import Entry, HardState, Index, NodeId, Role, Term


class State:
    """Plain data with a few transitions; the rules are in the modules above it."""

    def __init__(
        self,
        options: CoreOptions,
        membership: Membership,
        hard_state: HardState,
        entries: Sequence[Entry],
        random_ticks: RandomTicks,
    ) -> None:
        self.options = options
        self.membership = membership
        self.peers = membership.peers_of(options.node)
        self.log = RaftLog(entries, hard_state.commit)
        self.role = Role.FOLLOWER
        self.term = hard_state.term
        self.vote = hard_state.vote
        self.leader: NodeId | None = None
        self.leader_commit = Index(0)  # what it said it had committed; ours may lag behind
        self.durable = hard_state  # term and vote that the disk holds

        self.election_elapsed = 0  # ticks since a leader was heard, or a campaign began
        self.heartbeat_elapsed = 0
        self._random_ticks = random_ticks
        self.election_timeout = 0
        self.restart_election_timer()

        self.votes: dict[NodeId, bool] = {}  # answers to the running campaign
        self.progress: dict[NodeId, Progress] = {}  # empty unless leader
        self.reads = ReadQueue()

        self.messages: list[Message] = []
        self.messages_after_sync: list[Message] = []
        self.receipts: list[Receipt] = []
        self.read_states: list[ReadState] = []
        self.events: list[Event] = []

    @property
    def node(self) -> NodeId:
        return self.options.node

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

    def tell(self, kind: EventKind, node: NodeId | None = None, why: str = "") -> None:
        self.events.append(Event(kind, self.term, node, why))

    # --- roles -----------------------------------------------------------------------

    def restart_election_timer(self) -> None:
        """A fresh random timeout each time, so that split votes resolve (§3.4)."""
        self.election_elapsed = 0
        self.election_timeout = self._random_ticks(
            self.options.election_ticks_min, self.options.election_ticks_max
        )

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
        self.send(
            ReadIndexResponse(
                to=request.origin,
                sender=self.node,
                term=self.term,
                ticket=request.ticket,
                index=index,
            )
        )
