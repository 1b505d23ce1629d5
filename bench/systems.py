"""kvorum and etcd as a measurement sees them: processes, where to send requests, what is stored."""

import http.client
import json
import os
import time
from base64 import b64decode
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import quote

from msgspec import Struct

from bench.dialects import Dialect, EtcdDialect, Keys, KvorumDialect, base64, each_batch
from bench.etcd_cluster import EtcdCluster
from bench.local_cluster import LocalCluster
from bench.processes import Cluster

KVORUM, ETCD, ETCD_GRPC = "kvorum", "etcd", "etcd gRPC"
HOST = "127.0.0.1"
_PAGE = 10_000
_TIMEOUT_S = 60.0


class Record(Struct, frozen=True):
    """A key as it is stored; ``version`` counts its writes."""

    value: str
    version: int


class System:
    """A running cluster of one make."""

    name: str
    health: str
    """Answers 200 when the node serves."""

    def __init__(self, cluster: Cluster, dialect: Dialect) -> None:
        self.cluster = cluster
        self.dialect = dialect

    def port(self, node: int) -> int:
        return int(self.cluster.url(node).rpartition(":")[2])

    def url(self, node: int) -> str:
        """With the address in numbers, so that no generator looks a name up."""
        return f"http://{HOST}:{self.port(node)}"

    def through(self, which: str) -> int:
        """The node that takes the requests: the ``leader``, or the ``follower`` beside it."""
        leader = self.cluster.leader()
        return leader if which == "leader" else leader % len(self.cluster.nodes) + 1

    def resident_mib(self, node: int) -> float:
        status = Path(f"/proc/{self.cluster.pid(node)}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def processor_s(self, node: int) -> float:
        """That the node's process has taken so far."""
        stat = Path(f"/proc/{self.cluster.pid(node)}/stat").read_text()
        fields = stat.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def send(self, node: int, requests: Iterable[bytes]) -> None:
        """One after the other on one connection; each must be answered 200."""
        connection = http.client.HTTPConnection(HOST, self.port(node), timeout=_TIMEOUT_S)
        for request in requests:
            answer(connection, request)
        connection.close()

    def fill(self, keys: Keys) -> None:
        """Write all of them, in batches of at most a MiB."""
        size = max(1, min(128, 2**20 // (2 * keys.value_bytes)))
        self.send(self.cluster.leader(), each_batch(self.dialect, keys, size))

    def await_healthy(self, node: int, *, within_s: float = 120.0) -> float:
        """Seconds until the node says that it serves."""
        began_s = time.monotonic()
        while time.monotonic() - began_s < within_s:
            if self._is_healthy(node):
                return time.monotonic() - began_s
            Event().wait(0.01)
        raise TimeoutError(f"{self.name}: node {node} does not serve after {within_s} s")

    def _is_healthy(self, node: int) -> bool:
        connection = http.client.HTTPConnection(HOST, self.port(node), timeout=1)
        try:
            connection.request("GET", self.health)
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def records(self, node: int, prefix: str) -> dict[str, Record]:
        """All keys below a prefix, read linearizably through that node."""
        raise NotImplementedError


def answer(connection: http.client.HTTPConnection, request: bytes) -> Any:
    """Of a request in bytes: its JSON. Raises ``RuntimeError`` if it is not 200."""
    head, _, body = request.partition(b"\r\n\r\n")
    method, path, _ = head.decode().split("\r\n")[0].split(" ")
    connection.request(method, path, body or None, {"Content-Type": "application/json"})
    response = connection.getresponse()
    text = response.read()
    if response.status != 200:
        raise RuntimeError(f"{method} {path} was answered {response.status}: {text.decode()}")
    return json.loads(text)


class Kvorum(System):
    name = KVORUM
    health = "/readyz"

    def __init__(self, cluster: LocalCluster) -> None:
        super().__init__(cluster, KvorumDialect())
        self.local = cluster

    def records(self, node: int, prefix: str) -> dict[str, Record]:
        return {
            item["key"]: Record(json.dumps(item["value"], ensure_ascii=False), item["version"])
            for page in self._pages(node, prefix)
            for item in page
        }

    def _pages(self, node: int, prefix: str) -> Iterator[Sequence[dict[str, Any]]]:
        connection = http.client.HTTPConnection(HOST, self.port(node), timeout=_TIMEOUT_S)
        asked = f"prefix={quote(prefix)}"
        while asked:
            found = answer(connection, f"GET /keys?{asked}&limit={_PAGE} HTTP/1.1\r\n".encode())
            yield found["items"]
            asked = f"cursor={found['cursor']}" if found["more"] else ""
        connection.close()

    def metric(self, node: int, name: str) -> float:
        """The first sample of that name on a node's ``/metrics``."""
        connection = http.client.HTTPConnection(HOST, self.port(node), timeout=_TIMEOUT_S)
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
        connection.close()
        return next(float(line.split()[-1]) for line in lines if line.startswith(name))


class Etcd(System):
    name = ETCD
    health = "/health"

    def __init__(self, cluster: EtcdCluster) -> None:
        super().__init__(cluster, EtcdDialect())

    def records(self, node: int, prefix: str) -> dict[str, Record]:
        connection = http.client.HTTPConnection(HOST, self.port(node), timeout=_TIMEOUT_S)
        records: dict[str, Record] = {}
        first, end = prefix, f"{prefix[:-1]}{chr(ord(prefix[-1]) + 1)}"
        more = True
        while more:
            asked = {"key": base64(first), "range_end": base64(end), "limit": _PAGE}
            body = json.dumps(asked)
            found = answer(connection, f"POST /v3/kv/range HTTP/1.1\r\n\r\n{body}".encode())
            for item in found.get("kvs", ()):
                key = b64decode(item["key"]).decode()
                records[key] = Record(b64decode(item["value"]).decode(), int(item["version"]))
                first = key + "\0"
            more = found.get("more", False)
        connection.close()
        return records
