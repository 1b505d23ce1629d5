"""A directory with env files and run scripts of fake nodes, and the real supervisor on it."""

import asyncio
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

FAKE_NODE = Path(__file__).with_name("fake_node.py")
DEADLINE_S = 20.0


def free_ports(count: int) -> list[int]:
    """Ports that nothing listened on a moment ago."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


class Directory:
    """What a user's directory looks like: N.env and runN.sh."""

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        ports = free_ports(2 * size)
        self.peer_ports, self.rest_ports = ports[:size], ports[size:]
        for number in range(1, size + 1):
            self.write_env(number)

    def write_env(self, number: int, **changes: str) -> Path:
        values = {
            "EXECUTED_COMMANDS_KEY": "_executed",
            "SELF_ADDRESS": f"127.0.0.1:{self.peer_ports[number - 1]}",
            "SELF_ID": f"Node-{number}",
            "OTHER_NODES": ",".join(f"127.0.0.1:{port}" for port in self.peer_ports),
            "BROADCAST_TIME_MS": "100",
            "MIN_ELECTION_TIMEOUT_MS": "500",
            "MAX_ELECTION_TIMEOUT_MS": "700",
            "REST_ADDRESS": f"127.0.0.1:{self.rest_ports[number - 1]}",
        } | changes
        path = self.path / f"{number}.env"
        path.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
        return path

    def write_script(self, number: int, command: str) -> None:
        path = self.path / f"run{number}.sh"
        path.write_text(f"#!/bin/sh\n{command}\n")
        path.chmod(0o755)

    def serve(self, number: int, leader: str) -> None:
        port = self.rest_ports[number - 1]
        self.write_script(number, f"exec {sys.executable} {FAKE_NODE} {port} '{leader}'")

    async def in_log(self, number: int, pattern: str) -> str:
        """The match's first group, once the pattern stands in the node's log."""
        path = self.path / "data" / f"Node-{number}.log"
        async with asyncio.timeout(DEADLINE_S):
            while True:
                found = re.search(pattern, path.read_text()) if path.exists() else None
                if found:
                    return found[1]
                await asyncio.sleep(0.01)  # a file that grows gives no event to wait for

    async def pid(self, number: int) -> int:
        return int(await self.in_log(number, r"pid (\d+)"))


class Supervised:
    """`kvorum dev` as a user runs it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.seen = ""

    async def until(self, pattern: str) -> "re.Match[str]":
        """Read its output until the pattern appears in it."""
        assert self.process.stdout
        async with asyncio.timeout(DEADLINE_S):
            while (found := re.search(pattern, self.seen)) is None:
                line = await self.process.stdout.readline()
                assert line, f"ended without {pattern!r}:\n{self.seen}"
                self.seen += line.decode()
        return found

    async def end(self) -> int:
        """Its exit code, once it has stopped."""
        assert self.process.stdout
        async with asyncio.timeout(DEADLINE_S):
            self.seen += (await self.process.stdout.read()).decode()
            return await self.process.wait()


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    return Directory(tmp_path, 3)


@pytest.fixture
async def start_dev(directory: Directory) -> AsyncIterator[Callable[[], object]]:
    started: list[asyncio.subprocess.Process] = []

    async def start() -> Supervised:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "kvorum.cli.main", "dev"),
            cwd=directory.path,
            env={name: value for name, value in os.environ.items() if name != "LOG_FORMAT"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        started.append(process)
        return Supervised(process)

    yield start
    for process in started:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        await process.wait()
