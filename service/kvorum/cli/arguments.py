"""The arguments of the `kvorum` command, and its help."""

from argparse import ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from kvorum.cli.cluster.endpoints import Endpoint, parse_endpoints

EXAMPLES = """\
examples:
  kvorum serve --env-file 1.env    start one node in the foreground
  kvorum variables                 list the settings of a node
  kvorum dev                       start every node of 1.env, 2.env, … on this machine
  kvorum member list               who belongs to the cluster
  kvorum transfer Node-2           let another node lead
"""

SERVE = """\
Start one node in the foreground; Ctrl-C or SIGTERM stops it. Settings come from the env
file; a variable of the same name in the environment wins. `kvorum variables` lists them.

examples:
  kvorum serve --env-file 1.env
  LOG_LEVEL=debug kvorum serve --env-file 1.env
"""

DEV = """\
Start all nodes of a cluster on this machine, to try things out. Each env file describes
one node; where runN.sh stands beside N.env, that script starts the node. Waits for a
leader, says what to do next, reports nodes that stop, and stops the others on Ctrl-C.

examples:
  kvorum dev
  kvorum dev --env-file 1.env --env-file 2.env --env-file 3.env
"""

MEMBER = """\
See and change who belongs to a running cluster. Any node may be asked; it hands changes to
its leader. One change at a time. docs/membership.md tells the whole procedure.

examples:
  kvorum member list
  kvorum member add localhost:8006
  kvorum member promote localhost:8006
  kvorum member remove Node-3 --endpoint http://localhost:8082
"""

LIST = """\
List the members. Among several endpoints the leader's is preferred: only the leader knows
who is active, and how many log entries each one lacks (LAG).

examples:
  kvorum member list
  kvorum member list --endpoint localhost:8081,localhost:8082,localhost:8083
  kvorum member list -o json
"""

ADD = """\
Add a node as a learner: it gets the log and counts in no majority. Start the node then,
with ADDRESS as its SELF_ADDRESS and an empty data directory.

examples:
  kvorum member add localhost:8006
"""

PROMOTE = """\
Make a learner that has caught up a voter.

examples:
  kvorum member promote localhost:8006
  kvorum member promote localhost:8006#1f
"""

REMOVE = """\
Remove a member for good. Its node says so and stops serving; its id never comes back. Asks
first on a terminal.

examples:
  kvorum member remove Node-3
  kvorum member remove localhost:8003 --yes
"""

TRANSFER = """\
Let another node lead, for example before this one's machine is shut down. Without ID the
leader chooses who is furthest. A node that is stopped by SIGTERM does this by itself.

examples:
  kvorum transfer
  kvorum transfer Node-2
"""

RECOVER = """\
UNSAFE. Make a new cluster out of one survivor's data directory, when a majority of the voters
is lost for good. Acknowledged writes may be lost; it says so, and asks for the node's name.
The node must be stopped. docs/membership.md tells the whole procedure.

examples:
  kvorum recover --data-dir data/Node-1
  kvorum recover --data-dir data/Node-1 --yes
"""

_ANY_NAME = "id, address or name (SELF_ID) of a member"


class _Commands(Protocol):
    """What ``add_subparsers`` returns: its class has no public name."""

    def add_parser(self, name: str, **options: Any) -> ArgumentParser: ...


def make_parser(environ: Mapping[str, str]) -> ArgumentParser:
    """``environ`` gives KVORUM_ENDPOINT."""
    parser = ArgumentParser(
        prog="kvorum",
        description="A Raft-replicated key-value store.",
        epilog=EXAMPLES,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="store_true", help="show the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    _add_node_commands(commands)
    asking = _asking(environ.get("KVORUM_ENDPOINT") or "http://localhost:8081")
    _add_member_commands(commands, asking)
    transfer = _command(commands, "transfer", "let another node lead", TRANSFER, asking)
    transfer.add_argument("id", nargs="?", metavar="ID", help=_ANY_NAME)
    rescue = _command(commands, "recover", "UNSAFE: go on with one survivor's data", RECOVER)
    rescue.add_argument("--data-dir", type=Path, metavar="DIR", required=True, help="its DATA_DIR")
    rescue.add_argument("--yes", action="store_true", help="do not ask for the node's name")
    return parser


def _command(
    commands: _Commands, name: str, summary: str, description: str, *parents: ArgumentParser
) -> ArgumentParser:
    return commands.add_parser(
        name,
        help=summary,
        description=description,
        formatter_class=RawDescriptionHelpFormatter,
        parents=parents,
    )


def _add_node_commands(commands: _Commands) -> None:
    one = _command(commands, "serve", "start one node", SERVE)
    one.add_argument("--env-file", type=Path, metavar="FILE", help="settings of the node")
    commands.add_parser("variables", help="list the settings of a node")
    all_ = _command(commands, "dev", "start a whole cluster here", DEV)
    all_.add_argument(
        "--env-file",
        type=Path,
        metavar="FILE",
        action="append",
        help="default: all [0-9]*.env here",
    )


def _add_member_commands(commands: _Commands, asking: ArgumentParser) -> None:
    member = _command(commands, "member", "see and change who belongs to the cluster", MEMBER)
    of_member = member.add_subparsers(dest="member_command", metavar="COMMAND", required=True)
    _command(of_member, "list", "list the members", LIST, asking)
    add = _command(of_member, "add", "add a node as a learner", ADD, asking)
    add.add_argument("address", metavar="ADDRESS", help="SELF_ADDRESS of the new node: host:port")
    promote = _command(of_member, "promote", "make a learner a voter", PROMOTE, asking)
    promote.add_argument("id", metavar="ID", help=_ANY_NAME)
    remove = _command(of_member, "remove", "remove a member", REMOVE, asking)
    remove.add_argument("id", metavar="ID", help=_ANY_NAME)
    remove.add_argument("--yes", action="store_true", help="do not ask first")


def _asking(default: str) -> ArgumentParser:
    """What every command has that asks a running cluster."""
    asking = ArgumentParser(add_help=False)
    asking.add_argument(
        "--endpoint",
        type=_endpoints,
        default=default,
        metavar="URL,…",
        help="REST addresses of nodes, tried in turn (default: KVORUM_ENDPOINT, or else "
        "http://localhost:8081)",
    )
    asking.add_argument(
        "-o", "--output", choices=("table", "json"), default="table", help="default: table"
    )
    return asking


def _endpoints(text: str) -> tuple[Endpoint, ...]:
    try:
        return parse_endpoints(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from error
