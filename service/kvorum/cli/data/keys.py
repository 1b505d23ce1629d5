"""`kvorum get`, `put`, `del`, `cas`."""

from argparse import Namespace

import msgspec

from kvorum.cli.console import Console
from kvorum.cli.data.session import asks
from kvorum.cli.data.values import as_python, from_word, given
from kvorum.cli.exits import Exit
from kvorum.cli.failed import CommandFailed
from kvorum.cli.failures import report
from kvorum.cli.output import (
    as_fields,
    columns,
    json_block,
    printable,
    printable_lines,
    value_text,
)
from kvorum.client import Client
from kvorum.client.errors import NotFound, ValueMismatch
from kvorum.client.model import KeyValue, Written

HEADINGS = ("KEY", "VERSION", "CREATED", "CHANGED", "LEASE", "VALUE")


@asks
def run_get(client: Client, arguments: Namespace, console: Console) -> int:
    try:
        item = client.get(arguments.key, revision=arguments.revision or 0, stale=arguments.stale)
    except NotFound as error:
        raise _no_such(arguments.key) from error
    match arguments.output:
        case "json":
            console.say(json_block(as_fields(item)))
        case "table":
            for line in columns([HEADINGS, row_of(item)]):
                console.say(line)
        case "raw":
            console.write(item.raw)
        case _:
            _show_value(item, console)
    return Exit.DONE


def _no_such(key: str) -> CommandFailed:
    return CommandFailed(Exit.NOT_FOUND, f"there is no key {printable(key)}", key=key)


def row_of(item: KeyValue) -> tuple[str, ...]:
    """The cells under :data:`HEADINGS`."""
    return (
        item.key,
        str(item.version),
        str(item.create_revision),
        str(item.mod_revision),
        item.lease or "-",
        value_text(item),
    )


def _show_value(item: KeyValue, console: Console) -> None:
    """Text as it is; a terminal is spared bytes and escapes that it could take for commands."""
    is_terminal = console.stdout.isatty()
    if not item.is_json:
        if is_terminal:
            console.say(printable_lines(value_text(item)))
        else:
            console.write(item.raw)
        return
    text = item.raw.decode()
    if text.startswith('"'):
        text = msgspec.json.decode(item.raw, type=str)
    console.say(printable_lines(text) if is_terminal else text)


@asks
def run_put(client: Client, arguments: Namespace, console: Console) -> int:
    value = given(arguments, console)
    written = client.put(
        arguments.key,
        value.raw,
        content_type=value.content_type,
        ttl_s=arguments.ttl,
        lease=arguments.lease or "",
        if_revision=arguments.if_revision,
        if_absent=arguments.if_absent,
        previous=arguments.previous,
    )
    _show_written("put", arguments.key, written, arguments, console)
    return Exit.DONE


@asks
def run_cas(client: Client, arguments: Namespace, console: Console) -> int:
    expected = as_python(from_word(arguments.expected, arguments))
    value = as_python(from_word(arguments.value, arguments))
    try:
        written = client.cas(arguments.key, expected, value)
    except NotFound as error:
        raise _no_such(arguments.key) from error
    except ValueMismatch as error:
        raise CommandFailed(
            Exit.CONFLICT, f"{printable(arguments.key)} holds another value", key=arguments.key
        ) from error
    _show_written("put", arguments.key, written, arguments, console)
    return Exit.DONE


def _show_written(
    verb: str, key: str, written: Written, arguments: Namespace, console: Console
) -> None:
    before = written.previous
    wants_previous = getattr(arguments, "previous", False)
    match arguments.output:
        case "json":
            fields = {"key": key, "revision": written.revision, "requestId": written.request_id}
            if wants_previous:
                fields["previous"] = as_fields(before) if before else None
            console.say(json_block(fields))
        case "raw":
            console.say(str(written.revision))
        case _:
            console.say(f"{verb} {printable(key)} at revision {written.revision}")
            if wants_previous:
                console.say(f"before: {printable(value_text(before)) if before else 'no such key'}")


@asks
def run_del(client: Client, arguments: Namespace, console: Console) -> int:
    is_range = any(
        choice is not None for choice in (arguments.prefix, arguments.start, arguments.end)
    )
    if (bool(arguments.keys) + is_range + arguments.all) != 1:
        raise CommandFailed(
            Exit.USAGE, "name KEYs, or a range (--prefix, or --start and --end), or --all"
        )
    if arguments.prefix == "":
        raise CommandFailed(Exit.USAGE, "that would delete every key: say --all if it is meant")
    if arguments.keys:
        return _delete_each(client, arguments, console)
    if arguments.if_revision is not None or arguments.previous:
        raise CommandFailed(Exit.USAGE, "--if-revision and --previous are for single keys")
    return _delete_range(client, arguments, console)


def _delete_each(client: Client, arguments: Namespace, console: Console) -> int:
    """A key that is not there does not keep the others."""
    code: int = Exit.DONE
    if arguments.if_revision is not None and len(arguments.keys) > 1:
        raise CommandFailed(Exit.USAGE, "--if-revision is for one KEY")
    for key in arguments.keys:
        try:
            written = client.delete(
                key, if_revision=arguments.if_revision, previous=arguments.previous
            )
        except NotFound:
            code = report(_no_such(key), console, as_json=arguments.output == "json")
        else:
            _show_written("deleted", key, written, arguments, console)
    return code


def _delete_range(client: Client, arguments: Namespace, console: Console) -> int:
    done = client.delete_range(
        prefix=arguments.prefix, start=arguments.start, end=arguments.end, everything=arguments.all
    )
    deleted = done.deleted
    while done.more:
        done = client.delete_range(
            prefix=arguments.prefix,
            start=arguments.start,
            end=arguments.end,
            everything=arguments.all,
        )
        deleted += done.deleted
    match arguments.output:
        case "json":
            console.say(json_block({"deleted": deleted, "revision": done.revision}))
        case "raw":
            console.say(str(deleted))
        case _:
            keys = "key" if deleted == 1 else "keys"
            console.say(f"deleted {deleted} {keys} at revision {done.revision}")
    return Exit.DONE
