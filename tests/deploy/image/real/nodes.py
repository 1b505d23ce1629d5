"""Three nodes in containers on this machine's loopback, with volumes that outlive them."""

from __future__ import annotations

import json
import os
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from tests.deploy.image.real.engine import Podman, hardening, said
from tests.support.wait import eventually

NODES = (1, 2, 3)
PEER_PORT = 17_100
REST_PORT = 17_200


class Nodes:
    """Containers `kvorum-image-test-1` … `-3`."""

    def __init__(self, podman: Podman, image: str, scratch: Path) -> None:
        self._podman = podman
        self._image = image
        self._volumes = scratch / "volumes"
        shutil.rmtree(self._volumes, ignore_errors=True)
        self._client = httpx.Client(timeout=5.0)

    def name(self, node: int) -> str:
        return f"kvorum-image-test-{node}"

    def start(self, node: int) -> None:
        """A new container over the node's volume."""
        volume = self._volumes / str(node)
        if not volume.exists():
            volume.mkdir(parents=True)
            os.chown(volume, 10001, 10001)
        address = f"127.0.0.1:{PEER_PORT + node}"
        environ = {
            "SELF_ID": f"node-{node}",
            "SELF_ADDRESS": address,
            "LISTEN_ADDRESS": address,
            "REST_ADDRESS": f"127.0.0.1:{REST_PORT + node}",
            "OTHER_NODES": ",".join(f"127.0.0.1:{PEER_PORT + other}" for other in NODES),
            "KVORUM_ENDPOINT": f"http://127.0.0.1:{REST_PORT + node}",
        }
        options = [f"--env={key}={value}" for key, value in environ.items()]
        self._podman.remove([self.name(node)])
        self._podman(
            "run",
            "--detach",
            f"--name={self.name(node)}",
            "--network=host",
            f"--volume={volume}:/var/lib/kvorum",
            *hardening(),
            *options,
            self._image,
        )

    def exec(self, node: int, *command: str) -> str:
        return self._podman("exec", self.name(node), *command)

    def kill(self, node: int) -> None:
        """Process 1, and with it all: as `kill -9` or the kernel when memory runs out."""
        self._podman("kill", "--signal=KILL", self.name(node))
        self._podman("wait", self.name(node))

    def stop(self, node: int) -> None:
        """SIGTERM, and SIGKILL after the time Kubernetes would wait."""
        self._podman("stop", "--time=30", self.name(node))

    def state(self, node: int) -> dict[str, Any]:
        [inspected] = json.loads(self._podman("container", "inspect", self.name(node)))
        state: dict[str, Any] = inspected["State"]
        return state

    def get(self, node: int, path: str) -> httpx.Response | None:
        """None while nobody listens."""
        try:
            return self._client.get(f"http://127.0.0.1:{REST_PORT + node}{path}")
        except httpx.TransportError:
            return None

    def wait_ready(self, *nodes: int) -> None:
        def is_ready(node: int) -> bool:
            answer = self.get(node, "/readyz")
            return answer is not None and answer.status_code == 200

        for node in nodes:
            eventually(f"node {node} is ready", partial(is_ready, node))

    def leader(self) -> int:
        answer = next(filter(None, (self.get(node, "/cluster/info") for node in NODES)))
        return int(str(answer.json()["leaderId"]).removeprefix("node-"))

    def log(self, node: int) -> str:
        return said(["podman", "logs", self.name(node)], env=self._podman.environ)

    def close(self) -> None:
        self._podman.remove([self.name(node) for node in NODES])
        self._client.close()
