"""Commands that need no running cluster: their dependencies, put together when one is chosen."""

import os
from argparse import Namespace

from kvorum.cli.console import Console


def run_serve(arguments: Namespace, console: Console) -> int:
    # gRPC's own lines on stderr are no log lines of ours; what matters reaches us as errors.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
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
