"""Where the nodes run: on this machine's loopback, or each in a network namespace of its own.

In namespaces every node has an address, a virtual cable and a packet filter. The cables end in a
bridge, where the harness has an address too: it reaches every node whatever the nodes can do
among themselves, as clients do in a real partition.
"""

import os
import random
import socket
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from tests.chaos.commands import LINK_PREFIX, NAMESPACE_PREFIX, attempt, missing, run

NODES = (1, 2, 3, 4, 5)
"""The first members, and the ones that clients ask."""
SPARE = 6
"""A node that may join."""
MACHINES = (*NODES, SPARE)
PEER_PORT, REST_PORT = 7000, 8000
Link = tuple[int, int]
"""Sender and receiver."""


Addresses = Mapping[int, tuple[str, int]]
"""Host and port of every node."""


class Places(Protocol):
    @property
    def peers(self) -> Addresses: ...

    @property
    def clients(self) -> Addresses: ...

    def inside(self, node: int) -> Sequence[str]:
        """What to put before a command to run it at the node's place."""
        ...

    def close(self) -> None: ...


class Loopback:
    """Free ports on 127.0.0.1, below those that the kernel gives to connections."""

    def __init__(self) -> None:
        ports = _free_ports(2 * len(MACHINES))
        self.peers: Addresses = {node: ("127.0.0.1", ports.pop()) for node in MACHINES}
        self.clients: Addresses = {node: ("127.0.0.1", ports.pop()) for node in MACHINES}

    def inside(self, node: int) -> Sequence[str]:
        return ()

    def close(self) -> None:
        """Nothing to remove."""


def _free_ports(count: int) -> list[int]:
    """Of a random thousand, so that two harnesses seldom look at the same ones."""
    first = random.randrange(10_000, 31_000, 1000)
    free: list[int] = []
    for port in range(first, first + 1000):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                free.append(port)
        if len(free) == count:
            return free
    raise AssertionError(f"fewer than {count} free ports from {first} on")


class Namespaces:
    """A namespace, a cable and a packet filter for every node. Needs root, ``ip`` and ``nft``."""

    def __init__(self) -> None:
        self._subnet = _free_subnet()
        self._serial = _free_serial()
        self._bridge = f"{LINK_PREFIX}{os.getpid()}x{self._serial}"  # 15 bytes with what follows
        self.peers: Addresses = {node: (f"{self._subnet}.{node}", PEER_PORT) for node in MACHINES}
        self.clients: Addresses = {node: (f"{self._subnet}.{node}", REST_PORT) for node in MACHINES}
        try:
            self._build()
        except BaseException:
            self.close()
            raise

    def _build(self) -> None:
        bridge = self._bridge
        run("ip", "link", "add", bridge, "type", "bridge")
        run("ip", "addr", "add", f"{self._subnet}.254/24", "dev", bridge)
        run("ip", "link", "set", bridge, "up")
        for node in MACHINES:
            name, outer = self.name(node), self._outer(node)
            run("ip", "netns", "add", name)
            run("ip", "link", "add", outer, "type", "veth", "peer", "name", "eth0", "netns", name)
            run("ip", "link", "set", outer, "master", bridge, "up")
            run("ip", "-n", name, "addr", "add", f"{self._subnet}.{node}/24", "dev", "eth0")
            run("ip", "-n", name, "link", "set", "eth0", "up")
            run("ip", "-n", name, "link", "set", "lo", "up")

    def name(self, node: int) -> str:
        return _namespace(self._serial, node)

    def _outer(self, node: int) -> str:
        return f"{self._bridge}n{node}"

    def inside(self, node: int) -> Sequence[str]:
        return ("ip", "netns", "exec", self.name(node))

    # --- faults ------------------------------------------------------------------------

    def block(self, links: Collection[Link], *, loss_percent: int = 0) -> None:
        """From now on exactly these links lose everything, all others ``loss_percent``."""
        for node in MACHINES:
            senders = [sender for sender, receiver in links if receiver == node]
            self._filter(node, senders, loss_percent)

    def _filter(self, node: int, senders: Collection[int], loss_percent: int) -> None:
        others = [other for other in MACHINES if other != node]
        rules = [f"ip saddr {self._set(senders)} drop"] if senders else []
        if loss_percent:
            lossy = f"numgen random mod 100 < {loss_percent}"
            rules.append(f"ip saddr {self._set(others)} {lossy} drop")
        lines = [
            "table ip chaos",  # so that there is one to delete
            "delete table ip chaos",
            "table ip chaos { chain arriving {",
            "type filter hook input priority 0; policy accept;",
            *rules,
            "}",
            "}",
        ]
        run(*self.inside(node), "nft", "-f", "-", stdin="\n".join([*lines, ""]))

    def _set(self, nodes: Collection[int]) -> str:
        return "{ " + ", ".join(f"{self._subnet}.{node}" for node in nodes) + " }"

    def plug(self, node: int, *, in_: bool) -> None:
        """The machine's cable: clients do not reach it either while it is out."""
        run("ip", "-n", self.name(node), "link", "set", "eth0", "up" if in_ else "down")

    def shape(self, node: int, discipline: Sequence[str]) -> None:
        """A queueing discipline for all that the node sends; none: as fast as it goes."""
        place = (*self.inside(node), "tc", "qdisc")
        attempt(*place, "del", "dev", "eth0", "root")  # there may be none yet
        if discipline:
            run(*place, "add", "dev", "eth0", "root", *discipline)

    def heal(self) -> None:
        self.block(())
        for node in MACHINES:
            self.plug(node, in_=True)
            self.shape(node, ())

    def close(self) -> None:
        for node in MACHINES:
            attempt("ip", "netns", "del", self.name(node))
            attempt("ip", "link", "del", self._outer(node))
        attempt("ip", "link", "del", self._bridge)


