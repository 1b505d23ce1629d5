"""A throw-away cluster of real processes with the shipped settings, for measuring."""

import os
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from bench.processes import Cluster, ask, running

GRPC_PORT, REST_PORT = 18000, 18080


class LocalCluster(Cluster):
    """``size`` nodes on ports 18001… (gRPC) and 18081… (REST), data below ``directory``."""

    def __init__(
        self, size: int, directory: Path, settings: Mapping[str, str], *, offset: int = 0
    ) -> None:
        """``offset``: added to the ports, for a second cluster beside the first."""
        super().__init__(size, directory)
        self._settings = settings
        self._grpc_port, self._rest_port = GRPC_PORT + offset, REST_PORT + offset

    def start(self, node: int, settings: Mapping[str, str] | None = None) -> None:
        """``settings``: of this node alone, beside those of all."""
        name = f"Node-{node}"
        environ = {
            **os.environ,
            "EXECUTED_COMMANDS_KEY": "_executed",
            "SELF_ADDRESS": f"localhost:{self._grpc_port + node}",
            "SELF_ID": name,
            "OTHER_NODES": ",".join(
                f"localhost:{self._grpc_port + other}" for other in self.nodes if other != node
            ),
            "BROADCAST_TIME_MS": "100",
            "MIN_ELECTION_TIMEOUT_MS": "500",
            "MAX_ELECTION_TIMEOUT_MS": "700",
            "REST_ADDRESS": f"localhost:{self._rest_port + node}",
            "DATA_DIR": str(self._directory / name),
            **self._settings,
            **(settings or {}),
        }
        self.launch(node, name, [sys.executable, "-m", "kvorum.cli.main", "serve"], environ)

    def url(self, node: int, path: str = "") -> str:
        return f"http://localhost:{self._rest_port + node}{path}"

    def agreed_leader(self) -> int | None:
        infos = [ask(self.url(node, "/cluster/info")) for node in self.running]
        names = {info["leaderId"] if info else "" for info in infos}
        if len(names) != 1 or names == {""}:
            return None
        leader = int(names.pop().removeprefix("Node-"))
        return leader if leader in self.running else None


def local_cluster(
    size: int, settings: Mapping[str, str] | None = None, *, offset: int = 0
) -> AbstractContextManager[LocalCluster]:
    """All nodes started, with ``settings`` of all, and agreed on a leader; gone at the end."""
    return running(
        lambda directory: LocalCluster(size, directory, settings or {}, offset=offset),
        prefix="kvorum-bench-",
    )
