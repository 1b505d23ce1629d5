"""`kvorum elect`: lead until Ctrl-C, or see who leads."""

import os
import platform
import threading
from argparse import Namespace

from kvorum.cli.console import Console
from kvorum.cli.data.session import asks
from kvorum.cli.data.values import as_python, from_word
from kvorum.cli.exits import Exit
from kvorum.cli.failed import CommandFailed
from kvorum.cli.output import json_line, printable
from kvorum.cli.signals import ending_in_order
from kvorum.client import Client
from kvorum.client.model import Claim


@asks
def run_elect(client: Client, arguments: Namespace, console: Console) -> int:
    if arguments.value is not None and (arguments.observe or arguments.leader):
        raise CommandFailed(Exit.USAGE, "a VALUE is for standing for election only")
    if arguments.leader:
        return _show_leader(client, arguments, console)
    if arguments.observe:
        return _observe(client, arguments, console)
    return _lead(client, arguments, console)


def _show_leader(client: Client, arguments: Namespace, console: Console) -> int:
    leader = client.elections.show(arguments.name).holder
    if leader is None:
        raise CommandFailed(Exit.NOT_FOUND, f"nobody leads {printable(arguments.name)}")
    _show(leader, arguments, console)
    return Exit.DONE


def _observe(client: Client, arguments: Namespace, console: Console) -> int:
    with ending_in_order(), client.elections.observe(arguments.name) as observations:
        for observation in observations:
            _show(observation.leader, arguments, console)
            console.stdout.flush()
    return Exit.DONE


def _show(leader: Claim | None, arguments: Namespace, console: Console) -> None:
    match arguments.output:
        case "json":
            console.say(json_line({"leader": _as_fields(leader) if leader else None}))
        case "raw":
            console.say(json_line(leader.value) if leader else "")
        case _ if leader is None:
            console.say("nobody leads")
        case _:
            assert leader is not None
            value = printable(json_line(leader.value))
            console.say(f"{value} leads with token {leader.token}")


def _as_fields(leader: Claim) -> dict[str, object]:
    return {"lease": leader.lease, "token": leader.token, "value": leader.value}


def _lead(client: Client, arguments: Namespace, console: Console) -> int:
    lost = threading.Event()
    value = as_python(_proclaimed(arguments))
    client.elections.show(arguments.name)  # waiting for a cluster out of reach would be in silence
    with (
        ending_in_order(),
        client.campaign(arguments.name, value, ttl_s=arguments.ttl, on_lost=lost.set) as leadership,
    ):
        _show_elected(Claim(leadership.lease_id, leadership.token, value), arguments, console)
        lost.wait()
    raise CommandFailed(
        Exit.FAILED,
        f"does not lead {printable(arguments.name)} any more: its lease ended, or could not "
        "be renewed in time",
    )


def _proclaimed(arguments: Namespace) -> bytes:
    """Who this is, unless VALUE says it."""
    word = arguments.value
    if word is None:
        return f'"{platform.node()}:{os.getpid()}"'.encode()
    return from_word(word, arguments)


def _show_elected(claim: Claim, arguments: Namespace, console: Console) -> None:
    match arguments.output:
        case "json":
            console.say(json_line({"name": arguments.name, **_as_fields(claim)}))
        case "raw":
            console.say(str(claim.token))
        case _:
            name = printable(arguments.name)
            console.say(f"leads {name} with token {claim.token}; Ctrl-C resigns")
    console.stdout.flush()
