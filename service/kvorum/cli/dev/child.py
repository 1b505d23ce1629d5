"""One node as a child process: its own process group, its output in its log file."""

import asyncio
import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from kvorum.cli.dev.plan import NodePlan

TAIL_LINES = 5
TAIL_BYTES = 4096


class Child:
    """A started node.

    A group of its own keeps the terminal's Ctrl-C from it: the supervisor decides when
    it stops, and reaches whatever the script started.
    """

    def __init__(self, plan: NodePlan, process: asyncio.subprocess.Process) -> None:
        self.plan = plan
        self._process = process
        self.was_signalled = False

    @classmethod
    async def start(cls, plan: NodePlan, environ: Mapping[str, str]) -> "Child":
        """The previous run's log is kept beside the new one as ``.log.old``."""
        log_file = plan.log_file
        log_file.parent.mkdir(parents=True, exist_ok=True)
        if log_file.exists():
            log_file.replace(log_file.with_name(f"{log_file.name}.old"))
        with log_file.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *plan.command,
                cwd=plan.directory,
                env=dict(environ),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return cls(plan, process)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.returncode is None

    async def wait(self) -> int:
        """Exit code; below zero the signal that ended it."""
        return await self._process.wait()

    def send(self, number: signal.Signals) -> None:
        """To the whole group, if it still runs."""
        if not self.is_running:
            return
        self.was_signalled = True
        with suppress(ProcessLookupError):  # it ended, and asyncio does not know yet
            os.killpg(self._process.pid, number)

    def how_it_ended(self) -> str:
        code = self._process.returncode or 0
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"


def tail(path: Path) -> list[str]:
    """The last lines of a log file."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL_BYTES))
        return file.read().decode(errors="replace").splitlines()[-TAIL_LINES:]
