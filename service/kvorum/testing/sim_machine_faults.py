"""Processes that are killed and stopped, disks and clocks that go wrong."""

import asyncio
import errno
from collections.abc import Mapping

from kvorum.testing.sim_disk import USUAL_SYNC_S
from kvorum.testing.sim_faults import Action, Faults
from kvorum.testing.sim_node import SimulatedMachine


class ProcessFaults:
    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._cluster = faults.cluster
        self._random = faults.random

    def kinds(self) -> Mapping[str, Action]:
        return {
            "kill": self._kill,
            "power cut": self._power_cut,
            "kill the leader": self._kill_leader,
            "restart all": self._restart_all,
            "power cut at the start": self._cut_at_start,
            "pause": self._pause,
            "pause the leader": self._pause_leader,
        }

    def _kill(self) -> None:
        self._faults.crash(self._faults.victim(), power=False)

    def _power_cut(self) -> None:
        self._faults.crash(self._faults.victim(), power=True)

    def _kill_leader(self) -> None:
        self._faults.crash(self._cluster.leader, power=self._random.random() < 0.5)

    def _restart_all(self) -> None:
        power = self._random.random() < 0.7
        for machine in self._faults.running():
            self._faults.crash(machine, power=power)

    def _cut_at_start(self) -> None:
        """The power goes, comes, and goes again before the node is up."""
        machine = self._faults.victim()
        if machine is None or machine.process is None:
            return
        self._cluster.trace.fault("power cut at the start", machine.name)
        machine.crash(power=True)

        def begin() -> None:
            if machine.process is None:
                machine.disk.power_lasts = self._random.randrange(40)
                self._cluster.start(machine)

        self._faults.later(begin)

    def _pause(self) -> None:
        self._stop(self._faults.victim())

    def _pause_leader(self) -> None:
        self._stop(self._cluster.leader)

    def _stop(self, machine: SimulatedMachine | None) -> None:
        if machine is None or machine.process is None or not machine.process.gate.is_open:
            return
        gate = machine.process.gate
        self._cluster.trace.fault("pause", machine.name)
        gate.shut()
        self._faults.later(gate.open)


class DiskFaults:
    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._cluster = faults.cluster
        self._random = faults.random

    def kinds(self) -> Mapping[str, Action]:
        return {
            "slow disk": self._slow,
            "stalled disk": self._stalled,
            "full disk": self._full,
            "broken disk": self._broken,
        }

    def _slow(self) -> None:
        disk = self._faults.machine().disk
        disk.sync_s = (0.01, self._random.choice((0.03, 0.1, 0.4)))
        self._cluster.trace.fault("slow disk", disk.name)

        def over() -> None:
            disk.sync_s = USUAL_SYNC_S

        self._faults.later(over)

    def _stalled(self) -> None:
        disk = self._faults.machine().disk
        self._cluster.trace.fault("stalled disk", disk.name)
        disk.stalled_until_s = asyncio.get_running_loop().time() + self._faults.duration_s()

    def _full(self) -> None:
        self._fail_with(errno.ENOSPC)

    def _broken(self) -> None:
        self._fail_with(errno.EIO)

    def _fail_with(self, number: int) -> None:
        """It ends when somebody sees to the machine, who also starts the node again."""
        machine = self._faults.machine()
        disk = machine.disk
        disk.fails_with, disk.failure_chance = number, self._random.choice((0.05, 0.5, 1.0))
        self._cluster.trace.tell(machine.name, "disk begins to fail with", errno.errorcode[number])

        def over() -> None:
            disk.fails_with = None
            self._cluster.start(machine)

        self._faults.later(over)


class ClockFaults:
    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._cluster = faults.cluster
        self._random = faults.random

    def kinds(self) -> Mapping[str, Action]:
        return {"drift": self._drift, "leap": self._leap}

    def _drift(self) -> None:
        machine = self._faults.machine()
        rate = self._random.choice((0.5, 0.8, 0.95, 1.05, 1.25, 2.0))
        self._cluster.trace.fault("drift", machine.name, rate)
        machine.clock.drift(rate)
        self._faults.later(lambda: machine.clock.drift(1.0))

    def _leap(self) -> None:
        machine = self._faults.machine()
        # Together less than the age at which outcomes are forgotten: retries may come later.
        seconds = self._random.choice((0.05, 0.5, 5.0, 20.0))
        self._cluster.trace.fault("leap", machine.name, seconds)
        machine.clock.leap(seconds)
