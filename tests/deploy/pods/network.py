"""A bridge, and for every pod a network namespace with an address of its own.

The harness, its DNS server and the Services have addresses on the bridge. They are of
198.19.0.0/16, which RFC 2544 sets aside for tests, and nothing routes out of it.
"""

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

from tests.chaos.commands import attempt, run

NAMESPACE_PREFIX = "kvpods-"
LINK_PREFIX = "kvp"
DIRECTORY_PREFIX = "kvorum-pods-"
_BRIDGE_MAC = "02:00:c6:13:00:01"
_DNS, _HOST, _FIRST_SERVICE, _FIRST_POD = 253, 254, 230, 1


class Network:
    """Namespaces are numbered and addresses handed out in turn: no pod gets a former one's soon."""

    def __init__(self) -> None:
        taken = run("ip", "-4", "addr", "show")
        free = (n for n in range(256) if f" 198.19.{n}." not in taken)
        self._subnet = f"198.19.{next(free)}"
        self._bridge = f"{LINK_PREFIX}{os.getpid():x}b"
        self._names: dict[str, str] = {}  # address → namespace
        self._services = 0
        self._serial = 0
        # Otherwise a bridge has the lowest address of its ports, and neighbours forget it only
        # after half a minute when that one leaves.
        run("ip", "link", "add", self._bridge, "address", _BRIDGE_MAC, "type", "bridge")
        run("ip", "addr", "add", f"{self._subnet}.{_HOST}/24", "dev", self._bridge)
        run("ip", "addr", "add", f"{self._subnet}.{_DNS}/24", "dev", self._bridge)
        run("ip", "link", "set", self._bridge, "up")

    @property
    def dns(self) -> str:
        return f"{self._subnet}.{_DNS}"

    def service_address(self) -> str:
        address = f"{self._subnet}.{_FIRST_SERVICE + self._services}"
        self._services += 1
        run("ip", "addr", "add", f"{address}/24", "dev", self._bridge)
        return address

    def plug_in(self) -> tuple[str, str]:
        """For a new pod: its address and its namespace."""
        address = self._free_address()
        name = f"{NAMESPACE_PREFIX}{os.getpid()}-{self._serial}"
        outer = f"{LINK_PREFIX}{os.getpid():x}n{self._serial}"
        run("ip", "netns", "add", name)
        self._names[address] = name
        outside = [
            f"link add {outer} type veth peer name eth0 netns {name}",
            f"link set {outer} master {self._bridge} up",
        ]
        inside = [f"addr add {address}/24 dev eth0", "link set eth0 up", "link set lo up"]
        run("ip", "-batch", "-", stdin="\n".join([*outside, ""]))
        run("ip", "-n", name, "-batch", "-", stdin="\n".join([*inside, ""]))
        return address, name

    def _free_address(self) -> str:
        while True:
            host = _FIRST_POD + self._serial % (_FIRST_SERVICE - _FIRST_POD)
            self._serial += 1
            if (address := f"{self._subnet}.{host}") not in self._names:
                return address

    def unplug(self, address: str) -> None:
        run("ip", "netns", "del", self._names.pop(address))

    def close(self) -> None:
        for address in tuple(self._names):
            attempt("ip", "netns", "del", self._names.pop(address))
        attempt("ip", "link", "del", self._bridge)


def remove_leftovers(temporary: Path) -> list[str]:
    """Of harnesses whose process is gone: their processes, namespaces, bridges, directories."""
    return [*_namespaces(), *_bridges(), *_directories(temporary)]


def _namespaces() -> Iterator[str]:
    directory = Path("/run/netns")
    for path in sorted(directory.glob(f"{NAMESPACE_PREFIX}*")) if directory.exists() else ():
        if not _is_alive(path.name.removeprefix(NAMESPACE_PREFIX).split("-")[0]):
            for pid in run("ip", "netns", "pids", path.name).split():
                os.kill(int(pid), signal.SIGKILL)
            run("ip", "netns", "del", path.name)  # and the cables that end in it
            yield path.name


def _bridges() -> Iterator[str]:
    for path in sorted(Path("/sys/class/net").glob(f"{LINK_PREFIX}*b")):
        pid = path.name.removeprefix(LINK_PREFIX).removesuffix("b")
        if not _is_alive(str(int(pid, 16))):
            attempt("ip", "link", "del", path.name)
            yield path.name


def _directories(temporary: Path) -> Iterator[str]:
    for path in sorted(temporary.glob(f"{DIRECTORY_PREFIX}*")):
        if not _is_alive(path.name.removeprefix(DIRECTORY_PREFIX).split("-")[0]):
            shutil.rmtree(path)
            yield path.name


def _is_alive(pid: str) -> bool:
    return Path("/proc", pid).exists()
