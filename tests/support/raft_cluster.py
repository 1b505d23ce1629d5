"""A whole cluster of cores in one process: scripted time, network and disks.

Nothing happens by itself: a test ticks, delivers, saves and crashes, in an order
that it chooses, so every run can be repeated exactly. Disks are instant unless
``slow_disk`` says otherwise; a crash loses what was not saved. Every output passes
the checks of ``raft_invariants``.
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from kvorum.raft.config import CoreOptions, RandomTicks
from kvorum.raft.core import Core
from kvorum.raft.membership import Membership
from kvorum.raft.messages import Message
from kvorum.raft.ready import Event, Ready, Save
from kvorum.raft.types import Entry, EntryId, HardState, Index, NodeId, Role, Ticket
from tests.support.raft_cores import ELECTION_TICKS_MIN, latest, node_id, options
from tests.support.raft_invariants import Invariants
from tests.support.raft_network import Network, Selector, every

SETTLE_MAX = 100_000  # deliveries after which a cluster is taken to be chasing its tail


class Disk:
    """What survives a crash, and the one save that is on its way."""

    def __init__(self, hard_state: HardState, entries: Sequence[Entry]) -> None:
        self.hard_state = hard_state
        self.entries = list(entries)
        self.writing: Save | None = None
        self.slow = False

    def begin(self, save: Save) -> None:
        assert self.writing is None, "one save at a time"
        self.writing = save

    def finish(self) -> Save:
        save = self.writing
        assert save is not None, "nothing is being written"
        self.store(save, len(save.entries))
        self.writing = None
        return save

    def crash(self, stored: int | None) -> None:
        """Power is lost: of the running save nothing (None) or the first entries are there."""
        if self.writing is not None and stored is not None:
            self.store(self.writing, min(stored, len(self.writing.entries)))
        self.writing = None

    def store(self, save: Save, count: int) -> None:
        entries = save.entries[:count]
        if entries:
            assert entries[0].index <= len(self.entries) + 1, "a log has no holes"
            del self.entries[entries[0].index - 1 :]
            self.entries += entries
        assert save.hard_state.commit <= len(self.entries), "a hint is true of any part of its save"
        self.hard_state = save.hard_state


class Member:
    """One node: its core (None while it is down), its disk, and what it was told."""

    def __init__(self, node: NodeId, disk: Disk) -> None:
        self.node = node
        self.disk = disk
        self.core: Core | None = None
        self.applied: list[Entry] = []
        self.receipts: dict[Ticket, EntryId | None] = {}
        self.reads: dict[Ticket, Index | None] = {}
        self.events: list[Event] = []

    @property
    def running(self) -> Core:
        assert self.core is not None, f"{self.node} is down"
        return self.core

    @property
    def role(self) -> Role:
        return self.running.state.role

    @property
    def commit(self) -> int:
        return self.running.state.log.commit

    @property
    def terms(self) -> list[int]:
        """The terms of its log's entries."""
        log = self.running.state.log
        return [entry.term for entry in log.page(Index(1), log.last_index)]

    @property
    def data(self) -> list[bytes]:
        """What its state machine was given, no-ops left out."""
        return [entry.data for entry in self.applied if entry.data]

    def take(self, ready: Ready) -> None:
        self.applied += ready.committed
        self.events += ready.events
        self.receipts.update({receipt.ticket: receipt.entry for receipt in ready.receipts})
        self.reads.update({read.ticket: read.index for read in ready.read_states})


class Observer:
    """Told of everything that happens; the default is not interested."""

    def delivered(self, message: Message, node: Member) -> None: ...

    def lost(self, message: Message) -> None: ...

    def ready(self, node: Member, ready: Ready) -> None: ...


