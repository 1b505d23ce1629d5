"""Nodes that die, stand still, and are stopped one after the other."""

from collections.abc import Sequence

from tests.chaos.arena import Arena, Scenario
from tests.chaos.calls import Outcome
from tests.chaos.places import NODES
from tests.chaos.workload import Habits, Workload


async def kill_leader(arena: Arena) -> None:
    await _kill(arena, "kill -9 leader", [await arena.leader()])


async def kill_follower(arena: Arena) -> None:
    await _kill(arena, "kill -9 follower", [await arena.follower()])


async def kill_leader_and_follower(arena: Arena) -> None:
    leader = await arena.leader()
    await _kill(arena, "kill -9 leader and follower", [leader, arena.others(leader)[0]])


async def _kill(arena: Arena, fault: str, nodes: Sequence[int]) -> None:
    arena.faults[fault] += 1
    arena.processes.kill(nodes)
    await arena.workload.progress(20)
    arena.processes.start(nodes)


async def kill_all(arena: Arena) -> None:
    arena.faults["kill -9 all"] += 1
    arena.processes.kill(NODES)
    arena.processes.start(arena.others())


async def pause_leader(arena: Arena) -> None:
    """A process that stands still does not know it: the classic source of stale reads."""
    leader = await arena.leader()
    await _pause(arena, "SIGSTOP leader", [leader])


async def pause_follower(arena: Arena) -> None:
    await _pause(arena, "SIGSTOP follower", [await arena.follower()])


async def pause_leader_and_follower(arena: Arena) -> None:
    leader = await arena.leader()
    await _pause(arena, "SIGSTOP leader and follower", [leader, arena.others(leader)[0]])


async def _pause(arena: Arena, fault: str, nodes: Sequence[int]) -> None:
    """Until the others have agreed on a leader and written."""
    arena.faults[fault] += 1
    arena.processes.pause(nodes)
    await arena.past_elections()
    await arena.processes.leader(arena.others(*nodes))
    await arena.workload.progress(20)
    arena.processes.go_on(nodes)


async def pause_leader_and_kill_its_successor(arena: Arena) -> None:
    """The old leader wakes up while nobody leads."""
    arena.faults["SIGSTOP leader, kill -9 successor"] += 1
    leader = await arena.leader()
    arena.processes.pause([leader])
    successor = await arena.processes.leader(arena.others(leader))
    arena.processes.kill([successor])
    arena.processes.go_on([leader])
    await arena.workload.progress(20)
    arena.processes.start([successor])


async def restart_one_by_one(arena: Arena) -> None:
    """As an upgrade does it, the leader last, the next one only when all are ready."""
    leader = await arena.leader()
    for node in (*arena.others(leader), leader):
        arena.faults["SIGTERM"] += 1
        code = await arena.processes.terminate(node)
        assert code == 0, f"node {node} ended with {code} after SIGTERM"
        arena.processes.start([node])
        await arena.processes.ready()


def no_failed_requests(workload: Workload) -> list[str]:
    """For clients that repeat once."""
    bad = [call for call in workload.calls if call.outcome in {Outcome.FAILED, Outcome.UNKNOWN}]
    return [f"{len(bad)} requests failed in spite of one retry, the first: {bad[0]}"] if bad else []


KILLS = Scenario("kill -9", (kill_leader, kill_follower, kill_all, kill_leader_and_follower))
PAUSES = Scenario(
    "pauses",
    (
        pause_leader,
        pause_follower,
        pause_leader_and_follower,
        pause_leader_and_kill_its_successor,
    ),
)
ROLLING_RESTART = Scenario(
    "rolling restart",
    (restart_one_by_one,),
    habits=Habits(attempts=2, give_up=0.0, twice=0.0),
    judge=no_failed_requests,
)
