"""What every command has that asks a running cluster: where it is, how long, in what form.

The same options stand before the command too (``kvorum -o json get x``); what stands after it
wins.
"""

from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError
from typing import NamedTuple
from urllib.parse import urlsplit

DEFAULT_ENDPOINT = "http://localhost:8081"
OUTPUTS = ("json", "table", "raw")

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class Endpoint(NamedTuple):
    """``host`` is an IPv6 address without its brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


def parse_endpoints(text: str) -> tuple[Endpoint, ...]:
    """URLs separated by commas; raises ValueError with a reason fit for the user."""
    return tuple(_parse(part.strip()) for part in text.split(","))


def _parse(text: str) -> Endpoint:
    try:
        url = urlsplit(text if "://" in text else f"http://{text}")
        host, port = url.hostname, url.port
        is_bare = not (url.path.strip("/") or url.query or url.fragment)
    except ValueError:  # brackets that do not match, a port that is no number
        raise _no_url(text) from None
    if url.scheme != "http" or not host or not port or not is_bare:
        raise _no_url(text)
    return Endpoint(host, port)


def _no_url(text: str) -> ValueError:
    return ValueError(f"{text!r} is no URL of a node, such as {DEFAULT_ENDPOINT}")


def asking_options(timeout: str = "10s") -> ArgumentParser:
    """A parent for each command that asks a cluster; gives ``asks``.

    ``timeout`` is what the help calls the command's default.
    """
    asking = ArgumentParser(add_help=False)
    add_asking_options(asking, default=SUPPRESS, timeout=timeout)
    asking.set_defaults(asks=True)
    return asking


def add_asking_options(
    parser: ArgumentParser, *, default: str | None, timeout: str = "10s"
) -> None:
    """``endpoint`` (a tuple of :class:`Endpoint`), ``timeout`` (seconds) and ``output``."""
    asking = parser.add_argument_group("asking a cluster")
    asking.add_argument(
        "--endpoint",
        type=endpoints,
        default=default,
        metavar="URL,…",
        help="REST addresses of nodes, tried in turn (default: KVORUM_ENDPOINT, or else "
        f"{DEFAULT_ENDPOINT})",
    )
    asking.add_argument(
        "--timeout",
        type=duration_s,
        default=default,
        metavar="TIME",
        help=f"how long it may take with all its retries: 500ms, 10s, 2m (default: {timeout})",
    )
    asking.add_argument(
        "-o",
        "--output",
        choices=OUTPUTS,
        default=default,
        help="json: for programs; table: for people; raw: the bytes as they are",
    )


def endpoints(text: str) -> tuple[Endpoint, ...]:
    """:func:`parse_endpoints` as argparse wants it."""
    try:
        return parse_endpoints(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from error


def duration_s(text: str) -> float:
    """Seconds of ``500ms``, ``30s``, ``5m``, ``2h``, ``1d``, or of a number of seconds."""
    number = text.rstrip("smhd")
    unit = text[len(number) :] or "s"
    try:
        value = float(number) * _UNITS_S[unit]
    except (KeyError, ValueError):
        value = 0.0
    if not 0 < value < float("inf"):
        raise ArgumentTypeError(f"{text!r} is no time, such as 500ms, 30s, 5m, 2h or 1d")
    return value
