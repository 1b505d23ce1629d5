"""The `kvorum` command: arguments in, exit code out.

What a command needs is imported when it is chosen, so that `--help` stays quick.
"""

import os
import sys
from collections.abc import Sequence

from kvorum.cli.arguments import parse
from kvorum.cli.commands import load
from kvorum.cli.console import Console
from kvorum.cli.exits import Exit


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code, as :class:`kvorum.cli.exits.Exit` and `kvorum --help` list them.

    A command ended by Ctrl-C exits with INTERRUPTED, by another signal with 128 + its number.
    """
    arguments = parse(argv, os.environ)
    if arguments.version:
        return _version()
    try:
        return load(arguments.run)(arguments, Console(sys.stdin, sys.stdout, sys.stderr))
    except KeyboardInterrupt as interrupt:
        return getattr(interrupt, "code", Exit.INTERRUPTED)
    except BrokenPipeError:
        return _reader_gone()


def _reader_gone() -> int:
    """As `kvorum ls | head`: nobody reads on, and Python must not try to write what is left."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return Exit.DONE


def _version() -> int:
    from importlib.metadata import version

    print(f"kvorum {version('kvorum')}")
    return Exit.DONE


if __name__ == "__main__":
    sys.exit(main())
