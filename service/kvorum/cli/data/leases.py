"""`kvorum lease grant|keepalive|revoke|list|show`."""

import threading
from argparse import Namespace

from kvorum.cli.console import Console
from kvorum.cli.data.session import asks
from kvorum.cli.exits import Exit
from kvorum.cli.output import columns, json_block, json_line, printable
from kvorum.cli.signals import ending_in_order
from kvorum.client import Client
from kvorum.client.errors import DeadlineExceeded, LeaseNotFound
from kvorum.client.model import LeaseInfo

_HEADINGS = ("ID", "TTL", "REMAINING", "KEYS")


@asks
def run_grant(client: Client, arguments: Namespace, console: Console) -> int:
    lease = client.leases.grant(arguments.ttl, lease_id=arguments.id)
    match arguments.output:
        case "json":
            console.say(json_block({"id": lease.id, "ttlSeconds": lease.ttl_s}))
        case "raw":
            console.say(lease.id)
        case _:
            console.say(f"lease {lease.id} lasts {_seconds(lease.ttl_s)} from now")
    return Exit.DONE


@asks
def run_keepalive(client: Client, arguments: Namespace, console: Console) -> int:
    if not arguments.forever:
        _show_renewed(client.leases.keep_alive(arguments.id), arguments, console)
        return Exit.DONE
    with ending_in_order():
        try:
            _keep_alive(client, arguments, console)
        finally:
            if arguments.revoke:
                _revoke(client, arguments.id)
    return Exit.DONE


def _keep_alive(client: Client, arguments: Namespace, console: Console) -> None:
    """Until a signal, or until the lease is no more: outages are sat out as long as it lasts."""
    never = threading.Event()
    lease = client.leases.keep_alive(arguments.id)
    _show_renewed(lease, arguments, console)
    while not never.wait(lease.ttl_s / 3):
        try:
            lease = client.leases.keep_alive(arguments.id)
        except DeadlineExceeded as error:
            console.warn(f"kvorum: not renewed, will try again: {error}")
        else:
            if arguments.output == "json":
                _show_renewed(lease, arguments, console)


def _revoke(client: Client, lease_id: str) -> None:
    try:
        client.leases.revoke(lease_id)
    except LeaseNotFound:
        return


def _show_renewed(lease: LeaseInfo, arguments: Namespace, console: Console) -> None:
    match arguments.output:
        case "json":
            console.say(json_line(_as_fields(lease)))
        case "raw":
            console.say(f"{lease.remaining_s:g}")
        case _:
            console.say(f"lease {lease.id} lasts {_seconds(lease.remaining_s)} from now")
    console.stdout.flush()


@asks
def run_revoke(client: Client, arguments: Namespace, console: Console) -> int:
    deleted = client.leases.revoke(arguments.id)
    match arguments.output:
        case "json":
            console.say(json_block({"id": arguments.id, "deleted": deleted}))
        case "raw":
            console.say(str(deleted))
        case _:
            console.say(f"lease {arguments.id} has ended; {_keys(deleted)} went with it")
    return Exit.DONE


@asks
def run_list(client: Client, arguments: Namespace, console: Console) -> int:
    leases = client.leases.list()
    match arguments.output:
        case "json":
            for lease in leases:
                console.say(json_line(_as_fields(lease)))
        case "raw":
            for lease in leases:
                console.say(lease.id)
        case _:
            for line in columns([_HEADINGS, *map(_row, leases)]):
                console.say(line)
    return Exit.DONE


@asks
def run_show(client: Client, arguments: Namespace, console: Console) -> int:
    lease = client.leases.show(arguments.id, keys=True)
    match arguments.output:
        case "json":
            console.say(json_block(_as_fields(lease) | {"keys": lease.keys}))
        case "raw":
            for key in lease.keys:
                console.say(key)
        case _:
            for line in columns([_HEADINGS, _row(lease)]):
                console.say(line)
            for key in lease.keys:
                console.say(f"  {printable(key)}")
    return Exit.DONE


def _row(lease: LeaseInfo) -> tuple[str, ...]:
    return lease.id, _seconds(lease.ttl_s), _seconds(lease.remaining_s), str(lease.key_count)


def _as_fields(lease: LeaseInfo) -> dict[str, object]:
    return {
        "id": lease.id,
        "ttlSeconds": lease.ttl_s,
        "remainingSeconds": lease.remaining_s,
        "keyCount": lease.key_count,
    }


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f}".rstrip("0").rstrip(".") + " s"


def _keys(count: int) -> str:
    return f"{count} key{'s' * (count != 1)}"
