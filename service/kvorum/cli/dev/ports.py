"""Asking before the start whether a port is free: one clear line instead of five logs."""

import errno
import socket
from collections.abc import Iterator, Sequence

from kvorum.cli.dev.plan import NodePlan
from kvorum.settings import split_address


def ports_in_use(nodes: Sequence[NodePlan]) -> list[str]:
    """A line for every address that something else listens on."""
    return [
        f"port {split_address(address)[1]} is in use ({variable} of {node.env_file.name})"
        for node in nodes
        for variable, address in _listeners(node)
        if is_taken(address)
    ]


def _listeners(node: NodePlan) -> Iterator[tuple[str, str]]:
    listen = node.settings.listen_address
    yield ("SELF_ADDRESS" if listen == node.settings.self_address else "LISTEN_ADDRESS"), listen
    yield "REST_ADDRESS", node.settings.rest_address


def is_taken(address: str) -> bool:
    """Only EADDRINUSE counts: any other fault the node explains better itself."""
    host, port = split_address(address)
    try:
        places = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        return any(_refuses(family, place) for family, _, _, _, place in places)
    except OSError:
        return False


def _refuses(family: socket.AddressFamily, place: tuple[object, ...]) -> bool:
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(place)
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False
