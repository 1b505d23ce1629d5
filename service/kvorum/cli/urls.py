"""Addresses of nodes as URLs."""

from kvorum.settings import split_address


def rest_url(rest_address: str) -> str:
    """Where a client on this machine reaches the address, wildcard or not."""
    host, port = split_address(rest_address)
    local = {"0.0.0.0": "localhost", "::": "localhost"}.get(host, host)  # noqa: S104 - not bound to
    return f"http://[{local}]:{port}" if ":" in local else f"http://{local}:{port}"
