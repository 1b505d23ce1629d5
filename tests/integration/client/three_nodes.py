"""Real processes on ports of their own, to be killed and started again."""

import signal
from pathlib import Path

import httpx

from tests.integration.app.one_node import OneNode
from tests.support.wait import eventually

TIMES = {
    "BROADCAST_TIME_MS": "50",
    "MIN_ELECTION_TIMEOUT_MS": "300",
    "MAX_ELECTION_TIMEOUT_MS": "450",
}


class Nodes:
    """``nodes[0]`` and so on, whose SELF_ID are Node-1 and so on; ``changes`` are of all."""

    def __init__(self, directory: Path, size: int, **changes: str) -> None:
        self.nodes: list[OneNode] = []
        self._running: list[OneNode] = []
        for number in range(1, size + 1):
            place = directory / str(number)
            place.mkdir()
            self.nodes.append(OneNode(place))
        addresses = [node.environ["SELF_ADDRESS"] for node in self.nodes]
        for number, node in enumerate(self.nodes, 1):
            others = [address for address in addresses if address != node.environ["SELF_ADDRESS"]]
            node.environ |= TIMES | {"SELF_ID": f"Node-{number}", "OTHER_NODES": ",".join(others)}
            node.environ |= changes

    @property
    def endpoints(self) -> str:
        return ",".join(f"http://{node.environ['REST_ADDRESS']}" for node in self.nodes)

    def heal(self) -> None:
        """Start whoever does not run; all of them are ready afterwards."""
        for node in self.nodes:
            if node not in self._running:
                node.launch()
                self._running.append(node)
        eventually("all nodes know the leader", lambda: all(map(self._is_ready, self.nodes)))

    def _is_ready(self, node: OneNode) -> bool:
        try:
            return node.request("GET", "/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def leader(self) -> OneNode:
        """Waits for one."""

        def leading() -> OneNode | None:
            return next((node for node in self.nodes if self._leads(node)), None)

        node = eventually("somebody leads", leading)
        assert node is not None
        return node

    def _leads(self, node: OneNode) -> bool:
        try:
            said = node.request("GET", "/cluster/members").json()
        except httpx.TransportError:
            return False
        return bool(said["isLeader"])

    def kill(self, node: OneNode) -> None:
        self._running.remove(node)
        node.stop(signal.SIGKILL)

    def close(self) -> None:
        for node in self.nodes:
            node.close()


class ThreeNodes(Nodes):
    """Node-1 to Node-3."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, 3)
