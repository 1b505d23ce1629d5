"""Everything that may happen to a cluster, chosen by numbers; and its recovery.

A schedule is a list of (what, who, which): a property test draws and shrinks them,
a seeded generator makes long ones. The same schedule always gives the same run.
"""

from collections.abc import Callable, Iterator, Sequence
from random import Random

from kvorum.raft.config import CoreOptions, RandomTicks
from kvorum.raft.ready import Ready
from kvorum.raft.types import NodeId, Term
from tests.support.raft_changes import Changes
from tests.support.raft_cluster import Cluster, Member, Observer
from tests.support.raft_cores import ELECTION_TICKS_MAX, options
from tests.support.raft_invariants import log_matching

Step = tuple[int, int, int]
UNDER_WAY_MAX = 200  # older messages are lost, as in a bounded queue
RECOVERY_TICKS_MAX = 10 * ELECTION_TICKS_MAX  # a few elections may be split
Action = Callable[[int, int], None]


class Recorder(Observer):
    """Keeps every Ready, to compare runs."""

    def __init__(self) -> None:
        self.readies: list[tuple[NodeId, Ready]] = []

    def ready(self, node: Member, ready: Ready) -> None:
        self.readies.append((node.node, ready))


def seeded_ticks(seed: int) -> Callable[[NodeId], RandomTicks]:
    return lambda node: Random(f"{seed}/{node}").randint


def small_limits() -> CoreOptions:
    """Limits that a short run reaches."""
    return options(
        append_bytes_max=80, save_bytes_max=150, inflight_appends_max=3, inflight_bytes_max=60
    )


def weighted(*actions: tuple[int, Action]) -> tuple[Action, ...]:
    """What may happen, as often as its weight."""
    return tuple(action for weight, action in actions for _ in range(weight))


