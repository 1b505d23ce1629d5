"""The arguments of `kvorum serve`, `dev`, `variables` and `recover`."""

from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError
from pathlib import Path

from kvorum.cli.commands import Commands, add_command

SERVE = """\
Start one node in the foreground; Ctrl-C or SIGTERM stops it. Settings come from the env
file; a variable of the same name in the environment wins. `kvorum variables` lists them.
Without any it is a single node: clients at localhost:8081, data in kvorum-data.

examples:
  kvorum serve
  kvorum serve --env-file 1.env
  LOG_LEVEL=debug kvorum serve --env-file 1.env
"""

DEV = """\
Start all nodes of a cluster on this machine, to try things out. N nodes are made up: their
env files and data are kept in kvorum-dev for the next time. Without N, each env file
describes one node; where runN.sh stands beside N.env, that script starts the node. Waits
for a leader, says what to do next, reports nodes that stop, and stops the others on Ctrl-C.

examples:
  kvorum dev 3
  kvorum dev
  kvorum dev --env-file 1.env --env-file 2.env --env-file 3.env
"""

VARIABLES = """\
List the settings of a node, as an env file.

examples:
  kvorum variables
"""

RECOVER = """\
UNSAFE. Make a new cluster out of one survivor's data directory, when a majority of the voters
is lost for good. Acknowledged writes may be lost; it says so, and asks for the node's name.
The node must be stopped. docs/membership.md tells the whole procedure.

examples:
  kvorum recover --data-dir data/Node-1
  kvorum recover --data-dir data/Node-1 --yes
"""

WAL_DUMP = """\
Show what a data directory holds: whose it is, its snapshots, and every record and entry of
its log, decoded. Nothing is changed, and what is damaged is named and passed over. At the
end it says whether a node would start from it: exit code 0 if so, else 1. -o json gives one
object a line.

examples:
  kvorum wal-dump data/Node-1
  kvorum wal-dump data/Node-1 --from 1000 --to 1010
  kvorum wal-dump data/Node-1 -o json | jq 'select(.found == "damage")'
"""

_RUNNING = "kvorum.cli.ops.running"


def add_parsers(commands: Commands) -> None:
    """The commands that need no running cluster."""
    one = add_command(commands, "serve", "start one node", SERVE, run=f"{_RUNNING}:run_serve")
    one.add_argument("--env-file", type=Path, metavar="FILE", help="settings of the node")
    every = add_command(
        commands, "dev", "start a whole cluster here", DEV, run=f"{_RUNNING}:run_dev"
    )
    every.add_argument(
        "--env-file",
        type=Path,
        metavar="FILE",
        action="append",
        help="default: all [0-9]*.env here",
    )
    every.add_argument(
        "size", nargs="?", type=_size, metavar="N", help="how many nodes are made up: 1 to 9"
    )
    every.add_argument(
        "--dir", type=Path, help="where made-up nodes are kept (default: kvorum-dev)"
    )
    add_command(
        commands,
        "variables",
        "list the settings of a node",
        VARIABLES,
        run=f"{_RUNNING}:run_variables",
    )
    rescue = add_command(
        commands,
        "recover",
        "UNSAFE: go on with one survivor's data",
        RECOVER,
        run=f"{_RUNNING}:run_recover",
    )
    rescue.add_argument("--data-dir", type=Path, metavar="DIR", required=True, help="its DATA_DIR")
    rescue.add_argument("--yes", action="store_true", help="do not ask for the node's name")
    _add_wal_dump(commands)


def _add_wal_dump(commands: Commands) -> None:
    dump = add_command(
        commands,
        "wal-dump",
        "show what a data directory holds",
        WAL_DUMP,
        run="kvorum.cli.ops.wal_dump:run_wal_dump",
    )
    dump.add_argument("data_dir", type=Path, metavar="DATA_DIR", help="of a node, running or not")
    dump.add_argument("--from", type=_index, default=1, metavar="INDEX", help="first entry")
    dump.add_argument("--to", type=_index, metavar="INDEX", help="last entry")
    _add_output(dump)


def _add_output(parser: ArgumentParser) -> None:
    """Of a command that asks no cluster; what stands before the command counts too."""
    parser.add_argument(
        "-o", "--output", choices=("json", "table"), default=SUPPRESS, help="default: table"
    )


def _index(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise ArgumentTypeError(f"{text!r} is no index of an entry: they count from 1")
    return int(text)


def _size(text: str) -> int:
    if text not in tuple("123456789"):
        raise ArgumentTypeError(f"{text!r} is not a number of nodes from 1 to 9")
    return int(text)
