"""Members that come, go, lose their disks, lag, and hand over, under load."""

import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from tests.chaos.arena import Arena, Scenario
from tests.chaos.places import NODES, SPARE
from tests.chaos.process_faults import no_failed_requests
from tests.chaos.rest_client import Answer, Broken, NotSent
from tests.chaos.waiting import eventually
from tests.chaos.workload import Habits

Member = Mapping[str, Any]
Members = Mapping[str, Member]
"""By address."""


async def members(arena: Arena, node: int) -> Members:
    """As the node sees them; empty if it does not answer."""
    try:
        answer = await arena.processes.rest.ask(node, "GET", "/cluster/members")
    except (NotSent, Broken):
        return {}
    return {member["address"]: member for member in answer.body.get("members", ())}


async def change(
    arena: Arena,
    what: str,
    method: str,
    path: str,
    *,
    body: object = None,
    leaving: int | None = None,
    done: Callable[[Members], bool],
) -> None:
    """Ask again until it is so: any node takes changes, and each may fail under way.

    A node that is ``leaving`` need not know how it ends.
    """
    nodes = itertools.cycle(arena.others())
    staying = [node for node in arena.processes.running if node != leaving]

    async def changed() -> bool:
        node = next(nodes)
        try:
            answer: Answer | None = await arena.processes.rest.ask(node, method, path, body)
        except (NotSent, Broken):
            answer = None
        assert answer is None or answer.status < 500 or answer.status in {503, 504}, answer
        return done(await members(arena, await arena.processes.leader(staying)))

    await eventually(what, changed)


async def add(arena: Arena, node: int) -> None:
    """A learner with an empty disk that catches up and is promoted."""
    arena.faults["member added"] += 1
    address = arena.processes.address(node)
    await change(
        arena,
        f"node {node} is a learner",
        "POST",
        "/cluster/members",
        body={"address": address},
        done=lambda all_: address in all_,
    )
    arena.processes.start([node])
    await change(
        arena,
        f"node {node} has caught up and is promoted",
        "POST",
        f"/cluster/members/{quote(address)}/promote",
        done=lambda all_: all_.get(address, {}).get("role") == "voter",
    )


async def remove(arena: Arena, node: int) -> None:
    """Its process may go on; its data are worth nothing any more."""
    arena.faults["member removed"] += 1
    address = arena.processes.address(node)
    await change(
        arena,
        f"node {node} is removed",
        "DELETE",
        f"/cluster/members/{quote(address)}",
        leaving=node,
        done=lambda all_: bool(all_) and address not in all_,
    )

    async def said() -> bool:
        return "removed" in arena.processes.said(node)

    await eventually(f"node {node} says that it was removed", said)


async def leader_leaves(arena: Arena) -> None:
    await _leave_and_come_back(arena, [await arena.leader()])


async def followers_leave(arena: Arena) -> None:
    await _leave_and_come_back(arena, arena.others(await arena.leader())[:2])


async def _leave_and_come_back(arena: Arena, leaving: Sequence[int]) -> None:
    """A sixth node joins; others leave in turn and come back empty; it leaves."""
    await add(arena, SPARE)
    for node in leaving:
        await remove(arena, node)
        await arena.workload.progress(40)
        arena.processes.kill([node])
        arena.processes.wipe(node)
        await add(arena, node)
    await remove(arena, SPARE)
    arena.processes.kill([SPARE])
    arena.processes.wipe(SPARE)


async def leader_dies_during_change(arena: Arena) -> None:
    """The change is made, or not; asking again settles it."""
    arena.faults["kill -9 leader during a change"] += 1
    leader = await arena.leader()
    body = {"address": arena.processes.address(SPARE)}
    asking = asyncio.create_task(
        arena.processes.rest.ask(leader, "POST", "/cluster/members", body), name="change"
    )
    await asyncio.sleep(arena.random.uniform(0, 0.02))
    arena.processes.kill([leader])
    await asyncio.gather(asking, return_exceptions=True)  # whatever it said is checked below
    await arena.workload.progress(20)
    arena.processes.start([leader])
    await add(arena, SPARE)
    await remove(arena, SPARE)
    arena.processes.kill([SPARE])
    arena.processes.wipe(SPARE)


