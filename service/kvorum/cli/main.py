"""The `kvorum` command: arguments in, exit code out.

What a subcommand needs is imported when it is chosen, so that `--help` stays quick.
"""

import os
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path

EXAMPLES = """\
examples:
  kvorum serve --env-file 1.env    start one node in the foreground
  kvorum variables                 list the settings of a node
  kvorum dev                       start every node of 1.env, 2.env, … on this machine
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


INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code: 0 fine, 1 a node could not start or failed, 2 wrong usage or settings.

    130 if it was interrupted before a node took over the signals.
    """
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.version:
        return _version()
    if arguments.command is None:
        parser.error("name a COMMAND; `kvorum --help` shows examples")
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        return INTERRUPTED


def _run(arguments: Namespace) -> int:
    match arguments.command:
        case "serve":
            return _serve(arguments)
        case "dev":
            return _dev(arguments)
        case _:
            return _variables()


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="kvorum",
        description="A Raft-replicated key-value store.",
        epilog=EXAMPLES,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="store_true", help="show the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    look = RawDescriptionHelpFormatter
    one = commands.add_parser(
        "serve", help="start one node", description=SERVE, formatter_class=look
    )
    one.add_argument("--env-file", type=Path, metavar="FILE", help="settings of the node")
    commands.add_parser("variables", help="list the settings of a node")
    all_ = commands.add_parser(
        "dev", help="start a whole cluster here", description=DEV, formatter_class=look
    )
    all_.add_argument(
        "--env-file",
        type=Path,
        metavar="FILE",
        action="append",
        help="default: all [0-9]*.env here",
    )
    return parser


def _serve(arguments: Namespace) -> int:
    # gRPC's own lines on stderr are no log lines of ours; what matters reaches us as errors.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    from kvorum.app import run
    from kvorum.cli.serve import serve

    return serve(arguments.env_file, os.environ, run=run, stderr=sys.stderr)


def _dev(arguments: Namespace) -> int:
    from kvorum.cli.dev import run_cluster

    return run_cluster(arguments.env_file, os.environ, stdout=sys.stdout, stderr=sys.stderr)


def _version() -> int:
    from importlib.metadata import version

    print(f"kvorum {version('kvorum')}")
    return 0


def _variables() -> int:
    from kvorum.settings import describe_variables

    print(describe_variables())
    return 0


if __name__ == "__main__":
    sys.exit(main())
