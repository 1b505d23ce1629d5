"""The links of one node: one for each member it keeps in touch with, as these change."""

import asyncio
from asyncio import Task, TaskGroup
from collections.abc import Callable, Collection

from kvorum.raft.types import NodeId
from kvorum.transport.link import Link


class Links:
    """``by_member`` is what a message finds its link by; do not change it."""

    def __init__(self, dial: Callable[[NodeId], Link], *, farewell_s: float) -> None:
        """``farewell_s``: how long a link that ends may still send what waits."""
        self._dial = dial
        self._farewell_s = farewell_s
        self._group: TaskGroup | None = None
        self._tasks: dict[NodeId, Task[None]] = {}  # some of them ending
        self.by_member: dict[NodeId, Link] = {}

    def keep(self, members: Collection[NodeId]) -> None:
        """Have a link to each of ``members``, and to nobody else."""
        for member in [each for each in self.by_member if each not in members]:
            self._end(member)
        for member in members:
            if member not in self.by_member:
                self.by_member[member] = self._dial(member)
                self._start(member)

    async def run(self) -> None:
        """Until cancelled."""
        async with TaskGroup() as group:
            self._group = group
            try:
                for member in self.by_member:
                    self._start(member)
                await asyncio.Event().wait()
            finally:
                self._group = None

    def _start(self, member: NodeId) -> None:
        if self._group is None:
            return
        run = _run_after(self._tasks.get(member), self.by_member[member])
        task = self._group.create_task(run, name=f"link to {member}")
        self._tasks[member] = task
        task.add_done_callback(lambda task: self._forget(member, task))

    def _end(self, member: NodeId) -> None:
        link, task = self.by_member.pop(member), self._tasks.get(member)
        if task is None:
            return
        if link.retire():
            asyncio.get_running_loop().call_later(self._farewell_s, task.cancel)
        else:
            task.cancel()

    def _forget(self, member: NodeId, task: Task[None]) -> None:
        if self._tasks.get(member) is task:
            del self._tasks[member]


async def _run_after(predecessor: Task[None] | None, link: Link) -> None:
    """Two links to one member would be taken for two processes with its identity."""
    if predecessor is not None:
        await asyncio.wait([predecessor])
    await link.run()
