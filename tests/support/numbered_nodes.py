"""Real processes numbered as the pods of a StatefulSet are: each at an address of its own.

Their addresses are of the loopback range, so all have the same ports, as pods have.
"""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx

from tests.support.wait import eventually


class NumberedNodes:
    """``founders`` formed the cluster; others come when they are started.

    ``launcher``: a command that runs the one behind it.
    """

    def __init__(self, directory: Path, founders: int, launcher: Sequence[str] = ()) -> None:
        self._directory = directory
        self._launcher = launcher
        self._founders = founders
        process = os.getpid()
        self._network = f"127.{64 + process // 250 % 64}.{process % 250}"
        self.peer_port, self.rest_port = self._free_ports()
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    def _free_ports(self) -> tuple[int, int]:
        with (
            socket.create_server((self.host(0), 0)) as first,
            socket.create_server((self.host(0), 0)) as second,
        ):
            return first.getsockname()[1], second.getsockname()[1]

    @property
    def pattern(self) -> str:
        """Peer addresses, with {} for the number."""
        return f"{self._network}.1{{}}:{self.peer_port}"

    def host(self, number: int) -> str:
        """``number``: 0 to 99."""
        return f"{self._network}.1{number}"

    def peer(self, number: int) -> str:
        return f"{self.host(number)}:{self.peer_port}"

    def url(self, number: int) -> str:
        return f"http://{self.host(number)}:{self.rest_port}"

    def endpoints(self, numbers: Sequence[int]) -> str:
        return ",".join(map(self.url, numbers))

    def data(self, number: int) -> Path:
        return self._directory / f"data-{number}"

    def log(self, number: int) -> str:
        return (self._directory / f"node-{number}.log").read_text(errors="replace")

    def pid(self, number: int) -> int:
        return self._processes[number].pid

    # --- their life --------------------------------------------------------------------

    def start(self, number: int, **changes: str) -> None:
        """Without waiting for anything."""
        environ = {
            "SELF_ADDRESS": self.peer(number),
            "SELF_ID": f"kv-{number}",
            "OTHER_NODES": ",".join(map(self.peer, range(self._founders))),
            "REST_ADDRESS": f"{self.host(number)}:{self.rest_port}",
            "DATA_DIR": str(self.data(number)),
            "SNAPSHOT_ENTRIES": "50",
        }
        with (self._directory / f"node-{number}.log").open("ab") as log:
            self._processes[number] = subprocess.Popen(
                [*self._launcher, sys.executable, "-m", "kvorum.cli.main", "serve"],
                env={**os.environ, **environ, **changes},
                stdout=log,
                stderr=log,
            )

    def stop(self, number: int, how: signal.Signals = signal.SIGTERM) -> int:
        """The exit code."""
        process = self._processes.pop(number)
        process.send_signal(how)
        return process.wait(timeout=60)

    def close(self) -> None:
        for process in self._processes.values():
            process.kill()
        for process in self._processes.values():
            process.wait()

    def is_running(self, number: int) -> bool:
        return self._processes[number].poll() is None

    # --- what they say -----------------------------------------------------------------

    def is_ready(self, number: int) -> bool:
        try:
            return httpx.get(f"{self.url(number)}/readyz", timeout=10).status_code == 200
        except httpx.TransportError:
            return False

    def await_ready(self, numbers: Sequence[int], *, within_s: float = 60.0) -> None:
        for number in numbers:
            what = f"node {number} is ready"
            eventually(what, partial(self.is_ready, number), within_s=within_s)


@contextmanager
def numbered_nodes(directory: Path, founders: int) -> Iterator[NumberedNodes]:
    """Started and ready; their logs are shown in the end, which a test that fails prints."""
    nodes = NumberedNodes(directory, founders)
    try:
        for number in range(founders):
            nodes.start(number)
        nodes.await_ready(range(founders))
        yield nodes
    finally:
        nodes.close()
        for log in sorted(directory.glob("node-*.log")):
            print(f"--- {log.name} ---\n{log.read_text(errors='replace')[-4000:]}")
