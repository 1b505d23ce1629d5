"""A throw-away cluster of real processes with the shipped settings, for measuring."""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

GRPC_PORT, REST_PORT = 18000, 18080


class LocalCluster:
    """``size`` nodes on ports 18001… (gRPC) and 18081… (REST), data below ``directory``."""

    def __init__(self, size: int, directory: Path, settings: Mapping[str, str]) -> None:
        self.nodes = tuple(range(1, size + 1))
        self._settings = settings
        self._directory = directory
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    def start(self, node: int) -> None:
        environ = {
            **os.environ,
            "EXECUTED_COMMANDS_KEY": "_executed",
            "SELF_ADDRESS": f"localhost:{GRPC_PORT + node}",
            "SELF_ID": f"Node-{node}",
            "OTHER_NODES": ",".join(
                f"localhost:{GRPC_PORT + other}" for other in self.nodes if other != node
            ),
            "BROADCAST_TIME_MS": "100",
            "MIN_ELECTION_TIMEOUT_MS": "500",
            "MAX_ELECTION_TIMEOUT_MS": "700",
            "REST_ADDRESS": f"localhost:{REST_PORT + node}",
            "DATA_DIR": str(self._directory / f"Node-{node}"),
            **self._settings,
        }
        with (self._directory / f"Node-{node}.log").open("ab") as log:
            self._processes[node] = subprocess.Popen(
                [sys.executable, "-m", "kvorum.cli.main", "serve"],
                env=environ,
                stdout=log,
                stderr=log,
            )

    def kill(self, node: int) -> None:
        process = self._processes.pop(node)
        process.kill()
        process.wait()

    def close(self) -> None:
        for node in tuple(self._processes):
            self.kill(node)

    def pid(self, node: int) -> int:
        return self._processes[node].pid

    def url(self, node: int, path: str = "") -> str:
        return f"http://localhost:{REST_PORT + node}{path}"

    def info(self, node: int) -> dict[str, Any] | None:
        """``/cluster/info``, None while the node does not answer."""
        try:
            with urllib.request.urlopen(self.url(node, "/cluster/info"), timeout=1) as answer:
                info: dict[str, Any] = json.load(answer)
                return info
        except (urllib.error.URLError, OSError):
            return None

    def leader(self, *, within_s: float = 60.0) -> int:
        """The leader that all running nodes agree on."""
        deadline_s = time.monotonic() + within_s
        while time.monotonic() < deadline_s:
            infos = [self.info(node) for node in self._processes]
            names = {info["leaderId"] if info else "" for info in infos}
            if len(names) == 1 and names != {""}:
                leader = int(names.pop().removeprefix("Node-"))
                if leader in self._processes:
                    return leader
            threading.Event().wait(0.02)
        raise TimeoutError(f"no leader within {within_s} s; logs are in {self._directory}")


@contextmanager
def local_cluster(size: int, settings: Mapping[str, str] | None = None) -> Iterator[LocalCluster]:
    """All nodes started, with ``settings`` of all, and agreed on a leader; gone at the end."""
    with tempfile.TemporaryDirectory(prefix="kvorum-bench-") as directory:
        cluster = LocalCluster(size, Path(directory), settings or {})
        try:
            for node in cluster.nodes:
                cluster.start(node)
            cluster.leader()
            yield cluster
        finally:
            cluster.close()
