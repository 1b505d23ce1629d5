"""A started container: its process, its log, its end."""

import asyncio
import os
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path

from tests.chaos.waiting import eventually
from tests.deploy.pods.sandbox import Box, Security, enter_command, start_command


class Container:
    """One run of a container; after its end a new one takes its place.

    ``pid``: of its PID 1, as this machine numbers it.
    """

    def __init__(self, process: asyncio.subprocess.Process, security: Security) -> None:
        self._process = process
        self._security = security
        self.pid = 0

    @classmethod
    async def start(cls, box: Box, workplace: Path, log: Path) -> "Container":
        """``log`` is appended to."""
        shutil.rmtree(workplace, ignore_errors=True)  # of its former run
        command = start_command(box, workplace)
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output
            )
        container = cls(process, box.security)
        await eventually(f"{box.hostname} has a first process", container._found)
        return container

    async def _found(self) -> bool:
        """`unshare` forks, and its child is PID 1 inside."""
        if pids := _children(self._process.pid):
            self.pid = pids[0]
        return bool(pids) or not self.is_running

    @property
    def is_running(self) -> bool:
        return self._process.returncode is None

    def send(self, number: signal.Signals) -> None:
        """To its PID 1, which passes it on if it is an init."""
        if self.is_running:
            os.kill(self.pid, number)

    def send_to_program(self, number: signal.Signals) -> None:
        """To the children of its PID 1: what runs below the init."""
        for pid in _children(self.pid):
            os.kill(pid, number)

    async def ended(self) -> int:
        """Exit code as a kubelet tells it: 128 + number for a signal."""
        code = await self._process.wait()
        return code if code >= 0 else 128 - code

    async def execute(self, command: Sequence[str]) -> int:
        """Run a command inside; its exit code."""
        words = enter_command(self.pid, command, self._security)
        process = await asyncio.create_subprocess_exec(
            *words, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL
        )
        return await process.wait()


def _children(pid: int) -> list[int]:
    """None of a process that is gone."""
    try:
        return [
            int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        ]
    except OSError:
        return []