async def lost_disk(arena: Arena) -> None:
    """It comes back by itself: under a new id, as a learner, and then as a voter."""
    arena.faults["disk lost"] += 1
    node = arena.random.choice(NODES)
    address = arena.processes.address(node)
    before = (await members(arena, await arena.leader()))[address]["id"]
    arena.processes.kill([node])
    arena.processes.wipe(node)
    arena.processes.start([node])

    async def replaced() -> bool:
        all_ = await members(arena, await arena.processes.leader(arena.others(node)))
        member = all_.get(address, {})
        return member.get("id") != before and member.get("role") == "voter"

    await eventually(f"node {node} is a voter again, under a new id", replaced)


async def transfer(arena: Arena) -> None:
    arena.faults["transfer of leadership"] += 1
    leader = await arena.leader()
    asked = arena.random.choice(NODES)
    target = arena.others(leader)[0]
    body = {"target": f"Node-{target}"}
    answer = await arena.processes.rest.ask(asked, "POST", "/cluster/transfer", body)
    assert answer.status == 200, f"transfer from {leader} to {target}: {answer}"
    assert await arena.leader() == target


async def lagging_follower(arena: Arena) -> None:
    """The log that it needs is gone when it comes back: it is sent a snapshot."""
    arena.faults["follower behind the log"] += 1
    node = await arena.follower()
    arena.processes.kill([node])
    await snapshots_taken(arena)
    arena.processes.start([node])
    await arena.processes.ready()
    installed = await arena.processes.metric(node, "kvorum_snapshots_installed_total")
    assert installed, f"node {node} caught up without a snapshot"


async def killed_while_installing(arena: Arena) -> None:
    """At whatever point it is."""
    node = await arena.follower()
    arena.processes.kill([node])
    await snapshots_taken(arena)
    for _ in range(3):
        arena.faults["kill -9 while catching up"] += 1
        arena.processes.start([node])
        await answers_at_all(arena, node)
        arena.processes.kill([node])
    arena.processes.start([node])


async def killed_while_taking(arena: Arena) -> None:
    """Snapshots are taken all the time here; a kill seldom misses one."""
    arena.faults["kill -9 leader"] += 1
    leader = await arena.leader()
    await arena.workload.progress(arena.random.randrange(1, 200))
    arena.processes.kill([leader])
    await arena.workload.progress(20)
    arena.processes.start([leader])


async def snapshots_taken(arena: Arena) -> None:
    """Until the leader's log begins behind where it ends now."""
    ended = await _log_index(arena, "lastIndex")

    async def moved() -> bool:
        return await _log_index(arena, "firstIndex") > ended

    await eventually("the log is released behind a snapshot", moved)


async def _log_index(arena: Arena, name: str) -> int:
    leader = await arena.leader()
    answer = await arena.processes.rest.ask(leader, "GET", "/cluster/log?limit=1")
    return int(answer.body[name])


async def answers_at_all(arena: Arena, node: int) -> None:
    async def answered() -> bool:
        return await arena.processes.info(node) is not None

    await eventually(f"node {node} answers", answered)


MEMBERSHIP = Scenario(
    "membership", (lost_disk, leader_leaves, followers_leave, leader_dies_during_change)
)
SNAPSHOTS = Scenario(
    "snapshots",
    (lagging_follower, killed_while_installing, killed_while_taking),
    habits=Habits(clients=8, think_s=0.005),
)
TRANSFER = Scenario(
    "transfer",
    (transfer, transfer, transfer),
    habits=Habits(attempts=2, give_up=0.0, twice=0.0),
    judge=no_failed_requests,
)
