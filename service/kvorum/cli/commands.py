"""How a group of commands adds itself to the parser: its arguments now, its code when chosen.

Each group has a module ``parsers`` with a function ``add_parsers(commands)``. It imports nothing
but this: what a command needs is named as text and imported when the command runs, so that the
command line stays quick.
"""

from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, Protocol, cast

from kvorum.cli.console import Console


class Commands(Protocol):
    """What ``add_subparsers`` returns: its class has no public name."""

    def add_parser(self, name: str, **options: Any) -> ArgumentParser: ...


def add_command(
    commands: Commands,
    name: str,
    summary: str,
    description: str,
    *,
    run: str = "",
    parents: Sequence[ArgumentParser] = (),
    epilog: str = "",
) -> ArgumentParser:
    """A command whose code is ``run``, as "package.module:function"; "" if it has subcommands.

    The function takes the arguments and a console, and returns the exit code.
    """
    parser = commands.add_parser(
        name,
        help=summary,
        description=description,
        epilog=epilog or None,
        formatter_class=RawDescriptionHelpFormatter,
        parents=list(parents),
    )
    if run:
        parser.set_defaults(run=run)
    return parser


def load(run: str) -> Callable[[Namespace, Console], int]:
    """The function that ``run`` names."""
    module, _, function = run.partition(":")
    return cast("Callable[[Namespace, Console], int]", getattr(import_module(module), function))