class Cluster:
    def __init__(
        self,
        size: int = 3,
        *,
        base: CoreOptions | None = None,
        random_ticks: Callable[[NodeId], RandomTicks] = lambda _node: latest,
        disks: Mapping[int, tuple[HardState, Sequence[Entry]]] | None = None,
        observer: Observer | None = None,
    ) -> None:
        """``disks`` gives nodes a past; a node without one is new."""
        self.ids = tuple(node_id(number) for number in range(1, size + 1))
        self._base = base or options()
        self._random_ticks = random_ticks
        self._observer = observer or Observer()
        self.invariants = Invariants()
        self.net = Network(self.ids, self._observer.lost)
        self._ticket = 0
        self.members = {
            node: Member(node, Disk(*(disks or {}).get(number, (HardState(), ()))))
            for number, node in enumerate(self.ids, 1)
        }
        for number in range(1, size + 1):
            self.restart(number)

    def __getitem__(self, number: int) -> Member:
        return self.members[node_id(number)]

    # --- looking ---------------------------------------------------------------------

    @property
    def running(self) -> dict[NodeId, Core]:
        return {node: m.core for node, m in self.members.items() if m.core is not None}

    @property
    def leaders(self) -> list[int]:
        """Who thinks that it leads, by number."""
        return [
            number
            for number, member in enumerate(self.members.values(), 1)
            if member.core is not None and member.role is Role.LEADER
        ]

    # --- nodes -----------------------------------------------------------------------

    def crash(self, number: int, *, stored: int | None = None) -> None:
        """Stop a node; of a running save ``stored`` entries reach the disk, None: nothing."""
        member = self[number]
        member.core = None
        member.disk.crash(stored)

    def restart(self, number: int) -> None:
        member = self[number]
        member.applied = []
        member.core = Core(
            msgspec.structs.replace(self._base, node=member.node),
            Membership(self.ids),
            self._random_ticks(member.node),
            member.disk.hard_state,
            member.disk.entries,
        )
        self.invariants.started(member.node)
        self._pump(member)

    def propose(self, number: int, data: bytes) -> Ticket:
        self._ticket += 1
        ticket = Ticket(self._ticket)
        self[number].running.propose(ticket, data)
        self._pump(self[number])
        return ticket

    def read_index(self, number: int) -> Ticket:
        self._ticket += 1
        ticket = Ticket(self._ticket)
        self.invariants.read_asked(node_id(number), ticket)
        self[number].running.read_index(ticket)
        self._pump(self[number])
        return ticket

    # --- time ------------------------------------------------------------------------

    def tick(self, *numbers: int, count: int = 1) -> None:
        """Time passes for these nodes (all running ones if none is named)."""
        chosen = [self[number] for number in numbers] or list(self.members.values())
        for _ in range(count):
            for member in chosen:
                if member.core is not None:
                    member.core.tick()
                    self._pump(member)

    def timeout(self, number: int) -> None:
        """One node loses its patience, or as leader checks its quorum."""
        state = self[number].running.state
        patience = (
            state.options.election_ticks_max
            if state.role is Role.LEADER
            else state.election_timeout
        )
        self.tick(number, count=patience - state.election_elapsed)

    def quiet(self) -> None:
        """Followers stop believing in their leader, but do not campaign yet (§4.2.3)."""
        for number, member in enumerate(self.members.values(), 1):
            if member.core is not None and member.role is not Role.LEADER:
                elapsed = member.core.state.election_elapsed
                self.tick(number, count=max(0, ELECTION_TICKS_MIN - elapsed))

    def spread(self) -> None:
        """Leaders tick once: by then every follower hears how far the log is committed."""
        self.settle()
        for leader in self.leaders:
            self.tick(leader)
        self.settle()

    def elect(self, number: int) -> None:
        """The node is the first to notice that there is no leader."""
        self.quiet()
        self.timeout(number)
        self.settle()
        assert number in self.leaders, f"{number} was not elected"

    # --- network ---------------------------------------------------------------------

    def deliver(self, wanted: Selector = every) -> int:
        """Deliver such of the messages under way now, not their answers; says how many."""
        chosen = self.net.take(wanted)
        for message in chosen:
            self._arrive(message)
        return len(chosen)

    def deliver_at(self, position: int) -> None:
        self._arrive(self.net.queue.pop(position))

    def settle(self) -> None:
        """Deliver until nothing is under way."""
        for _ in range(SETTLE_MAX):
            if not self.net.queue:
                return
            self.deliver_at(0)
        raise AssertionError(f"still talking after {SETTLE_MAX} messages")

    def _arrive(self, message: Message) -> None:
        member = self.members[message.to]
        if member.core is None or not self.net.passes(message):
            self._observer.lost(message)
            return
        member.core.step(message)
        self._observer.delivered(message, member)
        self._pump(member)

    # --- disks -----------------------------------------------------------------------

    def slow_disk(self, number: int) -> None:
        """Saves of this node take until ``sync`` (one save) or ``fast_disk``."""
        self[number].disk.slow = True

    def fast_disk(self, number: int) -> None:
        self[number].disk.slow = False
        self.sync(number)

    def sync(self, number: int) -> bool:
        """The running save of this node becomes durable; false if there is none."""
        member = self[number]
        if member.disk.writing is None:
            return False
        member.running.advance(member.disk.finish())
        self._pump(member)
        return True

    # --- the driver's part -------------------------------------------------------------

    def _pump(self, member: Member) -> None:
        core, disk = member.running, member.disk
        while True:
            ready = core.ready()
            self.invariants.check(
                core, ready, member.applied, (disk.hard_state, disk.entries), self.running
            )
            member.take(ready)
            self._observer.ready(member, ready)
            self.net.send(ready.messages)
            if ready.save is not None:
                disk.begin(ready.save)
                if not disk.slow:
                    core.advance(disk.finish())
                    continue
            if not core.has_more():
                return
