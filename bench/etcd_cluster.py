"""A throw-away cluster of etcd with its own defaults, for measuring beside ``local_cluster``."""

import http.client
import json
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

CLIENT_PORT, PEER_PORT = 24790, 24890


class EtcdCluster:
    """``size`` members on ports 24791… (clients) and 24891… (peers), data below ``directory``."""

    def __init__(self, program: Path, size: int, directory: Path) -> None:
        self.nodes = tuple(range(1, size + 1))
        self._program = program
        self._directory = directory
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    def start(self, node: int) -> None:
        peers = {each: f"http://127.0.0.1:{PEER_PORT + each}" for each in self.nodes}
        options = {
            "name": f"n{node}",
            "data-dir": str(self._directory / f"n{node}"),
            "listen-client-urls": self.url(node),
            "advertise-client-urls": self.url(node),
            "listen-peer-urls": peers[node],
            "initial-advertise-peer-urls": peers[node],
            "initial-cluster": ",".join(f"n{each}={url}" for each, url in peers.items()),
            "initial-cluster-state": "new",
        }
        command = [str(self._program), *(f"--{name}={value}" for name, value in options.items())]
        with (self._directory / f"n{node}.log").open("ab") as log:
            self._processes[node] = subprocess.Popen(command, stdout=log, stderr=log)

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
        return f"http://127.0.0.1:{CLIENT_PORT + node}{path}"

    def status(self, node: int) -> dict[str, Any] | None:
        """None while the node does not answer."""
        asked = urllib.request.Request(self.url(node, "/v3/maintenance/status"), data=b"{}")
        try:
            with urllib.request.urlopen(asked, timeout=1) as answer:
                status: dict[str, Any] = json.load(answer)
                return status
        except (urllib.error.URLError, OSError, http.client.HTTPException):
            return None

    def leader(self, *, within_s: float = 60.0) -> int:
        """The leader that all running members agree on."""
        deadline_s = time.monotonic() + within_s
        while time.monotonic() < deadline_s:
            found = {node: self.status(node) for node in self._processes}
            ids = {status.get("leader", "0") if status else "0" for status in found.values()}
            if len(ids) == 1 and ids != {"0"}:
                for node, status in found.items():
                    if status and status["header"]["member_id"] in ids:
                        return node
            Event().wait(0.02)
        raise TimeoutError(f"no leader within {within_s} s; logs are in {self._directory}")


@contextmanager
def etcd_cluster(program: Path, size: int) -> Iterator[EtcdCluster]:
    """All members started and agreed on a leader; gone at the end."""
    with tempfile.TemporaryDirectory(prefix="etcd-bench-") as directory:
        cluster = EtcdCluster(program, size, Path(directory))
        try:
            for node in cluster.nodes:
                cluster.start(node)
            cluster.leader()
            yield cluster
        finally:
            cluster.close()
