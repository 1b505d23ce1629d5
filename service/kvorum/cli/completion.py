"""`kvorum completion`: a script for the shell, out of the parser itself."""

from argparse import Action, ArgumentParser, Namespace, _SubParsersAction
from collections.abc import Iterator

import shtab

from kvorum.cli.arguments import make_parser
from kvorum.cli.console import Console
from kvorum.cli.exits import Exit

_COMPLETED = {"FILE": shtab.FILE, "DIR": shtab.DIRECTORY, "DATA_DIR": shtab.DIRECTORY}
"""By what an argument is called in the help."""


def run_completion(arguments: Namespace, console: Console) -> int:
    """Prints the script."""
    parser = make_parser()
    for action in _actions(parser):
        if isinstance(action.metavar, str) and action.metavar in _COMPLETED:
            vars(action)["complete"] = _COMPLETED[action.metavar]
    console.say(shtab.complete(parser, shell=arguments.shell))
    return Exit.DONE


def _actions(parser: ArgumentParser) -> Iterator[Action]:
    """Of the parser and all its subparsers."""
    for action in parser._actions:  # noqa: SLF001  # argparse has no public list of them
        yield action
        if isinstance(action, _SubParsersAction):
            for child in action.choices.values():
                yield from _actions(child)
