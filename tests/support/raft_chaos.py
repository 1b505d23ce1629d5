"""Everything that may happen to a cluster, chosen by numbers; and its recovery.

A schedule is a list of (what, who, which): a property test draws and shrinks them,
a seeded generator makes long ones. The same schedule always gives the same run.
"""

from collections.abc import Callable, Iterator, Sequence
from random import Random

from kvorum.raft.config import CoreOptions, RandomTicks
from kvorum.raft.ready import Ready
from kvorum.raft.types import NodeId, Term
from tests.support.raft_cluster import Cluster, Member, Observer
from tests.support.raft_cores import ELECTION_TICKS_MAX, options
from tests.support.raft_invariants import log_matching

Step = tuple[int, int, int]
UNDER_WAY_MAX = 200  # older messages are lost, as in a bounded queue
RECOVERY_TICKS_MAX = 10 * ELECTION_TICKS_MAX  # a few elections may be split


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


class Chaos:
    def __init__(self, size: int, seed: int = 0, observer: Observer | None = None) -> None:
        self.cluster = Cluster(
            size, base=small_limits(), random_ticks=seeded_ticks(seed), observer=observer
        )
        self.size = size
        self._proposed = 0
        self._actions = self._table()
        self._for_the_dead = (self._deliver, self._crash_or_restart)

    def _table(self) -> Sequence[Callable[[int, int], None]]:
        """What may happen, as often as its weight."""
        weighted: list[tuple[int, Callable[[int, int], None]]] = [
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
        ]
        return [action for weight, action in weighted for _ in range(weight)]

    def play(self, schedule: Sequence[Step] | Iterator[Step]) -> None:
        for what, who, which in schedule:
            number = who % self.size + 1
            action = self._actions[what % len(self._actions)]
            if self.cluster[number].core is None and action not in self._for_the_dead:
                continue
            action(number, which)
            del self.cluster.net.queue[:-UNDER_WAY_MAX]
        log_matching(self.cluster.running)

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
        if self.cluster[who].core is None:
            self.cluster.restart(who)
        elif which % 4 == 0:
            self.cluster.crash(who, stored=None if which % 3 == 0 else which % 5)

    def _partition(self, who: int, which: int) -> None:
        if which % 3 == 0:
            self.cluster.net.isolate(who)
        else:
            self.cluster.net.cut(who, which % self.size + 1)

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
        cluster = self.cluster
        cluster.net.heal()
        for number in range(1, self.size + 1):
            if cluster[number].core is None:
                cluster.restart(number)
            cluster.fast_disk(number)
        asked: set[Term] = set()
        for ticks in range(RECOVERY_TICKS_MAX):
            cluster.settle()
            if len(cluster.leaders) == 1:
                self._propose_once_a_term(cluster.leaders[0], asked)
            if asked and self._all_applied(b"recovered"):
                log_matching(cluster.running)
                return ticks
            cluster.tick()
        raise AssertionError(f"no progress within {RECOVERY_TICKS_MAX} ticks without faults")

    def _propose_once_a_term(self, leader: int, asked: set[Term]) -> None:
        """Again in a new term: the old leader may have taken the proposal with it."""
        term = self.cluster[leader].running.state.term
        if term not in asked:
            asked.add(term)
            self.cluster.propose(leader, b"recovered")
            self.cluster.settle()

    def _all_applied(self, data: bytes) -> bool:
        return all(member.data[-1:] == [data] for member in self.cluster.members.values())


def long_schedule(seed: int, steps: int) -> Iterator[Step]:
    random = Random(seed)
    for _ in range(steps):
        yield random.randrange(1 << 16), random.randrange(1 << 16), random.randrange(1 << 16)


def schedule_from(data: bytes) -> list[Step]:
    """Three bytes for each step: compact to draw and to shrink."""
    return [(data[at], data[at + 1], data[at + 2]) for at in range(0, len(data) - 2, 3)]


def _discard(_result: object) -> None:
    """Chance does not ask what came of it."""
