"""A network that loses, delays, repeats, overtakes and divides, as a seed decides.

Messages are handed over as they are: they cannot be changed. A machine keeps its address when
the member that lives there gets a new id, so links are cut between addresses.
"""

from asyncio import AbstractEventLoop
from collections.abc import Callable, Collection, Sequence
from random import Random

from msgspec import Struct

from kvorum.raft.membership import address_of
from kvorum.raft.messages import Message
from kvorum.raft.types import Index, NodeId
from kvorum.testing.trace import Trace
from kvorum.testing.virtual_time import Gate

Receive = Callable[[Sequence[Message]], None]


class NetworkOptions(Struct, frozen=True, kw_only=True):
    """Chances are per batch of messages from one node to another."""

    delay_s: tuple[float, float] = (0.0002, 0.004)
    slow: float = 0.0  # chance of taking up to ``slow_s`` longer
    slow_s: float = 0.5
    loss: float = 0.0
    repeat: float = 0.0
    overtakes: bool = False  # batches may arrive in any order, else in that of sending
    outlives: bool = False  # messages reach a node that was restarted since
    members_only: bool = False  # a node talks only to those whom it was told to be members


class _Place:
    """One incarnation of a member, as the network sees it."""

    def __init__(self, gate: Gate, receive: Receive) -> None:
        self.gate = gate
        self.receive = receive
        self.members: frozenset[NodeId] | None = None


class Port:
    """What one node knows of the network: ``node.ports.Peers``."""

    def __init__(self, network: "SimulatedNetwork", node: NodeId) -> None:
        self._network = network
        self._node = node

    def send(self, messages: Sequence[Message]) -> None:
        batches: dict[NodeId, list[Message]] = {}
        for message in messages:
            batches.setdefault(message.to, []).append(message)
        for to, batch in batches.items():
            self._network.transmit(self._node, to, batch)

    def set_members(self, _index: Index, members: Sequence[NodeId]) -> None:
        self._network.set_members(self._node, members)


class SimulatedNetwork:
    """``heard`` is told every batch that a node sends, whether or not it arrives."""

    def __init__(
        self,
        loop: AbstractEventLoop,
        random: Random,
        options: NetworkOptions,
        trace: Trace,
        heard: Callable[[Sequence[Message]], None],
    ) -> None:
        self._loop = loop
        self._random = random
        self._trace = trace
        self._heard = heard
        self._places: dict[NodeId, _Place] = {}
        self._arrivals_s: dict[tuple[NodeId, NodeId], float] = {}
        self._cut: set[tuple[str, str]] = set()
        self._lossy: dict[tuple[str, str], float] = {}
        self.options = options

    # --- nodes -------------------------------------------------------------------------

    def port(self, node: NodeId) -> Port:
        return Port(self, node)

    def join(self, node: NodeId, gate: Gate, receive: Receive) -> None:
        self._places[node] = _Place(gate, receive)

    def leave(self, node: NodeId) -> None:
        self._places.pop(node, None)

    def set_members(self, node: NodeId, members: Sequence[NodeId]) -> None:
        place = self._places.get(node)
        if place is not None:
            place.members = frozenset(members)

    # --- faults ------------------------------------------------------------------------

    def cut(self, senders: Collection[str], receivers: Collection[str]) -> None:
        """What is sent in this direction is lost from now on."""
        self._cut.update((s, r) for s in senders for r in receivers if s != r)

    def divide(self, some: Collection[str], others: Collection[str]) -> None:
        """Nothing passes between the two groups."""
        self.cut(some, others)
        self.cut(others, some)

    def lose(self, sender: str, receiver: str, chance: float) -> None:
        """A bad cable: this much more of what is sent in this direction is lost."""
        self._lossy[sender, receiver] = chance

    def heal(self) -> None:
        """All links are as good as ``options`` say."""
        self._cut.clear()
        self._lossy.clear()

    # --- delivery ----------------------------------------------------------------------

    def transmit(self, sender: NodeId, to: NodeId, batch: Sequence[Message]) -> None:
        self._heard(batch)
        place = self._places.get(to)
        if place is None and not self.options.outlives:
            return
        if self._is_lost(sender, to):
            if self._trace.is_on:
                self._trace.tell(sender, "lost", *batch)
            return
        self._schedule(sender, to, batch, place)
        if self._random.random() < self.options.repeat:
            self._trace.fault("repeat", sender, to)
            self._schedule(sender, to, batch, place)

    def _is_lost(self, sender: NodeId, to: NodeId) -> bool:
        link = (address_of(sender), address_of(to))
        if link in self._cut or not self._may_talk(sender, to):
            return True
        chance = max(self.options.loss, self._lossy.get(link, 0.0))
        if chance and self._random.random() < chance:
            self._trace.fault("loss", sender, to)
            return True
        return False

    def _may_talk(self, sender: NodeId, to: NodeId) -> bool:
        place = self._places.get(sender)
        if not self.options.members_only or place is None or place.members is None:
            return True
        return to in place.members

    def _schedule(
        self, sender: NodeId, to: NodeId, batch: Sequence[Message], place: _Place | None
    ) -> None:
        random, options = self._random, self.options
        at_s = self._loop.time() + random.uniform(*options.delay_s)
        if options.slow and random.random() < options.slow:
            self._trace.fault("delay", sender, to)
            at_s += random.random() * options.slow_s
        if not options.overtakes:
            at_s = max(at_s, self._arrivals_s.get((sender, to), 0.0) + 1e-6)
            self._arrivals_s[sender, to] = at_s
        self._loop.call_at(at_s, self._arrive, to, batch, place)

    def _arrive(self, to: NodeId, batch: Sequence[Message], expected: _Place | None) -> None:
        place = self._places.get(to)
        if place is None or (place is not expected and not self.options.outlives):
            return  # lost with the connection
        if self._trace.is_on:
            self._trace.tell(to, "hears", *batch)
        place.gate.call_soon(place.receive, batch)
