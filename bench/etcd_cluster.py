"""A throw-away cluster of etcd with its own defaults, for measuring beside ``local_cluster``."""

import os
from contextlib import AbstractContextManager
from pathlib import Path

from bench.processes import Cluster, ask, running

CLIENT_PORT, PEER_PORT = 24790, 24890


class EtcdCluster(Cluster):
    """``size`` members on ports 24791… (clients) and 24891… (peers), data below ``directory``."""

    def __init__(self, program: Path, size: int, directory: Path) -> None:
        super().__init__(size, directory)
        self._program = program

    def start(self, node: int) -> None:
        name = f"n{node}"
        peers = {each: f"http://127.0.0.1:{PEER_PORT + each}" for each in self.nodes}
        options = {
            "name": name,
            "data-dir": str(self._directory / name),
            "listen-client-urls": self.url(node),
            "advertise-client-urls": self.url(node),
            "listen-peer-urls": peers[node],
            "initial-advertise-peer-urls": peers[node],
            "initial-cluster": ",".join(f"n{each}={url}" for each, url in peers.items()),
            "initial-cluster-state": "new",
        }
        command = [str(self._program), *(f"--{option}={of}" for option, of in options.items())]
        self.launch(node, name, command, os.environ)

    def url(self, node: int, path: str = "") -> str:
        return f"http://127.0.0.1:{CLIENT_PORT + node}{path}"

    def agreed_leader(self) -> int | None:
        """Members name the leader by its id; the one whose own id that is, leads."""
        found = {
            node: ask(self.url(node, "/v3/maintenance/status"), b"{}") for node in self.running
        }
        ids = {status.get("leader", "0") if status else "0" for status in found.values()}
        if len(ids) != 1 or ids == {"0"}:
            return None
        for node, status in found.items():
            if status and status["header"]["member_id"] in ids:
                return node
        return None


def etcd_cluster(program: Path, size: int) -> AbstractContextManager[EtcdCluster]:
    """All members started and agreed on a leader; gone at the end."""
    return running(lambda directory: EtcdCluster(program, size, directory), prefix="etcd-bench-")
