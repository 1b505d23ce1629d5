"""How a group of commands adds itself to the parser: its arguments now, its code when chosen.

Each group has a module ``parsers`` with a function ``add_parsers(commands)``. It imports nothing
but this: what a command needs is named as text and imported when the command runs, so that the
command line stays quick.
"""

from argparse import (
    Action,
    ArgumentParser,
    Namespace,
    RawDescriptionHelpFormatter,
    _SubParsersAction,
)
from collections.abc import Callable, Sequence
from importlib import import_module
from itertools import islice
from typing import Any, Protocol, cast

from kvorum.cli.console import Console


class CommandParser(ArgumentParser):
    """A parser that takes options anywhere, as in ``put KEY --ttl 30s VALUE``.

    :mod:`argparse` by itself gives up on VALUE there, because it may be left out. And what
    stands after ``--`` can be left alone, as ``command_line``: a program with options of its own.
    """

    takes_command_line = False

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"allow_abbrev": False, **options})

    def parse_known_args(  # type: ignore[override]  # the base has overloads, with one body
        self, args: Sequence[str] | None = None, namespace: Namespace | None = None
    ) -> tuple[Namespace, list[str]]:
        """As of the base; see there."""
        if args is None or self._subparsers is not None:
            return super().parse_known_args(args, namespace)
        at = args.index("--") if "--" in args else len(args)
        ours, theirs = self._options_first(args[:at]), list(args[at + 1 :])
        if not self.takes_command_line:
            return super().parse_known_args([*ours, *args[at:]], namespace)
        found, unknown = super().parse_known_args(ours, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}; a COMMAND stands after --")
        found.command_line = theirs
        return found, unknown

    def _check_value(self, action: Action, value: Any) -> None:
        """As of the base; an unknown command gets the likeliest instead of a list of all."""
        if isinstance(action, _SubParsersAction) and value not in action.choices:
            from difflib import get_close_matches  # noqa: PLC0415  # seldom needed

            close = get_close_matches(str(value), action.choices, 1)
            hint = f"did you mean {close[0]}?" if close else f"`{self.prog} --help` lists them"
            self.error(f"there is no command {value!r}; {hint}")
        super()._check_value(action, value)

    def _options_first(self, args: Sequence[str]) -> list[str]:
        """The same, options with their arguments before everything else."""
        options: list[str] = []
        words: list[str] = []
        rest = iter(args)
        for word in rest:
            action = self._option_string_actions.get(word.partition("=")[0])
            if action is None and not word.startswith("--"):
                action = self._option_string_actions.get(word[:2])  # -ojson
                takes_next = False
            else:
                takes_next = action is not None and action.nargs is None and "=" not in word
            (words if action is None else options).append(word)
            if takes_next:
                options.extend(islice(rest, 1))
        return options + words


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
