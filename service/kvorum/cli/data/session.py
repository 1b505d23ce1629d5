"""A command with a client at hand: from arguments to exit code, whatever happens between."""

from argparse import Namespace
from collections.abc import Callable
from functools import wraps

from msgspec.structs import replace

from kvorum.cli.console import Console
from kvorum.cli.exits import Exit
from kvorum.cli.failed import CommandFailed
from kvorum.cli.failures import report
from kvorum.client import Client
from kvorum.client.errors import ClientError

TIMEOUT_S = 10.0
"""Of a call, with all its attempts, unless --timeout says otherwise."""
UNREACHED_S = 3.0
"""Of a call, while nobody was found at any endpoint, unless --timeout says otherwise."""

Run = Callable[[Namespace, Console], int]


def asks(work: Callable[[Client, Namespace, Console], int]) -> Run:
    """Makes ``work`` a command: it gets a client, and may raise what :func:`report` tells."""

    @wraps(work)
    def run(arguments: Namespace, console: Console) -> int:
        return reporting(lambda: _with_client(work, arguments, console), arguments, console)

    return run


def _with_client(
    work: Callable[[Client, Namespace, Console], int], arguments: Namespace, console: Console
) -> int:
    with Client(endpoints_of(arguments), timeout_s=timeout_of(arguments)) as client:
        if arguments.timeout is None:
            client.limits = replace(client.limits, unreached_s=UNREACHED_S)
        return work(client, arguments, console)


def reporting(work: Callable[[], int], arguments: Namespace, console: Console) -> int:
    """The exit code of ``work``; what goes wrong in it is told on stderr."""
    try:
        return work()
    except (ClientError, CommandFailed) as error:
        return report(error, console, as_json=arguments.output == "json")
    except UnicodeEncodeError:  # an argument that is not UTF-8, on its way into a request
        unreadable = CommandFailed(Exit.USAGE, "keys, names and ids have to be UTF-8")
        return report(unreadable, console, as_json=arguments.output == "json")


def endpoints_of(arguments: Namespace) -> list[str]:
    """URLs as the client wants them."""
    return [str(endpoint) for endpoint in arguments.endpoint]


def timeout_of(arguments: Namespace) -> float:
    """Seconds."""
    return TIMEOUT_S if arguments.timeout is None else float(arguments.timeout)
