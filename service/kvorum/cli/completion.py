"""`kvorum completion`: a script for the shell, out of the parser itself."""

from argparse import Namespace

import shtab

from kvorum.cli.arguments import make_parser
from kvorum.cli.console import Console
from kvorum.cli.exits import Exit


def run_completion(arguments: Namespace, console: Console) -> int:
    console.say(shtab.complete(make_parser(), shell=arguments.shell))
    return Exit.DONE
