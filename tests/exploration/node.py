"""One node of the explored cluster: a real core, its disk, and one step of either.

Ticks are coarse, so that a core has few states that differ in nothing but time: with one tick
a follower loses its patience and campaigns; a leader sends heartbeats and counts its quorum.
"""

from collections.abc import Sequence

from kvorum.raft.config import CoreOptions
from kvorum.raft.core import Core
from kvorum.raft.membership import Change, Membership, encode_change
from kvorum.raft.messages import (
    AppendResponse,
    Message,
    RequestVote,
    VoteResponse,
)
from kvorum.raft.ready import Ready, Save
from kvorum.raft.types import ORIGIN, Entry, EntryId, EntryKind, HardState, Index, NodeId, Ticket
from tests.support.raft_invariants import require


def at_most(_low: int, high: int) -> int:
    """The injected randomness: every node is patient to the end, and time is an action."""
    return high


def options(node: NodeId) -> CoreOptions:
    return CoreOptions(
        node=node,
        heartbeat_ticks=1,
        election_ticks_min=1,
        election_ticks_max=1,
        append_bytes_max=1,  # one entry in a message: more can happen between two
        inflight_appends_max=2,
    )


class Disk:
    """What survives a crash, and the one save that is under way."""

    def __init__(self) -> None:
        self.hard_state = HardState()
        self.entries: list[Entry] = []
        self.writing: Save | None = None

    @property
    def last(self) -> EntryId:
        return self.entries[-1].id if self.entries else ORIGIN

    def finish(self) -> Save:
        save, self.writing = self.writing, None
        assert save is not None, "nothing is being written"
        if save.entries:
            del self.entries[save.entries[0].index - 1 :]
            self.entries += save.entries
        self.hard_state = save.hard_state
        return save


class Node:
    def __init__(self, node: NodeId, membership: Membership) -> None:
        self.node = node
        self.base = membership
        self.disk = Disk()
        self.core = self._started()
        self.applied = Index(0)

    def _started(self) -> Core:
        return Core(options(self.node), self.base, at_most, self.disk.hard_state, self.disk.entries)

    def log(self) -> tuple[Entry, ...]:
        log = self.core.state.log
        return tuple(log.page(Index(1), log.last_index))

    # --- what may happen -------------------------------------------------------------

    def deliver(self, message: Message) -> list[Ready]:
        self.core.step(message)
        return self._pump()

    def tick(self) -> list[Ready]:
        self.core.tick()
        return self._pump()

    def propose(self, number: int) -> list[Ready]:
        """Each proposal is told from all others by its content."""
        self.core.propose(Ticket(number), b"%d" % number)
        return self._pump()

    def change(self, change: Change) -> list[Ready]:
        self.core.propose(Ticket(0), encode_change(change), EntryKind.MEMBERSHIP)
        return self._pump()

    def hand_over(self, target: NodeId) -> list[Ready]:
        self.core.transfer(target)
        return self._pump()

    def sync(self) -> list[Ready]:
        """What was being written is durable."""
        self.core.advance(self.disk.finish())
        return self._pump()

    def restart(self, *, stored: bool) -> list[Ready]:
        """A crash, and a start from what the disk holds: with the running save or without it.

        How long a node is down makes no difference that a slow network does not make.
        """
        if stored:
            self.disk.finish()
        self.disk.writing = None
        self.core, self.applied = self._started(), Index(0)
        return self._pump()

    # --- the driver's part -----------------------------------------------------------

    def _pump(self) -> list[Ready]:
        done: list[Ready] = []
        while not done or self.core.has_more():
            ready = self.core.ready()
            for message in ready.messages:
                self._check_promise(message)
            self._apply(ready.committed)
            if ready.save is not None:
                assert self.disk.writing is None, "one save at a time"
                self.disk.writing = ready.save
            done.append(ready)
        return done

    def _apply(self, committed: Sequence[Entry]) -> None:
        for entry in committed:
            require(entry.index == self.applied + 1, "applied in order", self.applied, entry)
            self.applied = entry.index

    def _check_promise(self, message: Message) -> None:
        """Durable before said (§3.8): a crash now could not make the message untrue."""
        if not isinstance(message, RequestVote | VoteResponse | AppendResponse):
            return
        if isinstance(message, RequestVote | VoteResponse) and message.pre:
            return
        durable = self.disk.hard_state
        require(durable.term >= message.term, "durable before said: term", message, durable)
        if durable.term > message.term:
            return
        kept = True
        match message:
            case RequestVote():
                kept = durable.vote == message.sender
            case VoteResponse():
                kept = not message.granted or durable.vote == message.to
            case AppendResponse():
                kept = not message.success or len(self.disk.entries) >= message.match
        require(kept, "durable before said", message, durable)


def elect_first(nodes: Sequence[Node]) -> tuple[Entry, ...]:
    """The first node wins term 1, nothing is lost or late; returns what was decided."""
    under_way: list[Message] = []
    by_id = {node.node: node for node in nodes}
    for _ in range(2):  # an election, then a heartbeat that tells what is committed
        readies = nodes[0].tick()
        while readies or under_way:
            under_way += [message for ready in readies for message in ready.messages]
            writing = next((node for node in nodes if node.disk.writing), None)
            if writing is not None:
                readies = writing.sync()
            elif under_way:
                message = under_way.pop(0)
                readies = by_id[message.to].deliver(message)
            else:
                readies = []
    assert all(node.applied == 1 for node in nodes), "everyone has applied the no-op"
    return nodes[0].log()
