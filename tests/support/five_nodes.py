"""Five real processes, started by the shipped scripts with the shipped env files."""

import os
import signal
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from tests.support.wait import eventually

ROOT = Path(__file__).resolve().parents[2]
NODES = (1, 2, 3, 4, 5)


class FiveNodes:
    """Start, kill and ask the nodes 1 to 5; their data and logs live below ``directory``."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._client = httpx.Client(timeout=10.0)

    # --- processes ---------------------------------------------------------------------

    def start(self, nodes: Iterable[int] = NODES) -> None:
        for node in nodes:
            assert node not in self._processes, f"node {node} runs already"
            environ = {
                **os.environ,
                "DATA_DIR": str(self._directory / f"Node-{node}"),
                "LOG_FORMAT": "json",
            }
            with self.log_file(node).open("ab") as log:
                self._processes[node] = subprocess.Popen(
                    [ROOT / f"run{node}.sh"], env=environ, stdout=log, stderr=log
                )

    def log_file(self, node: int) -> Path:
        return self._directory / f"Node-{node}.log"

    def kill(self, nodes: Iterable[int]) -> None:
        """``kill -9``, all of them before any is waited for."""
        nodes = list(nodes)
        for node in nodes:
            self._processes[node].kill()
        for node in nodes:
            self._processes.pop(node).wait()

    def terminate(self, node: int) -> int:
        """SIGTERM; the exit code."""
        process = self._processes.pop(node)
        process.terminate()
        return process.wait(timeout=10)

    def signal(self, node: int, number: signal.Signals) -> None:
        self._processes[node].send_signal(number)

    def is_running(self, node: int) -> bool:
        return node in self._processes and self._processes[node].poll() is None

    @property
    def running(self) -> Sequence[int]:
        return tuple(sorted(self._processes))

    def close(self) -> None:
        for process in self._processes.values():
            process.send_signal(signal.SIGCONT)
        self.kill(list(self._processes))
        self._client.close()

    # --- asking ------------------------------------------------------------------------

    def url(self, node: int, path: str) -> str:
        return f"http://localhost:808{node}{path}"

    def request(self, method: str, node: int, path: str, **options: Any) -> httpx.Response:
        return self._client.request(method, self.url(node, path), **options)

    def info(self, node: int) -> dict[str, Any] | None:
        """``/cluster/info`` of a node, None while it does not answer."""
        try:
            answer = self.request("GET", node, "/cluster/info")
        except httpx.TransportError:
            return None
        info: dict[str, Any] = answer.json()
        return info

    def leader(self, nodes: Iterable[int] | None = None) -> int:
        """The leader that all ``nodes`` (default: those running) agree on."""
        asked = tuple(nodes or self.running)

        def agreed() -> int | None:
            infos = [self.info(node) for node in asked]
            names = {info["leaderId"] if info else "" for info in infos}
            terms = {info["info"]["currentTerm"] if info else -1 for info in infos}
            if len(names) != 1 or len(terms) != 1 or names == {""}:
                return None
            leader = int(names.pop().removeprefix("Node-"))
            return leader if leader in self.running else None

        return eventually(f"nodes {asked} agree on a leader", agreed)

    def term(self, node: int) -> int:
        info = self.info(node)
        assert info is not None
        term: int = info["info"]["currentTerm"]
        return term

    def put(
        self, node: int, key: str, value: object, *, request_id: str = ""
    ) -> httpx.Response | None:
        """None: the connection broke, so the outcome is unknown."""
        headers = {"Idempotency-Key": request_id} if request_id else {}
        try:
            return self.request(
                "POST", node, f"/key/{quote(key)}", json={"value": value}, headers=headers
            )
        except httpx.TransportError:
            return None

    def get(self, node: int, key: str, *, consistency: str = "linearizable") -> httpx.Response:
        path = f"/key/{quote(key)}?consistency={consistency}"
        return self.request("GET", node, path)