class Chaos:
    """``changing``: with snapshots, changes of the membership, transfers and lost disks."""

    def __init__(
        self,
        size: int,
        seed: int = 0,
        observer: Observer | None = None,
        *,
        changing: bool = False,
    ) -> None:
        self.cluster = Cluster(
            size, base=small_limits(), random_ticks=seeded_ticks(seed), observer=observer
        )
        self._proposed = 0
        self.changes = Changes(self.cluster)
        self._actions = self._table() + (self._changing_table() if changing else ())
        self._for_the_dead = (self._deliver, self._crash_or_restart)

    def _table(self) -> tuple[Action, ...]:
        return weighted(
            (30, self._deliver),
            (4, lambda who, _: self.cluster.tick(who)),
            (8, lambda _, __: self.cluster.tick()),
            (6, self._propose),
            (3, self._read),
            (6, lambda who, _: _discard(self.cluster.sync(who))),
            (1, self._lose),
            (1, self._repeat),
            (2, self._crash_or_restart),
            (1, self._partition),
            (1, lambda who, _: self.cluster.slow_disk(who)),
            (1, lambda who, _: self.cluster.fast_disk(who)),
            (1, self._isolate_leader),
            (2, lambda _, __: self.cluster.net.heal()),
        )

    def _changing_table(self) -> tuple[Action, ...]:
        changes, cluster = self.changes, self.cluster
        return weighted(
            (10, self._deliver),
            (4, lambda _, __: cluster.tick()),
            (5, lambda who, which: _discard(cluster.snapshot(who, keep=which % 4))),
            (6, changes.propose),
            (2, lambda who, which: _discard(cluster.transfer(who, changes.pick(which)))),
            (1, lambda who, which: cluster.set_able(who, able=which % 3 > 0)),
            (1, lambda who, _: cluster.slow_load(who)),
            (3, lambda who, _: _discard(cluster.load(who))),
            (1, lambda _, which: changes.lose_disk(which)),
        )

    def play(self, schedule: Sequence[Step] | Iterator[Step]) -> None:
        cluster = self.cluster
        for what, who, which in schedule:
            number = cluster.numbers[who % len(cluster.numbers)]
            action = self._actions[what % len(self._actions)]
            if cluster[number].core is None and action not in self._for_the_dead:
                continue
            action(number, which)
            self.changes.start_newcomers()
            del cluster.net.queue[:-UNDER_WAY_MAX]
        log_matching(cluster.running)

    # --- what may happen -------------------------------------------------------------

    def _deliver(self, _who: int, which: int) -> None:
        """A few messages, mostly in order."""
        queue = self.cluster.net.queue
        if which % 5 == 0 and queue:
            self.cluster.deliver_at(which % len(queue))
        for _ in range(min(which % 5, len(queue))):
            self.cluster.deliver_at(0)

    def _lose(self, _who: int, which: int) -> None:
        queue = self.cluster.net.queue
        if queue:
            del queue[which % len(queue)]

    def _repeat(self, _who: int, which: int) -> None:
        queue = self.cluster.net.queue
        if queue:
            queue.append(queue[which % len(queue)])

    def _propose(self, who: int, which: int) -> None:
        self._proposed += 1
        self.cluster.propose(who, b"%d" % self._proposed + b"." * (which % 9))

    def _read(self, who: int, _which: int) -> None:
        self.cluster.read_index(who)

    def _crash_or_restart(self, who: int, which: int) -> None:
        if self.changes.is_lost(who):
            return
        if self.cluster[who].core is None:
            self.cluster.restart(who)
        elif which % 4 == 0:
            self.cluster.crash(who, stored=None if which % 3 == 0 else which % 5)

    def _partition(self, who: int, which: int) -> None:
        if which % 3 == 0:
            self.cluster.net.isolate(who)
        else:
            numbers = self.cluster.numbers
            self.cluster.net.cut(who, numbers[which % len(numbers)])

    def _isolate_leader(self, _who: int, which: int) -> None:
        """The rarest states come from leaders that do not know that they are alone."""
        for leader in self.cluster.leaders:
            self.cluster.net.isolate(leader)
            for _ in range(which % 4):
                self._propose(leader, which)

    # --- recovery --------------------------------------------------------------------

    def recover(self) -> int:
        """End all faults; returns after how many ticks all nodes agree on new work.

        AssertionError if they do not within ``RECOVERY_TICKS_MAX``.
        """
        self._end_faults()
        cluster = self.cluster
        asked: set[Term] = set()
        for ticks in range(RECOVERY_TICKS_MAX):
            cluster.settle()
            self.changes.start_newcomers()
            if len(cluster.leaders) == 1:
                self.changes.replace_lost(cluster.leaders[0])
                self._propose_once_a_term(cluster.leaders[0], asked)
            if asked and self._all_applied(b"recovered"):
                log_matching(cluster.running)
                return ticks
            cluster.tick()
        raise AssertionError(f"no progress within {RECOVERY_TICKS_MAX} ticks without faults")

    def _end_faults(self) -> None:
        cluster = self.cluster
        cluster.net.heal()
        for number in cluster.numbers:
            if self.changes.is_lost(number):
                continue
            if cluster[number].core is None:
                cluster.restart(number)
            cluster.fast_disk(number)
            cluster.fast_load(number)
            cluster.set_able(number, able=True)

    def _propose_once_a_term(self, leader: int, asked: set[Term]) -> None:
        """Again in a new term: the old leader may have taken the proposal with it."""
        term = self.cluster[leader].running.state.term
        if term not in asked:
            ticket = self.cluster.propose(leader, b"recovered")
            if self.cluster[leader].receipts[ticket] is not None:  # unless it is handing over
                asked.add(term)
            self.cluster.settle()

    def _all_applied(self, data: bytes) -> bool:
        members, leaders = self.cluster.members, self.cluster.leaders
        if len(leaders) != 1:
            return False
        return all(
            node in members and members[node].core is not None and members[node].data[-1:] == [data]
            for node in self.cluster[leaders[0]].running.membership.members
        )


def long_schedule(seed: int, steps: int) -> Iterator[Step]:
    random = Random(seed)
    for _ in range(steps):
        yield random.randrange(1 << 16), random.randrange(1 << 16), random.randrange(1 << 16)


def schedule_from(data: bytes) -> list[Step]:
    """Three bytes for each step: compact to draw and to shrink."""
    return [(data[at], data[at + 1], data[at + 2]) for at in range(0, len(data) - 2, 3)]


def _discard(_result: object) -> None:
    """Chance does not ask what came of it."""
