"""`kvorum member list|add|promote|remove` and `kvorum transfer`, from arguments to exit code."""

from argparse import Namespace
from typing import Protocol
from urllib.parse import quote

import msgspec

from kvorum.cli.cluster.endpoints import MEMBERS, Cluster, Failed, read_members
from kvorum.cli.cluster.words import after_adding, described, member_table, voters_of
from kvorum.cli.console import Console
from kvorum.cli.exits import Exit
from kvorum.cli.failed import tell_failure
from kvorum.rest.schemas import LeadershipAnswer, MembersAnswer


def run_member(arguments: Namespace, console: Console) -> int:
    """The exit code; FAILED if it is called off, too."""
    command = {"list": _list, "add": _add, "promote": _promote, "remove": _remove}
    return _run(command[arguments.member_command], arguments, console)


def run_transfer(arguments: Namespace, console: Console) -> int:
    """Exit code as of :func:`run_member`."""
    return _run(_transfer, arguments, console)


class _Command(Protocol):
    def __call__(self, cluster: Cluster, arguments: Namespace, console: Console) -> None: ...


def _run(command: _Command, arguments: Namespace, console: Console) -> int:
    try:
        command(Cluster(arguments.endpoint, arguments.timeout), arguments, console)
    except Failed as error:
        return tell_failure(error, console, as_json=arguments.output == "json")
    return Exit.DONE


def _list(cluster: Cluster, arguments: Namespace, console: Console) -> None:
    body = cluster.members()
    _show(console, arguments, body, member_table(read_members(body)))


def _add(cluster: Cluster, arguments: Namespace, console: Console) -> None:
    body = cluster.ask("POST", MEMBERS, {"address": arguments.address})
    added = read_members(body).member
    text = after_adding(added) if added else f"{arguments.address} was added, and is gone again"
    _show(console, arguments, body, text)


def _promote(cluster: Cluster, arguments: Namespace, console: Console) -> None:
    body = cluster.ask("POST", f"{_path_of(arguments.id)}/promote")
    answer = read_members(body)
    promoted = described(answer.member) if answer.member else arguments.id
    _show(console, arguments, body, f"{promoted} votes now: {voters_of(answer)}")


def _remove(cluster: Cluster, arguments: Namespace, console: Console) -> None:
    if console.stdin.isatty() and not arguments.yes:
        _confirm_removal(read_members(cluster.members()), arguments.id, console)
    body = cluster.ask("DELETE", _path_of(arguments.id))
    _show(console, arguments, body, f"{arguments.id} is removed: {voters_of(read_members(body))}")


def _confirm_removal(answer: MembersAnswer, named: str, console: Console) -> None:
    console.warn(member_table(answer))
    question = f"Remove {named} for good? Its id never comes back. [y/N]"
    if console.ask(question).lower() not in ("y", "yes"):
        raise Failed("nothing was removed")


def _transfer(cluster: Cluster, arguments: Namespace, console: Console) -> None:
    body = cluster.ask("POST", "/cluster/transfer", {"target": arguments.id})
    leader = msgspec.json.decode(body, type=LeadershipAnswer).leader_id
    _show(console, arguments, body, f"{leader} leads now")


def _show(console: Console, arguments: Namespace, body: bytes, text: str) -> None:
    """The answer as it came, indented, or in words, as was asked for."""
    match arguments.output:
        case "raw":
            console.say(body.decode())
        case "json":
            console.say(msgspec.json.format(body, indent=2).decode())
        case _:
            console.say(text)


def _path_of(named: str) -> str:
    return f"{MEMBERS}/{quote(named, safe='')}"
