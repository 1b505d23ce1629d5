"""Disks that are full, slow, stuck or faulty under running nodes."""

import asyncio
import errno
import os
import shutil
from pathlib import Path

from tests.chaos.arena import Arena, Need, Scenario
from tests.chaos.commands import run
from tests.chaos.places import NODES
from tests.chaos.waiting import eventually
from tests.chaos.workload import Habits

SMALL_MIB = 48
FULL = os.strerror(errno.ENOSPC)
STUCK_S = 3600.0  # until healed


async def full_disk(arena: Arena) -> None:
    """The node stops with a clear message, the others go on; with room again it comes back."""
    arena.faults["disk full"] += 1
    node = arena.random.choice(NODES)
    processes = arena.processes
    home, small = processes.data(node), processes.directory / f"small-{node}"
    processes.kill([node])
    small.mkdir()
    run("mount", "-t", "tmpfs", "-o", f"size={SMALL_MIB}m", "tmpfs", str(small))
    try:
        await _move(arena, node, small / "data")
        processes.start([node])
        await processes.ready()
        filler = small / "filler"
        _fill(filler)
        await _stops_for(arena, node, FULL)
        await arena.workload.progress(40)
        await _starts_or_explains(arena, node, FULL)
        filler.unlink()
        await _comes_back(arena, node)
        processes.kill([node])
        await _move(arena, node, home)
        processes.start([node])
    finally:
        run("umount", "--lazy", str(small))
    small.rmdir()


async def _move(arena: Arena, node: int, to: Path) -> None:
    """The data of a node that does not run."""
    await asyncio.to_thread(shutil.move, arena.processes.data(node), to)
    arena.processes.move_data(node, to)


def _fill(filler: Path) -> None:
    """To the last page, even though the node takes and frees some meanwhile."""
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(65_536)):
                pass
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise


async def _stops_for(arena: Arena, node: int, why: str) -> None:
    """It says why in the message itself: a traceback may follow, but need not be read."""
    code = await arena.processes.exit_code(node, within_s=60)
    assert code > 0, f"node {node} ended with {code}"
    said = arena.processes.last_words(node)
    assert why in said, f"node {node} ended without saying {why!r}: {said}"
    assert str(arena.processes.data(node)) in said, f"node {node} does not say where: {said}"


async def _starts_or_explains(arena: Arena, node: int, why: str) -> None:
    """On a disk that is still full it may refuse, or run without taking part; it must say so."""
    arena.processes.start([node])

    async def explained() -> bool:
        return why in arena.processes.said(node)

    await eventually(f"node {node} says {why!r}", explained)


async def _comes_back(arena: Arena, node: int) -> None:
    """By itself, or after a start if the full disk has stopped it once more."""

    async def ready() -> bool:
        if not arena.processes.is_alive(node):
            await arena.processes.exit_code(node, within_s=0)
            arena.processes.start([node])
        return await arena.processes.is_ready(node)

    await eventually(f"node {node} is ready", ready)


async def slow_leader(arena: Arena) -> None:
    arena.faults["leader's syncs take 150 ms"] += 1
    disk = arena.processes.disks[await arena.leader()]
    disk.make(delay_s=0.15)
    await arena.workload.progress(60)
    disk.make()


async def slow_majority(arena: Arena) -> None:
    arena.faults["three nodes' syncs take 80 ms"] += 1
    for node in arena.others()[:3]:
        arena.processes.disks[node].make(delay_s=0.08)
    await arena.workload.progress(60)
    for disk in arena.processes.disks.values():
        disk.make()


async def stuck_leader(arena: Arena) -> None:
    """The others carry on, under another leader once it has noticed."""
    arena.faults["leader's disk stuck"] += 1
    leader = await arena.leader()
    arena.processes.disks[leader].make(delay_s=STUCK_S)
    await arena.processes.leader(arena.others(leader))
    await arena.workload.progress(40)
    arena.processes.disks[leader].make()


async def stuck_follower(arena: Arena) -> None:
    arena.faults["follower's disk stuck"] += 1
    disk = arena.processes.disks[await arena.follower()]
    disk.make(delay_s=STUCK_S)
    await arena.past_elections()
    await arena.workload.progress(40)
    disk.make()


async def faulty_leader(arena: Arena) -> None:
    await _faulty(arena, await arena.leader(), errno.EIO)


async def faulty_follower(arena: Arena) -> None:
    await _faulty(arena, await arena.follower(), errno.ENOSPC)


async def _faulty(arena: Arena, node: int, error: int) -> None:
    """A failed sync ends the node: the page cache may have dropped what it could not write."""
    arena.faults[f"{errno.errorcode[error]} at sync"] += 1
    arena.processes.disks[node].make(error=error)
    await _stops_for(arena, node, os.strerror(error))
    await arena.workload.progress(40)
    arena.processes.start([node])


FULL_DISK = Scenario(
    "full disk",
    (full_disk,),
    needs=frozenset({Need.TMPFS}),
    habits=Habits(padding_bytes=4000),  # fills segments of the log quickly
)
SLOW_DISK = Scenario(
    "slow disk",
    (slow_leader, stuck_leader, stuck_follower, slow_majority, faulty_leader, faulty_follower),
    needs=frozenset({Need.SLOW_DISK}),
)
