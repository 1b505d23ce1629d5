"""Every state that a node was ever in, numbered, and what each input makes of it.

A core is deterministic: what it does depends on its state and its input alone. So a step that
was taken once is looked up ever after, however many states of the cluster it occurs in;
that is what makes exploring a core written in Python feasible.
"""

import pickle
from collections.abc import Sequence
from itertools import chain
from typing import cast

from msgspec import Struct

from kvorum.raft.membership import Promote, Remove
from kvorum.raft.messages import AppendResponse, Message
from kvorum.raft.ready import EventKind, Ready
from kvorum.raft.types import Entry, NodeId, Role, Term
from tests.exploration.canonical import Names, canonical, digest
from tests.exploration.node import Node
from tests.exploration.numbering import Numbers

TICK, SYNC, CRASH, CRASH_STORED = range(4)
PROPOSE, REMOVE, PROMOTE, TRANSFER, DELIVER = 8, 16, 24, 32, 40
"""Inputs are numbers: proposal n, a change or transfer that concerns node n, message n."""


class Facts(Struct, frozen=True):
    """What checks and bounds ask about a node's state; logs by their numbers."""

    term: Term
    leads: bool
    writing: bool
    log: int
    disk: int
    durable_term: Term


class Step(Struct, frozen=True):
    """What an input made of a state; with ``violation`` it must not happen."""

    state: int
    sent: tuple[int, ...] = ()
    elected: Term = Term(0)
    decided: tuple[Entry, ...] = ()
    acknowledged: tuple[AppendResponse, ...] = ()
    notable: bool = False  # it concerns more than the node itself
    violation: str = ""


class Locals:
    """The states of all nodes in one numbering; a state knows which node it is of."""

    def __init__(self, ids: Sequence[NodeId], symmetries: Sequence[Names]) -> None:
        self.messages: Numbers[Message] = Numbers()
        self.logs: Numbers[tuple[Entry, ...]] = Numbers()
        self.facts: list[Facts] = []
        self.forms: list[tuple[int, ...]] = []  # what each state is called when nodes are renamed
        self.kinds: list[int] = []  # the same for states that differ only in names
        self._ids = ids
        self._identity: Names = {node: node for node in ids}
        self._symmetries = symmetries
        self._numbers: dict[bytes, int] = {}
        self._digests: Numbers[bytes] = Numbers()
        self._frozen: list[bytes] = []
        self._steps: dict[int, Step] = {}

    def __len__(self) -> int:
        return len(self._frozen)

    @property
    def steps(self) -> int:
        """How many different steps of a single node were taken."""
        return len(self._steps)

    def keep(self, node: Node) -> int:
        """The number of this state; the node may be changed afterwards."""
        name = digest(canonical(node, self._identity))
        number = self._numbers.setdefault(name, len(self._frozen))
        if number == len(self._frozen):
            self._frozen.append(pickle.dumps(node, pickle.HIGHEST_PROTOCOL))
            self.facts.append(self._facts(node))
            forms = [digest(canonical(node, names)) for names in self._symmetries]
            self.forms.append(tuple(map(self._digests.of, forms)))
            self.kinds.append(min(self.forms[-1]))
        return number

    def thaw(self, state: int) -> Node:
        return cast(Node, pickle.loads(self._frozen[state]))

    def step(self, state: int, given: int) -> Step:
        key = state << 24 | given
        step = self._steps.get(key)
        if step is None:
            step = self._steps[key] = self._take(state, given)
        return step

    # --- a step for the first time ---------------------------------------------------

    def act(self, node: Node, given: int) -> list[Ready]:
        """Let the node itself take the step."""
        if given >= DELIVER:
            return node.deliver(self.messages[given - DELIVER])
        if given >= PROPOSE:
            return self._ask(node, given)
        if given == TICK:
            return node.tick()
        return node.sync() if given == SYNC else node.restart(stored=given == CRASH_STORED)

    def _ask(self, node: Node, given: int) -> list[Ready]:
        if given >= TRANSFER:
            return node.hand_over(self._ids[given - TRANSFER])
        if given >= PROMOTE:
            return node.change(Promote(self._ids[given - PROMOTE]))
        if given >= REMOVE:
            return node.change(Remove(self._ids[given - REMOVE]))
        return node.propose(given - PROPOSE)

    def _take(self, state: int, given: int) -> Step:
        node = self.thaw(state)
        before = self.facts[state]
        try:
            readies = self.act(node, given)
        except AssertionError as error:
            return Step(state, violation=str(error))
        after = self.keep(node)
        if self.facts[after].term < before.durable_term:
            return Step(state, violation="terms never go back")
        events = chain.from_iterable(ready.events for ready in readies)
        sent = [message for ready in readies for message in ready.messages]
        elected = max((e.term for e in events if e.kind is EventKind.LEADER), default=Term(0))
        decided = tuple(chain.from_iterable(ready.committed for ready in readies))
        acknowledged = tuple(m for m in sent if isinstance(m, AppendResponse) and m.success)
        changed = self.facts[after] != before
        return Step(
            after,
            tuple(dict.fromkeys(self.messages.of(message) for message in sent)),
            elected,
            decided,
            acknowledged,
            notable=bool(changed or elected or decided or acknowledged),
        )

    def _facts(self, node: Node) -> Facts:
        state = node.core.state
        return Facts(
            state.term,
            state.role is Role.LEADER,
            node.disk.writing is not None,
            self.logs.of(node.log()),
            self.logs.of(tuple(node.disk.entries)),
            node.disk.hard_state.term,
        )
