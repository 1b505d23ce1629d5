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


class CommandParser(ArgumentParser):
    """A parser that may leave everything after ``--`` alone, as ``command_line``.

    For a program with arguments of its own, which :mod:`argparse` would mix up with ours.
    """

    takes_command_line = False

    def parse_known_args(  # type: ignore[override]  # the base has overloads, with one body
        self, args: Sequence[str] | None = None, namespace: Namespace | None = None
    ) -> tuple[Namespace, list[str]]:
        """As of the base; see there."""
        if not self.takes_command_line or args is None:
            return super().parse_known_args(args, namespace)
        at = args.index("--") if "--" in args else len(args)
        found, unknown = super().parse_known_args(args[:at], namespace)
        found.command_line = list(args[at + 1 :])
        return found, unknown


class Commands(Protocol):
    """What ``add_subparsers`` returns: its class has no public name."""

    def add_parser(self, name: str, **options: Any) -> CommandParser: ...


def add_command(
    commands: Commands,
    name: str,
    summary: str,
    description: str,
    *,
    run: str = "",
    parents: Sequence[ArgumentParser] = (),
    epilog: str = "",
) -> CommandParser:
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
