"""A whole cluster of cores in one process: scripted time, network and disks.

Nothing happens by itself: a test ticks, delivers, saves and crashes, in an order
that it chooses, so every run can be repeated exactly. Disks are instant unless
``slow_disk`` says otherwise; a crash loses what was not saved. Every output passes
the checks of ``raft_invariants``.

Nodes are numbers; a number is an address. Who joins later, or comes back with an empty disk,
has another id at the same address, as the leader's membership says.
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from kvorum.raft.config import CoreOptions, RandomTicks
from kvorum.raft.core import Core
from kvorum.raft.membership import NOBODY, Change, Membership, encode_change
from kvorum.raft.messages import Message
from kvorum.raft.ready import Ready
from kvorum.raft.types import Entry, EntryKind, HardState, NodeId, Role, Ticket
from tests.support.raft_cores import ELECTION_TICKS_MIN, latest, node_id, options
from tests.support.raft_disk import Disk
from tests.support.raft_invariants import Invariants
from tests.support.raft_member import Member, Shelf
from tests.support.raft_network import Network, Selector, every

__all__ = ["Cluster", "Disk", "Member", "Observer"]

SETTLE_MAX = 100_000  # deliveries after which a cluster is taken to be chasing its tail


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
        self._at = {int(node): node for node in self.ids}  # who lives at each address now
        self._base = base or options()
        self._random_ticks = random_ticks
        self._observer = observer or Observer()
        self.net = Network(range(1, size + 1), self._observer.lost)
        self._ticket = 0
        self._shelf = Shelf()
        founding, new = Membership(self.ids), (HardState(), ())
        self.members = {
            node: Member(node, Disk(*(disks or {}).get(number, new), founding), self._shelf)
            for number, node in enumerate(self.ids, 1)
        }
        self.invariants = Invariants(founding)
        for number in range(1, size + 1):
            self.restart(number)

    def __getitem__(self, number: int) -> Member:
        return self.members[self._at[number]]

    # --- looking ---------------------------------------------------------------------

    @property
    def running(self) -> dict[NodeId, Core]:
        return {node: m.core for node, m in self.members.items() if m.core is not None}

    @property
    def leaders(self) -> list[int]:
        """Who thinks that it leads, by number."""
        return [
            member.number
            for member in self.members.values()
            if member.core is not None and member.role is Role.LEADER
        ]

    @property
    def numbers(self) -> list[int]:
        """Every address that somebody lives at."""
        return list(self._at)

    # --- nodes -----------------------------------------------------------------------

    def crash(self, number: int, *, stored: int | None = None) -> None:
        """Stop a node; of a running save ``stored`` entries reach the disk, None: nothing."""
        member = self[number]
        member.stop()
        member.disk.crash(stored)

    def restart(self, number: int) -> None:
        member = self[number]
        found = member.disk.restart()
        member.core = Core(
            msgspec.structs.replace(self._base, node=member.node),
            found.membership,
            self._random_ticks(member.node),
            found.hard_state,
            found.entries,
            found.base,
        )
        member.restore()
        self.invariants.started(member.node)
        self._pump(member)

    def join(self, number: int) -> Member:
        """An empty disk at this address, under the id that a leader has for it."""
        [leader, *_] = self.leaders
        node = self[leader].running.membership.at_address(str(number))
        assert node is not None, f"nobody was added at {number}"
        return self.start(node)

    def start(self, node: NodeId) -> Member:
        """Whoever lived at its address before is gone for good, and its disk with it."""
        assert node not in self.members, f"{node} is here already"
        member = Member(node, Disk(HardState(), (), NOBODY), self._shelf)
        number = member.number
        if number in self._at:
            self[number].stop()
        else:
            self.net.numbers.append(number)
        self._at[number] = node
        self.members[node] = member
        self.restart(number)
        return member

    def propose(self, number: int, data: bytes) -> Ticket:
        return self._propose(number, data, EntryKind.COMMANDS)

    def change(self, number: int, change: Change) -> Ticket:
        """A change of the membership is proposed on this node."""
        return self._propose(number, encode_change(change), EntryKind.MEMBERSHIP)

    def _propose(self, number: int, data: bytes, kind: EntryKind) -> Ticket:
        self._ticket += 1
        ticket = Ticket(self._ticket)
        self[number].running.propose(ticket, data, kind)
        self._pump(self[number])
        return ticket

    def transfer(self, number: int, target: int | None = None) -> str:
        """This node is asked to have leadership handed over."""
        why_not = self[number].running.transfer(None if target is None else self._at[target])
        self._pump(self[number])
        return why_not

    def set_able(self, number: int, *, able: bool) -> None:
        self[number].running.set_able(able)
        self._pump(self[number])

    def snapshot(self, number: int, keep: int = 0) -> bool:
        """It takes a snapshot of what it applied, and compacts its log up to ``keep`` entries."""
        return self[number].take_snapshot(keep)

    def slow_load(self, number: int) -> None:
        """The state of a snapshot that this node receives is in place only after ``load``."""
        self[number].loads_slowly = True

    def fast_load(self, number: int) -> None:
        self[number].loads_slowly = False
        self.load(number)

    def load(self, number: int) -> bool:
        """The state of a complete snapshot is in place; false if none is waiting."""
        loaded = self[number].finish_loading()
        self._pump(self[number])
        return loaded

    def read_index(self, number: int) -> Ticket:
        self._ticket += 1
        ticket = Ticket(self._ticket)
        self.invariants.read_asked(self._at[number], ticket)
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
        for member in list(self.members.values()):
            if member.core is not None and member.role is not Role.LEADER:
                elapsed = member.core.state.election_elapsed
                self.tick(member.number, count=max(0, ELECTION_TICKS_MIN - elapsed))

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
        member = self.members.get(message.to)
        if member is None or member.core is None or not self.net.passes(message):
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
            self.invariants.check(core, ready, member.applied, self.members)
            member.take(ready)
            self._observer.ready(member, ready)
            self.net.send(ready.messages)
            self.net.send(member.send_chunks(ready.chunks_wanted))
            self.net.send(member.collect(ready.chunks))
            if ready.save is not None:
                disk.begin(ready.save)
                if not disk.slow:
                    core.advance(disk.finish())
                    continue
            if not member.loads_slowly and member.finish_loading():
                continue
            if not core.has_more():
                return
