"""One real process on ports of its own, for what concerns the process as a whole."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx

from tests.support.wait import eventually


def free_port() -> int:
    with socket.create_server(("localhost", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


class OneNode:
    """``kvorum serve`` of a cluster with one member; ``changes`` are of its environment."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.environ = {
            "EXECUTED_COMMANDS_KEY": "_executed",
            "SELF_ADDRESS": f"localhost:{free_port()}",
            "SELF_ID": "Node-1",
            "OTHER_NODES": "",
            "BROADCAST_TIME_MS": "20",
            "MIN_ELECTION_TIMEOUT_MS": "100",
            "MAX_ELECTION_TIMEOUT_MS": "150",
            "REST_ADDRESS": f"localhost:{free_port()}",
            "DATA_DIR": str(directory / "data"),
        }
        self._log = directory / "node.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "start it first"
        return self._process

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def wal(self) -> Path:
        """The newest segment."""
        return max((self.directory / "data" / "wal").glob("*.wal"))

    def launch(self, **changes: str) -> None:
        """Start without waiting for anything."""
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "kvorum.cli.main", "serve"],
                env={**os.environ, **self.environ, **changes},
                stdout=log,
                stderr=log,
            )

    def start(self, **changes: str) -> None:
        self.launch(**changes)
        eventually("the node is ready", self._is_ready)

    def _is_ready(self) -> bool:
        assert self.process.poll() is None, self.log
        try:
            return self.request("GET", "/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def request(self, method: str, path: str, **options: object) -> httpx.Response:
        url = f"http://{self.environ['REST_ADDRESS']}{path}"
        return httpx.request(method, url, timeout=10, **options)  # type: ignore[arg-type]  # as httpx takes them

    def put(self, key: str, value: object) -> httpx.Response:
        return self.request("PUT", f"/key/{key}", json={"value": value})

    def exit_code(self) -> int:
        return self.process.wait(timeout=30)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.exit_code()

    def refuses_to_start(self, **changes: str) -> str:
        """What it says; it must end by itself with code 1 and without a traceback."""
        self.launch(**changes)
        assert self.exit_code() == 1, self.log
        assert "Traceback" not in self.log
        return self.log

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.stop(signal.SIGKILL)
