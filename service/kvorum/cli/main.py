"""The `kvorum` command: arguments in, exit code out.

What a subcommand needs is imported when it is chosen, so that `--help` stays quick.
"""

import os
import sys
from argparse import Namespace
from collections.abc import Sequence

from kvorum.cli.arguments import make_parser
from kvorum.cli.console import Console

INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code: 0 fine; 1 a node could not start or failed, or a cluster refused; 2 wrong usage.

    130 if it was interrupted before a node took over the signals.
    """
    parser = make_parser(os.environ)
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
        case "member" | "transfer":
            return _ask_cluster(arguments)
        case "recover":
            return _recover(arguments)
        case _:
            return _variables()


def _serve(arguments: Namespace) -> int:
    # gRPC's own lines on stderr are no log lines of ours; what matters reaches us as errors.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    from kvorum.app import run
    from kvorum.cli.serve import serve

    return serve(arguments.env_file, os.environ, run=run, stderr=sys.stderr)


def _dev(arguments: Namespace) -> int:
    from kvorum.cli.dev import run_cluster

    return run_cluster(arguments.env_file, os.environ, stdout=sys.stdout, stderr=sys.stderr)


def _ask_cluster(arguments: Namespace) -> int:
    from kvorum.cli.cluster.commands import run_member, run_transfer

    run = run_member if arguments.command == "member" else run_transfer
    return run(arguments, Console(sys.stdin, sys.stdout, sys.stderr))


def _recover(arguments: Namespace) -> int:
    from kvorum.cli.recover import recover
    from kvorum.storage.fs import OsFileSystem

    console = Console(sys.stdin, sys.stdout, sys.stderr)
    return recover(OsFileSystem(), arguments.data_dir, confirmed=arguments.yes, console=console)


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
