"""A network that loses, delays, repeats, overtakes and divides, as a seed decides.

Messages are handed over as they are: they cannot be changed. A machine keeps its address when
the member that lives there gets a new id, so everything here goes by addresses.
"""

from asyncio import AbstractEventLoop
from collections.abc import Callable, Collection, Sequence
from contextvars import copy_context
from random import Random
from typing import Generic, Protocol, TypeVar

from msgspec import Struct

from kvorum.raft.messages import Message
from kvorum.raft.types import NodeId
from kvorum.testing.trace import Trace
from kvorum.testing.virtual_time import Gate


class NetworkOptions(Struct, frozen=True, kw_only=True):
    """Chances are per batch of messages from one node to another."""

    delay_s: tuple[float, float] = (0.0002, 0.004)
    slow: float = 0.0  # chance of taking up to ``slow_s`` longer
    slow_s: float = 0.5
    loss: float = 0.0
    repeat: float = 0.0
    overtakes: bool = False  # batches may arrive in any order, else in that of sending


class Place(Protocol):
    """One incarnation of a node, as the network sees it."""

    @property
    def address(self) -> str: ...
    @property
    def member_id(self) -> NodeId: ...
    @property
    def gate(self) -> Gate: ...

    def close(self) -> None: ...


P = TypeVar("P", bound=Place)


class SimulatedNetwork(Generic[P]):
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
        self.note = heard
        self._places: dict[str, P] = {}
        self._arrivals_s: dict[tuple[str, str], float] = {}
        self._cut: set[tuple[str, str]] = set()
        self._lossy: dict[tuple[str, str], float] = {}
        self._context = copy_context()
        self.options = options

    # --- nodes -------------------------------------------------------------------------

    def join(self, address: str, place: P) -> None:
        self._places[address] = place

    def leave(self, address: str) -> None:
        place = self._places.pop(address, None)
        if place is not None:
            place.close()

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

    def dial(self, caller: str, address: str, reach: Callable[[P], None]) -> None:
        """Call ``reach`` with whoever is there then, if anybody is."""
        if not self._is_lost(caller, address):
            delay_s = self._random.uniform(*self.options.delay_s)
            self._at(self._loop.time() + delay_s, self._reach, address, reach)

    def _reach(self, address: str, reach: Callable[[P], None]) -> None:
        place = self._places.get(address)
        if place is not None:
            reach(place)

    def tell_refused(self, address: str, peer: NodeId, why: str) -> None:
        if self._trace.is_on:
            self._trace.tell(address, "cannot talk to", peer, why)

    def carry(
        self, sender: P, to: P, batch: Sequence[Message], deliver: Callable[[], None]
    ) -> None:
        """``deliver`` is called as a part of ``to``, if the batch arrives."""
        link = (sender.address, to.address)
        if self._is_lost(*link):
            if self._trace.is_on:
                self._trace.tell(sender.address, "lost", *batch)
            return
        self._schedule(link, to, batch, deliver)
        if self._random.random() < self.options.repeat:
            self._trace.fault("repeat", *link)
            self._schedule(link, to, batch, deliver)

    def _is_lost(self, sender: str, to: str) -> bool:
        if (sender, to) in self._cut:
            return True
        chance = max(self.options.loss, self._lossy.get((sender, to), 0.0))
        if chance and self._random.random() < chance:
            self._trace.fault("loss", sender, to)
            return True
        return False

    def _schedule(
        self, link: tuple[str, str], to: P, batch: Sequence[Message], deliver: Callable[[], None]
    ) -> None:
        random, options = self._random, self.options
        at_s = self._loop.time() + random.uniform(*options.delay_s)
        if options.slow and random.random() < options.slow:
            self._trace.fault("delay", *link)
            at_s += random.random() * options.slow_s
        if not options.overtakes:
            at_s = max(at_s, self._arrivals_s.get(link, 0.0) + 1e-6)
            self._arrivals_s[link] = at_s
        self._at(at_s, self._arrive, to, batch, deliver)

    def _arrive(self, to: P, batch: Sequence[Message], deliver: Callable[[], None]) -> None:
        if self._places.get(to.address) is not to:
            return  # lost with the connection
        if self._trace.is_on:
            self._trace.tell(to.address, "hears", *batch)
        to.gate.call_soon(deliver)

    def _at(self, at_s: float, do: Callable[..., None], *args: object) -> None:
        """Whatever happens on the way belongs to no node."""
        self._loop.call_at(at_s, do, *args, context=self._context)
