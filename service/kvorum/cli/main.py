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

    INTERRUPTED if it was before a node took over the signals.
    """
    arguments = parse(argv, os.environ)
    if arguments.version:
        return _version()
    try:
        return load(arguments.run)(arguments, Console(sys.stdin, sys.stdout, sys.stderr))
    except KeyboardInterrupt:
        return Exit.INTERRUPTED


def _version() -> int:
    from importlib.metadata import version

    print(f"kvorum {version('kvorum')}")
    return Exit.DONE


if __name__ == "__main__":
    sys.exit(main())
