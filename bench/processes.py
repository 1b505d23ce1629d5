"""A throw-away cluster as processes of this machine: started, stopped, and asked who leads."""

import http.client
import json
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any, TypeVar


class Cluster(ABC):
    """Nodes 1 to ``size``, each with its log and its data below ``directory``."""

    def __init__(self, size: int, directory: Path) -> None:
        self.nodes = tuple(range(1, size + 1))
        self._directory = directory
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    @abstractmethod
    def start(self, node: int) -> None: ...

    @abstractmethod
    def url(self, node: int, path: str = "") -> str: ...

    @abstractmethod
    def agreed_leader(self) -> int | None:
        """The leader that all running nodes name, None while they name none or several."""

    @property
    def running(self) -> Sequence[int]:
        return tuple(self._processes)

    def launch(
        self, node: int, name: str, command: Sequence[str], environ: Mapping[str, str]
    ) -> None:
        """What the process prints is added to the log of that name."""
        with (self._directory / f"{name}.log").open("ab") as log:
            self._processes[node] = subprocess.Popen(command, env=environ, stdout=log, stderr=log)

    def stop(self, node: int, how: signal.Signals) -> None:
        """Returns when the process has ended."""
        process = self._processes.pop(node)
        process.send_signal(how)
        process.wait()

    def close(self) -> None:
        """``kill -9`` for all that run."""
        for node in self.running:
            self.stop(node, signal.SIGKILL)

    def pid(self, node: int) -> int:
        return self._processes[node].pid

    def leader(self, *, within_s: float = 60.0) -> int:
        """The leader that all running nodes agree on. Raises ``TimeoutError``."""
        deadline_s = time.monotonic() + within_s
        while time.monotonic() < deadline_s:
            leader = self.agreed_leader()
            if leader is not None:
                return leader
            Event().wait(0.02)
        raise TimeoutError(f"no leader within {within_s} s; logs are in {self._directory}")


ClusterT = TypeVar("ClusterT", bound=Cluster)


@contextmanager
def running(make: Callable[[Path], ClusterT], *, prefix: str) -> Iterator[ClusterT]:
    """All nodes started and agreed on a leader; gone at the end, with all their data.

    ``make`` is given the directory, whose name begins with ``prefix``.
    """
    with tempfile.TemporaryDirectory(prefix=prefix) as directory:
        cluster = make(Path(directory))
        try:
            for node in cluster.nodes:
                cluster.start(node)
            cluster.leader()
            yield cluster
        finally:
            cluster.close()


def ask(url: str, body: bytes | None = None) -> dict[str, Any] | None:
    """The JSON object that the node answers, None if it does not. POST if there is a body."""
    try:
        asked = urllib.request.Request(url, data=body)
        with urllib.request.urlopen(asked, timeout=1) as response:
            answer: dict[str, Any] = json.load(response)
            return answer
    except (urllib.error.URLError, OSError, http.client.HTTPException):
        return None
