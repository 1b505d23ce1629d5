"""The arguments of `kvorum import`, `export` and `completion`."""

from argparse import ArgumentParser

from kvorum.cli.asking import asking_options
from kvorum.cli.commands import Commands, add_command
from kvorum.cli.data.key_parsers import count, revision
from kvorum.cli.exits import EXIT_CODES

FORMATS = ("json", "jsonl", "env")

IMPORT = """\
Put every key of a file, in batches. The format goes by the file's name, or by --format:
  json    one object: {"key": value, ...}
  jsonl   one object a line: {"key": ..., "value": ...}, or for bytes
          {"key": ..., "valueBase64": ..., "contentType": ...}
  env     KEY=value lines; values are texts
Lines that are wrong, or that the cluster refuses, are reported with their numbers, and the
others are imported. When it is interrupted, the same command goes on where it stopped; a
file beside the input, named INPUT.kvorum-import, remembers it.

examples:
  kvorum import config.json
  kvorum import settings.env --prefix app/
  kvorum import users.jsonl --dry-run       # only check the file
  zcat users.jsonl.gz | kvorum import -
"""

EXPORT = """\
Write keys and values to a file: all as they were at one revision. FILE is replaced when all
is written, not before. The formats are those of `kvorum import`; -, or no FILE, is standard
output. Keys that hang on a lease are left out (they would live for ever when imported), unless
--leased is given; claims on locks and elections are always left out.

examples:
  kvorum export backup.jsonl
  kvorum export config.json --prefix config/
  kvorum export app.env --prefix app/ --strip
  kvorum export --revision 120 | wc -l
"""

COMPLETION = """\
Print a script that completes commands and options in your shell.

examples:
  source <(kvorum completion bash)                            # this shell
  kvorum completion bash > ~/.local/share/bash-completion/completions/kvorum
  kvorum completion zsh > ~/.zfunc/_kvorum                    # a directory of fpath
  kvorum completion tcsh > ~/.kvorum.tcsh                     # and source it in ~/.tcshrc
"""


def add_parsers(commands: Commands) -> None:
    """The commands on files, and completion."""
    _add_import(commands)
    _add_export(commands)
    completion = add_command(
        commands,
        "completion",
        "a script for your shell",
        COMPLETION,
        run="kvorum.cli.completion:run_completion",
    )
    completion.add_argument("shell", choices=("bash", "zsh", "tcsh"))


def _add_import(commands: Commands) -> None:
    load = add_command(
        commands,
        "import",
        "put every key of a file",
        IMPORT,
        run="kvorum.cli.data.importing:run_import",
        parents=[asking_options()],
        epilog=EXIT_CODES,
    )
    load.add_argument("file", metavar="FILE", help="- for standard input")
    _add_shared(load)
    load.add_argument("--prefix", default="", metavar="PREFIX", help="put before each key")
    load.add_argument("--dry-run", action="store_true", help="check the file, change nothing")
    load.add_argument(
        "--again", action="store_true", help="from the start, forget where it stopped"
    )
    load.add_argument(
        "--batch",
        type=count,
        default=100,
        metavar="N",
        help="keys a batch, up to 512 (default 100)",
    )
    load.add_argument(
        "--parallel", type=count, default=4, metavar="N", help="batches at once (default 4)"
    )


def _add_export(commands: Commands) -> None:
    save = add_command(
        commands,
        "export",
        "write keys to a file",
        EXPORT,
        run="kvorum.cli.data.exporting:run_export",
        parents=[asking_options()],
        epilog=EXIT_CODES,
    )
    save.add_argument("file", nargs="?", default="-", metavar="FILE")
    _add_shared(save)
    save.add_argument("--prefix", default="", metavar="PREFIX", help="only keys that begin so")
    save.add_argument("--strip", action="store_true", help="leave the prefix off the keys")
    save.add_argument("--leased", action="store_true", help="keys that hang on a lease too")
    save.add_argument("--revision", type=revision, metavar="N", help="as it was after revision N")


def _add_shared(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--format", choices=FORMATS, help="default: by the name of FILE, else jsonl"
    )
