"""The states of a whole cluster, what may happen in each, and what must hold.

A state is one whole number, so that millions of them fit into memory: the numbers of each
node's state, of the set of messages under way, and of what an outside observer knows.

What is left out, because something else does the same already:

- a message is lost only when others need its place: until then it may simply be late;
- equal messages under way count once; a bounded number of deliveries leaves the message under
  way, to come again;
- a node that is down is one that nothing reaches, so that a crash includes the restart;
- a delivery that changes nothing is a loss.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations

from msgspec import Struct
from msgspec.structs import replace

from kvorum.raft.membership import Membership
from kvorum.raft.types import NodeId
from tests.exploration import checks
from tests.exploration.bounds import Bounds, History
from tests.exploration.local import (
    CRASH,
    CRASH_STORED,
    DELIVER,
    PROMOTE,
    PROPOSE,
    REMOVE,
    SYNC,
    TICK,
    TRANSFER,
    Facts,
    Locals,
    Step,
)
from tests.exploration.naming import Naming
from tests.exploration.node import Node, elect_first
from tests.exploration.numbering import Numbers
from tests.exploration.symmetry import Symmetry
from tests.support.raft_invariants import InvariantError

SIZE = 3
State = int
NODE_BITS, NET_BITS = 24, 32
NODE_MASK, NET_MASK = (1 << NODE_BITS) - 1, (1 << NET_BITS) - 1


class Action(Struct, frozen=True, gc=False):
    """An input for one node; ``again``: the message that it gets stays under way as well."""

    node: int
    given: int
    again: bool = False


class Violation(AssertionError):
    """After this action a property does not hold."""

    def __init__(self, action: Action, what: str) -> None:
        super().__init__(what)
        self.action = action


class World:
    def __init__(self, bounds: Bounds, *, renames: bool = True) -> None:
        """``renames``: states that differ only in which node is called what are one."""
        self.bounds = bounds
        self.ids = tuple(NodeId(str(number)) for number in range(1, SIZE + 1))
        symmetry = Symmetry(self.ids, renames=renames)
        self.locals = Locals(self.ids, symmetry.names)
        self.nets: Numbers[tuple[int, ...]] = Numbers()
        self.histories: Numbers[History] = Numbers()
        voters = SIZE - bounds.learners
        self.membership = Membership(self.ids[:voters], learners=self.ids[voters:])
        self._checks = checks.Checks(self.locals.logs, self.ids, self.membership)
        self._nets_after: dict[tuple[int, int, tuple[int, ...]], tuple[int, ...]] = {}
        self._naming = Naming(symmetry, self.locals, self.nets, self.histories)

    def initial(self) -> State:
        history = History((-1,) * (self.bounds.terms + 1), self.locals.logs.of(()))
        nodes = [Node(node, self.membership) for node in self.ids]
        if self.bounds.led:
            decided = elect_first(nodes)
            history = History(history.leaders, self.locals.logs.of(decided)).won(1, 0)
        numbers = [self.locals.keep(node) for node in nodes]
        return self._pack(numbers, self.nets.of(()), self.histories.of(history))

    # --- numbers ---------------------------------------------------------------------

    def _pack(self, nodes: Sequence[int], net: int, history: int) -> State:
        state = history
        for node in nodes:
            state = state << NODE_BITS | node
        return state << NET_BITS | net

    def unpack(self, state: State) -> tuple[list[int], int, int]:
        """The nodes' states, what is under way, and the history."""
        net = state & NET_MASK
        state >>= NET_BITS
        nodes = [0] * len(self.ids)
        for place in range(len(self.ids) - 1, -1, -1):
            nodes[place] = state & NODE_MASK
            state >>= NODE_BITS
        return nodes, net, state

    def name(self, state: State) -> int:
        """The same for all states that differ only in which node is called what."""
        history, net, *nodes = self._naming.name(*self.unpack(state))
        return self._pack(nodes, net, history)

    # --- what may happen -------------------------------------------------------------

    def successors(self, state: State) -> list[tuple[Action, State]]:
        """Raises :class:`Violation`."""
        nodes, net, number = self.unpack(state)
        history, bounds = self.histories[number], self.bounds
        found: list[tuple[Action, State]] = []
        for place, local in enumerate(nodes):
            for given in self._inputs(self.locals.facts[local], history):
                self._follow(found, nodes, net, number, Action(place, given))
        for message in self.nets[net]:
            place = self.ids.index(self.locals.messages[message].to)
            self._follow(found, nodes, net, number, Action(place, DELIVER + message))
            if history.duplicates < bounds.duplicates:
                self._follow(found, nodes, net, number, Action(place, DELIVER + message, True))
        return found

    def _inputs(self, facts: Facts, history: History) -> Iterator[int]:
        """What may happen to a node by itself."""
        bounds = self.bounds
        if history.ticks < bounds.ticks:
            yield TICK
        if facts.writing:
            yield SYNC
        if history.crashes < bounds.crashes:
            yield CRASH
            if facts.writing:
                yield CRASH_STORED
        if facts.leads:
            yield from self._requests(history)

    def _requests(self, history: History) -> Iterator[int]:
        """What may be asked of a leader."""
        bounds, nodes = self.bounds, range(SIZE)
        if history.entries < bounds.entries:
            yield PROPOSE + history.entries
        if history.changes < bounds.changes:
            yield from (REMOVE + node for node in nodes)
            yield from (PROMOTE + node for node in nodes if bounds.learners)
        if history.transfers < bounds.transfers:
            yield from (TRANSFER + node for node in nodes)

    def _follow(
        self,
        found: list[tuple[Action, State]],
        nodes: list[int],
        net: int,
        history: int,
        action: Action,
    ) -> None:
        """Add what comes of an action, unless it leads nowhere or out of the bounds."""
        place, given = action.node, action.given
        before = nodes[place]
        step = self.locals.step(before, given)
        if step.violation:
            raise Violation(action, step.violation)
        if step.state == before and not step.sent:
            return
        if self.locals.facts[step.state].term > self.bounds.terms:
            return
        nodes[place] = step.state
        try:
            after = history
            if step.notable or given < DELIVER or action.again:
                after = self._remember(history, action, step)
            if step.notable:
                self._check(nodes, self.histories[history], self.histories[after], step)
        except InvariantError as error:
            raise Violation(action, str(error)) from error
        rest = given - DELIVER if given >= DELIVER and not action.again else -1
        nets = self._after(net, rest, step.sent)
        found.extend((action, self._pack(nodes, under_way, after)) for under_way in nets)
        nodes[place] = before

    def _after(self, net: int, gone: int, sent: tuple[int, ...]) -> tuple[int, ...]:
        """What may be under way once a message arrived and others left."""
        key = (net, gone, sent)
        nets = self._nets_after.get(key)
        if nets is None:
            under_way = {message for message in self.nets[net] if message != gone}
            under_way.update(filter(self._is_in_bounds, sent))
            kept = min(len(under_way), self.bounds.messages)
            nets = self._nets_after[key] = tuple(
                self.nets.of(chosen) for chosen in combinations(sorted(under_way), kept)
            )
        return nets

    def _is_in_bounds(self, message: int) -> bool:
        """Pre-votes for a term beyond the bound lead nowhere."""
        return self.locals.messages[message].term <= self.bounds.terms

    # --- what must hold --------------------------------------------------------------

    def _remember(self, number: int, action: Action, step: Step) -> int:
        history = self.histories[number]
        history = history.after(action.given, again=action.again)
        if step.decided:
            decided = self.locals.logs[history.decided]
            decided = checks.same_decision(decided, step.decided)
            history = replace(history, decided=self.locals.logs.of(decided))
        if step.elected:
            checks.wins_alone(history.leaders, step.elected, action.node)
            history = history.won(step.elected, action.node)
        return self.histories.of(history)

    def _check(self, nodes: Sequence[int], before: History, now: History, step: Step) -> None:
        facts = [self.locals.facts[node] for node in nodes]
        self._checks.cluster(facts, now.decided, now.last_won)
        if now.decided != before.decided:
            logs = self.locals.logs
            new = logs[now.decided][len(logs[before.decided]) :]
            self._checks.decided(new, [one.disk for one in facts])
        for message in step.acknowledged:
            leader = facts[self.ids.index(message.to)]
            sender = facts[self.ids.index(message.sender)]
            # One that has moved on to a later term by now may have replaced what it speaks of:
            # its former leader can have no majority for that any more.
            has_moved_on = sender.durable_term > message.term
            if leader.leads and leader.term == message.term and not has_moved_on:
                self._checks.acknowledged(sender.disk, leader.log, message.match)
