"""`kvorum ls`: keys page by page as they come, so that a million of them need no room."""

import shutil
from argparse import Namespace
from collections.abc import Iterator
from itertools import islice

from kvorum.cli.console import Console
from kvorum.cli.data.keys import HEADINGS, row_of
from kvorum.cli.data.session import asks
from kvorum.cli.exits import Exit
from kvorum.cli.failed import CommandFailed
from kvorum.cli.output import as_fields, columns, json_line, printable, shortened
from kvorum.client import Client
from kvorum.client.model import KeyValue

CHUNK = 500


@asks
def run_ls(client: Client, arguments: Namespace, console: Console) -> int:
    if arguments.same_prefix is not None:
        if arguments.prefix is not None:
            raise CommandFailed(Exit.USAGE, "name one PREFIX")
        arguments.prefix = arguments.same_prefix
    if arguments.prefix is not None and (arguments.start, arguments.end) != (None, None):
        raise CommandFailed(Exit.USAGE, "name a PREFIX, or --start and --end")
    if arguments.count:
        return _count(client, arguments, console)
    items = client.range(
        prefix=arguments.prefix,
        start=arguments.start,
        end=arguments.end,
        limit=arguments.limit,
        reverse=arguments.reverse,
        keys_only=arguments.keys_only or arguments.output == "raw",
        revision=arguments.revision or 0,
        stale=arguments.stale,
    )
    if arguments.output == "json":
        for item in items:
            console.say(json_line(as_fields(item)))
    elif arguments.keys_only or arguments.output == "raw":
        for item in items:
            console.say(item.key if arguments.output == "raw" else printable(item.key))
    else:
        _show_table(items, console)
    return Exit.DONE


def _count(client: Client, arguments: Namespace, console: Console) -> int:
    found = client.count(
        prefix=arguments.prefix,
        start=arguments.start,
        end=arguments.end,
        revision=arguments.revision or 0,
        stale=arguments.stale,
    )
    console.say(json_line({"count": found}) if arguments.output == "json" else str(found))
    return Exit.DONE


def _show_table(items: Iterator[KeyValue], console: Console) -> None:
    """The columns of the first keys are as wide as theirs; later ones may only be wider."""
    width = shutil.get_terminal_size().columns if console.stdout.isatty() else 0
    widths: tuple[int, ...] = ()
    heading = [HEADINGS]
    while chunk := list(islice(items, CHUNK)):
        rows = heading + [row_of(item) for item in chunk]
        widths = _measured(rows, widths)
        for line in columns(rows, widths):
            console.say(shortened(line, width) if width else line)
        heading = []


def _measured(rows: list[tuple[str, ...]], before: tuple[int, ...]) -> tuple[int, ...]:
    """Of all columns but the last, which nothing follows."""
    now = [max(len(printable(cell)) for cell in column) for column in zip(*rows, strict=True)]
    return (*(max(pair) for pair in zip(now[:-1], before[:-1] or now[:-1], strict=True)), 0)