def _namespace(serial: int, node: int) -> str:
    return f"{NAMESPACE_PREFIX}{os.getpid()}-{serial}-{node}"


def _free_serial() -> int:
    """Of the sets of namespaces that one process may have at a time."""
    taken = run("ip", "netns", "list")
    return next(serial for serial in range(10) if _namespace(serial, NODES[0]) not in taken)


def _free_subnet() -> str:
    """The first of 198.18.0.0/15, which RFC 2544 sets aside for tests, that nobody uses here."""
    used = run("ip", "-4", "addr", "show")
    for third in range(256):
        if f" 198.18.{third}." not in used:
            return f"198.18.{third}"
    raise AssertionError("no free network below 198.18.0.0/16")


# --- what this machine can do --------------------------------------------------------------


def why_no_namespaces() -> str:
    """Empty if they work here, else the reason for people."""
    if os.geteuid() != 0:
        return "not root"
    absent = missing(("ip", "nft", "tc"))
    if absent:
        return f"not installed: {', '.join(absent)} (Debian: iproute2, nftables)"
    return _trial(lambda name: attempt("ip", "netns", "exec", name, "nft", "list", "ruleset"))


def _trial(check: Callable[[str], str]) -> str:
    """``check`` in a namespace that is made for it."""
    name = f"{NAMESPACE_PREFIX}{os.getpid()}-trial"
    try:
        return attempt("ip", "netns", "add", name) or check(name)
    finally:
        attempt("ip", "netns", "del", name)


def why_no_netem() -> str:
    """Empty if ``tc netem`` works in namespaces here, else the reason for people."""
    netem = ("dev", "lo", "root", "netem", "delay", "1ms")
    return why_no_namespaces() or _trial(
        lambda name: attempt("ip", "netns", "exec", name, "tc", "qdisc", "add", *netem)
    )


def why_no_tmpfs(directory: Path) -> str:
    """Empty if a small file system can be mounted there, else the reason for people."""
    if os.geteuid() != 0:
        return "not root"
    directory.mkdir(exist_ok=True)
    try:
        problem = attempt("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(directory))
        return problem or attempt("umount", str(directory))
    finally:
        directory.rmdir()
