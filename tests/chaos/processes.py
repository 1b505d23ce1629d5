"""Five real nodes as processes: started, stopped, killed, paused and asked."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterable, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.chaos.commands import DIRECTORY_PREFIX, unmount_below
from tests.chaos.places import MACHINES, NODES, Places
from tests.chaos.rest_client import Broken, NotSent, RestClient
from tests.chaos.slow_disk import LAUNCH, SlowDisk
from tests.chaos.waiting import eventually

SERVICE = Path(__file__).resolve().parents[2] / "service"
SETTINGS = {
    "EXECUTED_COMMANDS_KEY": "_executed",
    "BROADCAST_TIME_MS": "100",
    "MIN_ELECTION_TIMEOUT_MS": "500",
    "MAX_ELECTION_TIMEOUT_MS": "700",
    "REQUEST_TIMEOUT_MS": "2500",
    "WAL_SEGMENT_BYTES": "262144",
    "SNAPSHOT_ENTRIES": "200",  # one every second or two
    "SNAPSHOT_KEEP_ENTRIES": "20",
    "STATE_CHECK_INTERVAL_S": "1",
    "LOG_FORMAT": "json",
}


class Processes:
    """The nodes 1 to 5, and the spare one; data and logs live below ``directory``.

    A node that ends without having been told to is found by :meth:`surprises`.
    """

    def __init__(
        self,
        places: Places,
        *,
        service: Path = SERVICE,
        settings: Mapping[str, str] | None = None,
        slow_disks: bool = False,
    ) -> None:
        """``slow_disks``: their syncs can be held by :attr:`disks`."""
        self.places = places
        self.directory = Path(tempfile.mkdtemp(prefix=f"{DIRECTORY_PREFIX}{os.getpid()}-"))
        self.settings = {**SETTINGS, **(settings or {})}
        self.rest = RestClient(places.clients)
        self.disks: dict[int, SlowDisk] = {}
        self._service = service
        self._slow_disks = slow_disks
        self._data = {node: self.directory / f"Node-{node}" for node in MACHINES}
        self._log_began: dict[int, int] = {}
        self._running: dict[int, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # --- processes ---------------------------------------------------------------------

    def start(self, nodes: Iterable[int] = NODES) -> None:
        for node in nodes:
            assert node not in self._running, f"node {node} runs already"
            serve = (sys.executable, "-m", "kvorum.cli.main", "serve")
            launch: tuple[str, ...] = (sys.executable, str(LAUNCH))
            channel: tuple[int, ...] = ()
            if self._slow_disks:
                disk = self.disks[node] = SlowDisk()
                channel = (disk.theirs.fileno(),)
                launch += ("--notify", str(channel[0]))
            with self.log_file(node).open("ab") as log:
                self._log_began[node] = log.tell()
                self._running[node] = subprocess.Popen(
                    [*self.places.inside(node), *launch, *serve],
                    env=self._environment(node),
                    cwd=self.directory,
                    stdout=log,
                    stderr=log,
                    pass_fds=channel,
                )
            if self._slow_disks:
                self.disks[node].start()

    def _environment(self, node: int) -> dict[str, str]:
        addresses = {each: self.address(each) for each in sorted({*NODES, node})}
        return {
            **os.environ,
            **self.settings,
            "PYTHONPATH": str(self._service),
            "SELF_ID": f"Node-{node}",
            "SELF_ADDRESS": addresses.pop(node),
            "OTHER_NODES": ",".join(addresses.values()),
            "REST_ADDRESS": "{}:{}".format(*self.places.clients[node]),
            "DATA_DIR": str(self._data[node]),
        }

    def address(self, node: int) -> str:
        """Where the other nodes reach it."""
        return "{}:{}".format(*self.places.peers[node])

    def kill(self, nodes: Collection[int]) -> None:
        """``kill -9``, all of them before any is waited for."""
        for node in nodes:
            self._running[node].kill()
        for node in nodes:
            self._gone(node, self._running[node].wait())

    async def terminate(self, node: int, *, within_s: float = 20.0) -> int:
        """SIGTERM; the exit code."""
        self._running[node].terminate()
        return await self.exit_code(node, within_s=within_s)

    async def exit_code(self, node: int, *, within_s: float) -> int:
        """Of a node that ends by itself."""

        async def ended() -> bool:
            return self._running[node].poll() is not None

        await eventually(f"node {node} ends", ended, within_s=within_s)
        return self._gone(node, self._running[node].returncode)

    def _gone(self, node: int, code: int) -> int:
        del self._running[node]
        disk = self.disks.pop(node, None)
        if disk is not None:
            disk.close()
        return code

    def pause(self, nodes: Collection[int]) -> None:
        for node in nodes:
            self._running[node].send_signal(signal.SIGSTOP)

    def go_on(self, nodes: Collection[int]) -> None:
        for node in nodes:
            self._running[node].send_signal(signal.SIGCONT)

    @property
    def running(self) -> tuple[int, ...]:
        return tuple(sorted(self._running))

    def is_alive(self, node: int) -> bool:
        return self._running[node].poll() is None

    def surprises(self) -> list[str]:
        """Nodes that ended although nobody told them to."""
        return [
            f"node {node} ended with exit code {process.returncode}: {self.last_words(node)}"
            for node, process in self._running.items()
            if process.poll() is not None
        ]

    def close(self) -> None:
        for disk in self.disks.values():
            disk.make()
        self.kill(tuple(self._running))
        self.rest.close()
        if os.geteuid() == 0:
            unmount_below(self.directory)

    def keep(self) -> Path:
        """After :meth:`close`: the directory under a name that the next harness leaves alone."""
        return self.directory.rename(self.directory.with_name(f"kept-{self.directory.name}"))

    # --- files -------------------------------------------------------------------------

    def data(self, node: int) -> Path:
        return self._data[node]

    def wipe(self, node: int) -> None:
        """Its disk is lost. It must not run."""
        assert node not in self._running, f"node {node} runs"
        shutil.rmtree(self._data[node])

    def move_data(self, node: int, directory: Path) -> None:
        """Where the node finds its data from its next start on."""
        self._data[node] = directory

    def log_file(self, node: int) -> Path:
        return self.directory / f"Node-{node}.log"

    def said(self, node: int) -> str:
        """The node's log since its last start."""
        content = self.log_file(node).read_bytes()[self._log_began[node] :]
        return content.decode(errors="replace")

    def last_words(self, node: int) -> str:
        """The message with which it stopped, or its last line."""
        lines = self.said(node).splitlines() or [""]
        stops = [line for line in lines if '"level":"critical"' in line]
        return str(json.loads(stops[-1])["message"]) if stops else lines[-1]

    async def metric(self, node: int, name: str) -> float:
        """Sum over its labels; 0 if the node has no such metric, or does not answer."""
        try:
            answer = await self.rest.ask(node, "GET", "/metrics", timeout_s=2.0)
        except (NotSent, Broken):
            return 0.0
        lines = re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", answer.text, re.MULTILINE)
        return sum(map(float, lines))

    # --- asking ------------------------------------------------------------------------

    async def info(self, node: int) -> Mapping[str, Any] | None:
        """The answer of ``/cluster/info``, None if the node does not answer."""
        try:
            answer = await self.rest.ask(node, "GET", "/cluster/info", timeout_s=1.0)
        except (NotSent, Broken):
            return None
        return answer.body if answer.status == 200 else None

    async def leader(self, nodes: Collection[int] = (), *, within_s: float = 40.0) -> int:
        """The one of ``nodes`` (default: those running) that all of them follow, in one term."""

        async def agreed() -> int | None:
            asked = nodes or self.running
            infos = [await self.info(node) for node in asked]
            seen = {(i["leaderId"], i["info"]["currentTerm"]) if i else ("", 0) for i in infos}
            name, _ = seen.pop()
            if seen or not name:
                return None
            leader = int(str(name).removeprefix("Node-"))
            return leader if leader in asked else None

        return await eventually("the nodes agree on a leader", agreed, within_s=within_s)

    async def leader_now(self) -> int | None:
        """One that says that it leads; of several the one of the highest term."""
        infos = [await self.info(node) for node in self.running]
        leading = [info["info"] for info in infos if info and info["isLeader"]]
        latest = max(leading, key=lambda info: int(info["currentTerm"]), default=None)
        return int(latest["nodeId"].removeprefix("Node-")) if latest else None

    async def ready(self, nodes: Collection[int] = (), *, within_s: float = 40.0) -> None:
        """All of them know a leader and are caught up."""
        for node in nodes or self.running:
            is_ready = partial(self.is_ready, node)
            await eventually(f"node {node} is ready", is_ready, within_s=within_s)

    async def is_ready(self, node: int) -> bool:
        """Fails if any node has ended by itself: waiting would be in vain."""
        assert not self.surprises(), self.surprises()
        try:
            answer = await self.rest.ask(node, "GET", "/readyz", timeout_s=1.0)
        except (NotSent, Broken):
            return False
        return answer.status == 200
