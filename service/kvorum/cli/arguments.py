"""The arguments of the `kvorum` command, and its help."""

import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace, RawDescriptionHelpFormatter
from collections.abc import Mapping, Sequence

from kvorum.cli.asking import DEFAULT_ENDPOINT, add_asking_options, endpoints
from kvorum.cli.backup.parsers import add_parsers as add_backup_parsers
from kvorum.cli.cluster.parsers import add_parsers as add_cluster_parsers
from kvorum.cli.commands import CommandParser
from kvorum.cli.data.parsers import add_parsers as add_data_parsers
from kvorum.cli.exits import EXIT_CODES, Exit
from kvorum.cli.health.parsers import add_parsers as add_health_parsers
from kvorum.cli.ops.parsers import add_parsers as add_ops_parsers
from kvorum.cli.rollout.parsers import add_parsers as add_rollout_parsers
from kvorum.cli.selftest.parsers import add_parsers as add_selftest_parsers
from kvorum.cli.snapshot.parsers import add_parsers as add_snapshot_parsers

EXAMPLES = """\
examples:
  kvorum serve                         start a node here
  kvorum put greeting hello            set a key
  kvorum get greeting                  print its value
  kvorum ls config/ -o json            list keys, for a program
  kvorum watch --prefix config/        print changes as they happen
  kvorum lock backup -- ./backup.sh    run a command while holding a lock
  kvorum import settings.env           put every key of a file
  kvorum member list                   who belongs to the cluster

"""


def make_parser() -> ArgumentParser:
    """The parser of the whole command line."""
    parser = CommandParser(
        prog="kvorum",
        description="A Raft-replicated key-value store.",
        epilog=EXAMPLES + EXIT_CODES,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="store_true", help="show the version and exit")
    add_asking_options(parser, default=None)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    add_data_parsers(commands)
    add_cluster_parsers(commands)
    add_rollout_parsers(commands)
    add_health_parsers(commands)
    add_selftest_parsers(commands)
    add_snapshot_parsers(commands)
    add_backup_parsers(commands)
    add_ops_parsers(commands)
    return parser


def parse(argv: Sequence[str] | None, environ: Mapping[str, str]) -> Namespace:
    """Arguments, with KVORUM_ENDPOINT from ``environ``; exits with 2 if they make no sense.

    ``run`` names the code of the command (:func:`kvorum.cli.commands.load`).
    """
    parser = make_parser()
    arguments = parser.parse_args(argv)
    if arguments.command is None and not arguments.version:
        parser.print_help(sys.stderr)
        parser.exit(Exit.USAGE, "\nkvorum: name a COMMAND\n")
    if getattr(arguments, "asks", False) and arguments.endpoint is None:
        try:
            arguments.endpoint = endpoints(environ.get("KVORUM_ENDPOINT") or DEFAULT_ENDPOINT)
        except ArgumentTypeError as error:
            parser.error(f"KVORUM_ENDPOINT: {error}")
    return arguments
