"""Partitions of every shape, bad cables, storms."""

from collections.abc import Mapping

from msgspec.structs import replace

from kvorum.testing.sim_faults import Action, Faults


class NetworkFaults:
    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._network = faults.cluster.network
        self._random = faults.random
        self._trace = faults.cluster.trace

    def kinds(self) -> Mapping[str, Action]:
        return {
            "partition": self._partition,
            "one-way partition": self._one_way,
            "isolate": self._isolate,
            "isolate the leader": self._isolate_leader,
            "ring": self._ring,
            "bridge": self._bridge,
            "bad cable": self._bad_cable,
            "storm": self._storm,
        }

    def _heal(self) -> None:
        self._trace.tell("network", "heals")
        self._network.heal()

    def _halves(self) -> tuple[list[str], list[str]]:
        names = self._faults.names()
        cut = self._random.randint(1, max(1, len(names) - 1))
        return names[:cut], names[cut:]

    def _partition(self) -> None:
        some, others = self._halves()
        self._trace.fault("partition", "network", some, others)
        self._network.divide(some, others)
        self._faults.later(self._heal)

    def _one_way(self) -> None:
        some, others = self._halves()
        self._trace.fault("one-way partition", "network", some, others)
        self._network.cut(some, others)
        self._faults.later(self._heal)

    def _isolate(self) -> None:
        self._cut_off(self._faults.machine().name)

    def _isolate_leader(self) -> None:
        leader = self._faults.cluster.leader
        if leader is not None:
            self._cut_off(leader.name)

    def _cut_off(self, name: str) -> None:
        others = [other for other in self._faults.names() if other != name]
        which = self._random.choice(("deaf", "mute", "both"))
        self._trace.fault("isolation", "network", name, which)
        if which != "deaf":
            self._network.cut([name], others)
        if which != "mute":
            self._network.cut(others, [name])
        self._faults.later(self._heal)

    def _ring(self) -> None:
        """Everyone reaches two neighbours only."""
        names = self._faults.names()
        self._trace.fault("ring", "network", names)
        for at, name in enumerate(names):
            near = (names[at - 1], names[(at + 1) % len(names)], name)
            self._network.divide([name], [other for other in names if other not in near])
        self._faults.later(self._heal)

    def _bridge(self) -> None:
        """Two groups that only one node reaches both of."""
        [bridge, *names] = self._faults.names()
        cut = len(names) // 2
        self._trace.fault("bridge", "network", bridge, names[:cut], names[cut:])
        self._network.divide(names[:cut], names[cut:])
        self._faults.later(self._heal)

    def _bad_cable(self) -> None:
        names = self._faults.names()
        chance = self._random.uniform(0.1, 0.8)
        self._trace.fault("bad cable", "network", names[0], names[-1], chance)
        self._network.lose(names[0], names[-1], chance)
        self._faults.later(self._heal)

    def _storm(self) -> None:
        """For a while everything is slow and lossy."""
        network, usual = self._network, self._faults.cluster.options.network
        self._trace.fault("storm", "network")
        network.options = replace(
            usual,
            loss=self._random.uniform(0.0, 0.3),
            slow=self._random.uniform(0.0, 0.3),
            slow_s=self._random.choice((0.05, 0.3, 1.0)),
        )

        def over() -> None:
            network.options = usual

        self._faults.later(over)
