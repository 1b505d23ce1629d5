"""`kvorum watch`: a line a change, until Ctrl-C."""

from argparse import Namespace
from collections.abc import Iterator

from kvorum.cli.console import Console
from kvorum.cli.data.session import asks
from kvorum.cli.exits import Exit
from kvorum.cli.failed import CommandFailed
from kvorum.cli.output import as_fields, json_line, printable, value_text
from kvorum.cli.signals import ending_in_order
from kvorum.client import Client
from kvorum.client.model import Event


@asks
def run_watch(client: Client, arguments: Namespace, console: Console) -> int:
    choices = (arguments.key, arguments.prefix, arguments.start or arguments.end)
    if sum(choice is not None for choice in choices) != 1:
        raise CommandFailed(Exit.USAGE, "name a KEY, or --prefix, or --start and --end")
    left = arguments.changes
    with ending_in_order():
        for revision, event in _events(client, arguments):
            _show(revision, event, arguments, console)
            console.stdout.flush()
            if left is not None:
                left -= 1
                if not left:
                    break
    return Exit.DONE


def _events(client: Client, arguments: Namespace) -> Iterator[tuple[int, Event]]:
    types = arguments.types or ("put", "delete")
    with client.watch(
        arguments.key,
        prefix=arguments.prefix,
        start=arguments.start,
        end=arguments.end,
        from_revision=arguments.from_revision,
        previous=arguments.previous,
        puts="put" in types,
        deletes="delete" in types,
    ) as changes:
        for change in changes:
            for event in change.events:
                yield change.revision, event


def _show(revision: int, event: Event, arguments: Namespace, console: Console) -> None:
    match arguments.output:
        case "json":
            console.say(json_line(_as_fields(revision, event, arguments.previous)))
        case "raw":
            if event.item is not None:
                console.write(event.item.raw + b"\n")
        case _:
            console.say(_line(revision, event, arguments.previous))


def _as_fields(revision: int, event: Event, with_previous: bool) -> dict[str, object]:
    fields: dict[str, object] = {
        "revision": revision,
        "type": "delete" if event.item is None else "put",
        "key": event.key,
    }
    if event.item is not None:
        fields |= as_fields(event.item)
    if with_previous:
        fields["previous"] = as_fields(event.previous) if event.previous else None
    return fields


def _line(revision: int, event: Event, with_previous: bool) -> str:
    if event.item is None:
        said = f"{revision}  delete  {printable(event.key)}"
    else:
        said = f"{revision}  put  {printable(event.key)} = {printable(value_text(event.item))}"
    if with_previous:
        before = printable(value_text(event.previous)) if event.previous else "no such key"
        said += f"  (before: {before})"
    return said
