"""The syntax of ``host:port``, and one spelling for each address.

An address is also part of a member's identity, so two spellings of one address must not
look like two members: host names become lower case, IP addresses canonical.
"""

import re
from ipaddress import IPv6Address, ip_address

_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST_NAME = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*\.?")
_PORT = re.compile(r"[1-9][0-9]{0,4}")


def split_address(address: str) -> tuple[str, int]:
    """Host (an IPv6 address without its brackets) and port.

    Raises ValueError with a reason fit for the user.
    """
    if not address.strip():
        raise ValueError("an address is empty (a comma too many?)")
    host, colon, port = address.strip().rpartition(":")
    if not colon or not _PORT.fullmatch(port) or int(port) > 65535:
        raise ValueError(f"{address!r} must end in a port from 1 to 65535, such as :8001")
    return _host(host, address), int(port)


def _host(host: str, address: str) -> str:
    bracketed = host.startswith("[") and host.endswith("]")
    bare = host[1:-1] if bracketed else host.lower()
    try:
        ip = ip_address(bare)
    except ValueError:
        ip = None
    if isinstance(ip, IPv6Address) != bracketed:
        raise ValueError(f"{address!r}: an IPv6 address, and only that, has brackets: [::1]:8001")
    if ip is None and not _HOST_NAME.fullmatch(bare):
        raise ValueError(f"{address!r} has no valid host name or IP address before the port")
    return bare if ip is None else str(ip)


def canonical_address(address: str) -> str:
    """The one spelling of an address; raises ValueError as :func:`split_address` does."""
    host, port = split_address(address)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def peer_address(address: str) -> str:
    """As :func:`canonical_address`, but it must also be one that can be dialled."""
    if is_wildcard(split_address(address)[0]):
        raise ValueError(
            f"{address!r} cannot be reached from another node; give the address that the "
            "others dial, and put the wildcard into LISTEN_ADDRESS"
        )
    return canonical_address(address)


def is_wildcard(host: str) -> bool:
    return host in ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound to


def collide(first: str, second: str) -> bool:
    """Whether two listeners on these addresses would fight over one port."""
    (host, port), (other_host, other_port) = split_address(first), split_address(second)
    same_host = host == other_host or is_wildcard(host) or is_wildcard(other_host)
    return port == other_port and same_host
