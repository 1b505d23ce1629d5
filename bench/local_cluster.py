"""A throw-away cluster of real processes with the shipped settings, for measuring."""

import json
import os
import signal
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

    def __init__(
        self, size: int, directory: Path, settings: Mapping[str, str], *, offset: int = 0
    ) -> None:
        """``offset``: added to the ports, for a second cluster beside the first."""
        self.nodes = tuple(range(1, size + 1))
        self._settings = settings
        self._directory = directory
        self._grpc_port, self._rest_port = GRPC_PORT + offset, REST_PORT + offset
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    def start(self, node: int, settings: Mapping[str, str] | None = None) -> None:
        """``settings``: of this node alone, beside those of all."""
        environ = {
            **os.environ,
            "EXECUTED_COMMANDS_KEY": "_executed",
            "SELF_ADDRESS": f"localhost:{self._grpc_port + node}",
            "SELF_ID": f"Node-{node}",
            "OTHER_NODES": ",".join(
                f"localhost:{self._grpc_port + other}" for other in self.nodes if other != node
            ),
            "BROADCAST_TIME_MS": "100",
            "MIN_ELECTION_TIMEOUT_MS": "500",
            "MAX_ELECTION_TIMEOUT_MS": "700",
            "REST_ADDRESS": f"localhost:{self._rest_port + node}",
            "DATA_DIR": str(self._directory / f"Node-{node}"),
            **self._settings,
            **(settings or {}),
        }
        with (self._directory / f"Node-{node}.log").open("ab") as log:
            self._processes[node] = subprocess.Popen(
                [sys.executable, "-m", "kvorum.cli.main", "serve"],
                env=environ,
                stdout=log,
                stderr=log,
            )

    def kill(self, node: int) -> None:
        """``kill -9``."""
        self.stop(node, signal.SIGKILL)

    def stop(self, node: int, how: signal.Signals) -> None:
        """Returns when the process has ended."""
        process = self._processes.pop(node)
        process.send_signal(how)
        process.wait()

    def close(self) -> None:
        for node in tuple(self._processes):
            self.kill(node)

    def pid(self, node: int) -> int:
        return self._processes[node].pid

    def url(self, node: int, path: str = "") -> str:
        return f"http://localhost:{self._rest_port + node}{path}"

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
def local_cluster(
    size: int, settings: Mapping[str, str] | None = None, *, offset: int = 0
) -> Iterator[LocalCluster]:
    """All nodes started, with ``settings`` of all, and agreed on a leader; gone at the end."""
    with tempfile.TemporaryDirectory(prefix="kvorum-bench-") as directory:
        cluster = LocalCluster(size, Path(directory), settings or {}, offset=offset)
        try:
            for node in cluster.nodes:
                cluster.start(node)
            cluster.leader()
            yield cluster
        finally:
            cluster.close()
