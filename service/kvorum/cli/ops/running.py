"""Commands that need no running cluster: their dependencies, put together when one is chosen."""

import os
from argparse import Namespace

from kvorum.cli.console import Console

GRPC_ENVIRONMENT = {
    # gRPC's own lines on stderr are no log lines of ours; what matters reaches us as errors.
    "GRPC_VERBOSITY": "ERROR",
    # The thread that hands completions to the event loop reads the sockets itself. With gRPC's
    # event engine two other threads do, which wake each other and then that one: for messages
    # as small as ours that is half of all thread switches and a third of the way to a peer.
    "GRPC_EXPERIMENTS": "-event_engine_client,-event_engine_listener",
}
"""Defaults of what gRPC reads from the environment when it is imported."""


def run_serve(arguments: Namespace, console: Console) -> int:
    for name, value in GRPC_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    from kvorum.app.process import run
    from kvorum.cli.serve import serve

    return serve(arguments.env_file, os.environ, run=run, stderr=console.stderr)


def run_dev(arguments: Namespace, console: Console) -> int:
    from kvorum.cli.dev import run_cluster

    return run_cluster(
        arguments.env_file,
        os.environ,
        stdout=console.stdout,
        stderr=console.stderr,
        size=arguments.size,
        directory=arguments.dir,
    )


def run_recover(arguments: Namespace, console: Console) -> int:
    from kvorum.cli.recover import recover
    from kvorum.storage.fs import OsFileSystem

    return recover(OsFileSystem(), arguments.data_dir, confirmed=arguments.yes, console=console)


def run_variables(arguments: Namespace, console: Console) -> int:
    from kvorum.settings import describe_variables

    del arguments
    console.say(describe_variables())
    return 0
