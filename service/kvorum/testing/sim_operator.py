"""Who looks after the machines: gives an empty one its tenant, replaces what was lost.

In a real cluster the handshake does most of it: a node with an empty disk is told which id it
has been assigned, and its leader is told that a disk was lost.
"""

import asyncio
from collections.abc import Callable, Mapping
from random import Random

from kvorum.errors import KvorumError
from kvorum.raft.membership import (
    AddLearner,
    Change,
    Membership,
    Promote,
    Remove,
    Replace,
    address_of,
)
from kvorum.raft.types import NodeId
from kvorum.testing.sim_boot import SNAPSHOTS, WAL, Tenant
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
        """Nothing is left to do."""
        decided = self._cluster.decided_membership
        wanted = {m.name: decided.at_address(m.name) for m in self._cluster.machines}
        return (
            not decided.is_joint
            and not decided.heirs
            and all(
                wanted[machine.name] == (None if machine.is_vacant else machine.tenant.member)
                for machine in self._cluster.machines
            )
        )

    def _look_at(self, machine: SimulatedMachine, decided: Membership) -> None:
        assigned, node = decided.at_address(machine.name), machine.node
        if machine.is_vacant:
            if assigned == machine.tenant.member:
                self.change(Replace(assigned))
            elif assigned is not None:
                uid = self._cluster.new_uid()
                machine.move_in(Tenant(machine.name, assigned, uid, ()))
                self._cluster.start(machine)
        elif node is not None and node.id not in decided.members:
            node.gate.call_soon(node.member.told_removed, "simulated")
            if self._random.random() < 0.1:
                machine.crash(power=False)
                self._vacate(machine)

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

    def lose_disk(self, machine: SimulatedMachine, kind: str) -> None:
        """The machine is off, and all that was on it is gone."""
        self._cluster.trace.fault(kind, machine.name)
        machine.crash(power=True)
        self._vacate(machine)

    def _vacate(self, machine: SimulatedMachine) -> None:
        self._cluster.trace.tell(machine.name, "is vacant")
        machine.move_out()

    def may_lose_disk(self, machine: SimulatedMachine) -> bool:
        """Whether a majority of the voters would still have everything."""
        membership = self._cluster.decided_membership
        member = machine.tenant.member
        if machine.is_vacant or membership.is_joint or self._cluster.membership != membership:
            return False
        lost = {m.tenant.member for m in self._cluster.machines if m.is_vacant or m.is_damaged}
        lost.add(member)
        left = [voter for voter in membership.voters if voter not in lost]
        return 2 * len(left) > len(membership.voters)


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
        if vacant:
            self._cluster.trace.fault("add", "operator")
            self._operator.change(AddLearner(self._random.choice(vacant).name))

    def _promote(self) -> None:
        learners = self._cluster.membership.learners
        if learners:
            self._cluster.trace.fault("promote", "operator")
            self._operator.change(Promote(self._random.choice(learners)))

    def _remove(self) -> None:
        membership = self._cluster.membership
        lost = {m.name for m in self._cluster.machines if m.is_vacant or m.is_damaged}
        left = [v for v in membership.voters if address_of(v) not in lost]
        if len(left) > 2 and 2 * (len(left) - 1) > len(membership.voters) - 1:
            self._cluster.trace.fault("remove", "operator")
            self._operator.change(Remove(self._random.choice(membership.members)))

    def _lost_disk(self) -> None:
        machine = self._faults.machine()
        if self._operator.may_lose_disk(machine):
            self._operator.lose_disk(machine, "lost disk")

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
