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

from collections.abc import Sequence
from itertools import combinations

from msgspec import Struct
from msgspec.structs import replace

from kvorum.raft.membership import Membership
from kvorum.raft.types import NodeId
from tests.exploration import checks
from tests.exploration.canonical import canonical, digest
from tests.exploration.local import (
    CRASH,
    CRASH_STORED,
    DELIVER,
    PROPOSE,
    SYNC,
    TICK,
    Locals,
    Numbers,
    Step,
)
from tests.exploration.symmetry import Symmetry
from tests.support.raft_invariants import InvariantError

SIZE = 3
State = int
NODE_BITS, NET_BITS = 24, 32
NODE_MASK, NET_MASK = (1 << NODE_BITS) - 1, (1 << NET_BITS) - 1


class Bounds(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much may happen in one run."""

    terms: int = 2
    entries: int = 1  # proposals
    messages: int = 3  # under way at a time
    ticks: int = 2  # of all nodes together: a follower campaigns, a leader sends heartbeats
    crashes: int = 1
    duplicates: int = 0


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


class History(Struct, frozen=True):
    """What an observer of the whole cluster has seen, and what happened to it so far."""

    leaders: tuple[int, ...]  # who won each term, -1: nobody
    decided: int = 0  # the number of that log
    entries: int = 0
    ticks: int = 0
    crashes: int = 0
    duplicates: int = 0


class World:
    def __init__(self, bounds: Bounds, *, renames: bool = True) -> None:
        """``renames``: states that differ only in which node is called what are one."""
        self.bounds = bounds
        self.ids = tuple(NodeId(str(number)) for number in range(1, SIZE + 1))
        self.symmetry = Symmetry(self.ids, renames=renames)
        self.locals = Locals(self.ids, self.symmetry.names)
        self.nets: Numbers[tuple[int, ...]] = Numbers()
        self.histories: Numbers[History] = Numbers()
        self._checks = checks.Checks(self.locals.logs)
        self._nets_after: dict[tuple[int, int, tuple[int, ...]], tuple[int, ...]] = {}
        self._net_forms: dict[int, tuple[int, ...]] = {}
        self._history_forms: dict[int, tuple[int, ...]] = {}
        self._message_forms: dict[int, tuple[int, ...]] = {}
        self._renamed_nets: Numbers[tuple[int, ...]] = Numbers()
        self._digests: Numbers[bytes] = Numbers()

    def initial(self) -> State:
        nothing = self.locals.logs.of(())
        history = History((-1,) * (self.bounds.terms + 1), nothing)
        membership = Membership(self.ids)
        nodes = [self.locals.begin(node, membership) for node in self.ids]
        return self._pack(nodes, self.nets.of(()), self.histories.of(history))

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
        nodes, net, history = self.unpack(state)
        symmetry, forms = self.symmetry, self.locals.forms
        nets, histories = self._forms_of_net(net), self._forms_of_history(history)
        names = []
        for way in symmetry.sorting([self.locals.kinds[node] for node in nodes]):
            renamed = [forms[nodes[at]][way] for at in symmetry.sources[way]]
            names.append(self._pack(renamed, nets[way], histories[way]))
        return min(names)

    def _forms_of_net(self, net: int) -> tuple[int, ...]:
        forms = self._net_forms.get(net)
        if forms is None:
            messages = [self._forms_of_message(number) for number in self.nets[net]]
            forms = self._net_forms[net] = tuple(
                self._renamed_nets.of(tuple(sorted(message[way] for message in messages)))
                for way in range(len(self.symmetry.ways))
            )
        return forms

    def _forms_of_message(self, number: int) -> tuple[int, ...]:
        forms = self._message_forms.get(number)
        if forms is None:
            message = self.locals.messages[number]
            forms = self._message_forms[number] = tuple(
                self._digests.of(digest(canonical(message, names))) for names in self.symmetry.names
            )
        return forms

    def _forms_of_history(self, number: int) -> tuple[int, ...]:
        forms = self._history_forms.get(number)
        if forms is None:
            history = self.histories[number]
            forms = self._history_forms[number] = tuple(
                self.histories.of(
                    replace(
                        history, leaders=tuple(way[at] if at >= 0 else -1 for at in history.leaders)
                    )
                )
                for way in self.symmetry.ways
            )
        return forms

    # --- what may happen -------------------------------------------------------------

    def successors(self, state: State) -> list[tuple[Action, State]]:
        """Raises :class:`Violation`."""
        nodes, net, number = self.unpack(state)
        history, bounds, facts = self.histories[number], self.bounds, self.locals.facts
        found: list[tuple[Action, State]] = []
        for place, local in enumerate(nodes):
            if history.ticks < bounds.ticks:
                self._follow(found, nodes, net, number, Action(place, TICK))
            if facts[local].writing:
                self._follow(found, nodes, net, number, Action(place, SYNC))
            if facts[local].leads and history.entries < bounds.entries:
                given = PROPOSE + history.entries
                self._follow(found, nodes, net, number, Action(place, given))
            if history.crashes < bounds.crashes:
                self._follow(found, nodes, net, number, Action(place, CRASH))
                if facts[local].writing:
                    self._follow(found, nodes, net, number, Action(place, CRASH_STORED))
        for message in self.nets[net]:
            place = self.ids.index(self.locals.messages[message].to)
            self._follow(found, nodes, net, number, Action(place, DELIVER + message))
            if history.duplicates < bounds.duplicates:
                self._follow(found, nodes, net, number, Action(place, DELIVER + message, True))
        return found

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
            if step.notable or given < DELIVER or action.again:
                history = self._remember(history, action, step)
            if step.notable:
                self._check(nodes, history, step)
        except InvariantError as error:
            raise Violation(action, str(error)) from error
        rest = given - DELIVER if given >= DELIVER and not action.again else -1
        nets = self._after(net, rest, step.sent)
        found.extend((action, self._pack(nodes, after, history)) for after in nets)
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
        decided = self.locals.logs[history.decided]
        if step.decided:
            decided = checks.same_decision(decided, step.decided)
        leaders = history.leaders
        if step.elected:
            checks.wins_alone(leaders, step.elected, action.node)
            at = step.elected
            leaders = (*leaders[:at], action.node, *leaders[at + 1 :])
        given = action.given
        return self.histories.of(
            History(
                leaders,
                self.locals.logs.of(decided),
                history.entries + (PROPOSE <= given < DELIVER),
                history.ticks + (given == TICK),
                history.crashes + (given in (CRASH, CRASH_STORED)),
                history.duplicates + action.again,
            )
        )

    def _check(self, nodes: Sequence[int], number: int, step: Step) -> None:
        facts = [self.locals.facts[node] for node in nodes]
        history = self.histories[number]
        last_won = max((term for term, who in enumerate(history.leaders) if who >= 0), default=0)
        self._checks.cluster(facts, history.decided, last_won)
        for message in step.acknowledged:
            leader = facts[self.ids.index(message.to)]
            if leader.leads and leader.term == message.term:
                sender = facts[self.ids.index(message.sender)]
                self._checks.acknowledged(sender.disk, leader.log, message.match)
