"""Who looks after the machines, and asks for what the cluster cannot do by itself.

A lost disk is noticed and replaced by the nodes; a node that was removed has to be cleared away.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from random import Random

from kvorum.errors import KvorumError
from kvorum.raft.membership import (
    AddLearner,
    Change,
    Membership,
    Promote,
    Remove,
)
from kvorum.raft.types import NodeId
from kvorum.testing.sim_boot import SNAPSHOTS, WAL
from kvorum.testing.sim_cluster import SimulatedCluster
from kvorum.testing.sim_faults import Action, Faults
from kvorum.testing.sim_node import RunningNode, SimulatedMachine

_LOOK_EVERY_S = 0.2


class Operator:
    """Looks at everything now and then, and does one thing at a time about it."""

    def __init__(self, cluster: SimulatedCluster, random: Random) -> None:
        self._cluster = cluster
        self._random = random

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            decided = self._cluster.decided_membership
            for machine in self._cluster.machines:
                if decided.voters:
                    self._look_at(machine, decided)

    def is_at_rest(self) -> bool:
        """Every machine has its place, or none."""
        decided = self._cluster.decided_membership
        present = [m.node.id for m in self._cluster.machines if m.node is not None]
        return (
            not decided.is_joint
            and not decided.heirs
            and sorted(present) == sorted(decided.members)
        )

    def _look_at(self, machine: SimulatedMachine, decided: Membership) -> None:
        node, assigned = machine.node, decided.at_address(machine.name)
        if machine.is_vacant and assigned is not None:
            machine.is_vacant = False
            self._cluster.start(machine)
        elif node is not None and node.id not in decided.members and self._random.random() < 0.1:
            self._clear(machine, node, assigned)

    def _clear(self, machine: SimulatedMachine, node: RunningNode, assigned: NodeId | None) -> None:
        """A node that is no member: it was removed, or replaced, or has not joined yet."""
        is_new = not node.core.state.log.last_index
        if is_new and assigned is not None:
            return  # it will be told
        # With an empty disk, whoever can found a cluster alone would do so again.
        is_alone = len(machine.tenant.members) == 1
        keeps_disk = not is_new and (is_alone or self._random.random() < 0.5)
        if keeps_disk and assigned is not None:
            return  # it will be told as well, and begin anew
        self._cluster.trace.tell("operator", "clears", machine.name)
        machine.crash(power=False)
        if not keeps_disk:
            machine.wipe(self._cluster.new_uid())
        if assigned is None:
            machine.is_vacant = True
        else:
            self._cluster.start(machine)

    def change(self, change: Change) -> None:
        """Ask some node, and leave it at that: whoever wants more asks again."""
        nodes = self._cluster.running
        if not nodes:
            return
        self._cluster.trace.tell("operator", str(change))
        node = self._random.choice(nodes)
        self._do(node, lambda: node.service.change_members(change))

    def transfer(self, target: NodeId | None) -> None:
        nodes = self._cluster.running
        if nodes:
            self._cluster.trace.fault("transfer", "operator", target)
            node = self._random.choice(nodes)
            self._do(node, lambda: node.service.transfer_leadership(target))

    def _do(self, node: RunningNode, ask: Callable[[], object]) -> None:
        node.gate.call_soon(_begin, ask)

    def may_lose_disk(self, machine: SimulatedMachine) -> bool:
        """Whether the cluster can do without: a majority of the voters goes on with its log.

        One whose log is empty still does not count: it elects nobody who has more. Whoever can
        found a cluster alone would do so again, and its clients could not tell.
        """
        if len(machine.tenant.members) == 1:
            return False
        cluster, membership = self._cluster, self._cluster.decided_membership
        if machine.is_vacant or membership.is_joint or cluster.membership != membership:
            return False
        lost = [*cluster.lost, *(m.member for m in cluster.machines if m.is_damaged)]
        logs = [node.id for node in cluster.running if node.core.state.log.last_index]
        left = [v for v in membership.voters if v in logs and v not in (*lost, machine.member)]
        return 2 * len(left) > len(membership.voters) and self._is_known(machine.member, left)

    def _is_known(self, member: NodeId, others: Sequence[NodeId]) -> bool:
        """Whether somebody tells a stranger in its place from it."""
        running = self._cluster.running
        return any(node.id in others and member in node.machine.members for node in running)


def _begin(ask: Callable[[], object]) -> None:
    """As a task of the node: what becomes of it is seen in the membership."""
    coroutine = ask()
    assert asyncio.iscoroutine(coroutine), "changes are coroutines"
    task = asyncio.ensure_future(coroutine)
    task.add_done_callback(_forgive)


def _forgive(task: "asyncio.Future[object]") -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None and not isinstance(error, KvorumError):
        raise error


class MemberFaults:
    """Changes of the membership, and disks that are lost or damaged."""

    def __init__(self, faults: Faults, operator: Operator) -> None:
        self._faults = faults
        self._operator = operator
        self._cluster = faults.cluster
        self._random = faults.random

    def kinds(self) -> Mapping[str, Action]:
        return {
            "transfer": self._transfer,
            "add": self._add,
            "promote": self._promote,
            "remove": self._remove,
            "lost disk": self._lost_disk,
            "flip in the log": lambda: self._flip("log"),
            "flip in a snapshot": lambda: self._flip("snapshot"),
        }

    def _transfer(self) -> None:
        members: list[NodeId | None] = [None, *self._cluster.membership.voters]
        self._operator.transfer(self._random.choice(members))

    def _add(self) -> None:
        vacant = [machine for machine in self._cluster.machines if machine.is_vacant]
        if not vacant:
            return
        machine = self._random.choice(vacant)
        self._cluster.trace.fault("add", machine.name)
        self._operator.change(AddLearner(machine.name))
        # Else it is started once it is a member. One that formed the cluster must not come back
        # with an empty disk before: enough of those would form a cluster of their own.
        if self._random.random() < 0.5 and not machine.tenant.is_founder:
            machine.is_vacant = False
            self._cluster.start(machine)

    def _promote(self) -> None:
        learners = self._cluster.membership.learners
        if not learners:
            return
        learner = self._random.choice(learners)
        # Its disk will be given up: a voter more that the cluster may not be able to do without.
        if not any(m.is_damaged and m.member == learner for m in self._cluster.machines):
            self._cluster.trace.fault("promote", "operator")
            self._operator.change(Promote(learner))

    def _remove(self) -> None:
        membership = self._cluster.membership
        lost = [*self._cluster.lost, *(m.member for m in self._cluster.machines if m.is_damaged)]
        left = [voter for voter in membership.voters if voter not in lost]
        if len(left) > 2 and 2 * (len(left) - 1) > len(membership.voters) - 1:
            self._cluster.trace.fault("remove", "operator")
            self._operator.change(Remove(self._random.choice(membership.members)))

    def _lost_disk(self) -> None:
        machine = self._faults.machine()
        if self._operator.may_lose_disk(machine):
            self._cluster.trace.fault("lost disk", machine.name)
            machine.crash(power=True)
            self._cluster.lose_disk(machine)
            self._faults.later(lambda: self._cluster.start(machine))

    def _flip(self, where: str) -> None:
        """The node may go on as if nothing were, or refuse: then its disk is given up."""
        machine = self._faults.machine()
        if not self._operator.may_lose_disk(machine):
            return
        machine.crash(power=self._random.random() < 0.5)
        directory, suffix = (WAL, ".wal") if where == "log" else (SNAPSHOTS, ".snap")
        if machine.disk.flip_bit(directory, lambda name: name.endswith(suffix)) is not None:
            machine.is_damaged = True
        self._faults.later(lambda: self._cluster.start(machine))
