"""Keys and values as the lines of a file, in the formats that `formats` reads."""

import re
from collections.abc import Iterable, Iterator

import msgspec

from kvorum.cli.exits import Exit
from kvorum.cli.failed import CommandFailed
from kvorum.cli.output import json_line, printable, value_fields
from kvorum.client.model import KeyValue

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,-]+")


def lines_of(items: Iterable[KeyValue], form: str) -> Iterator[str]:
    """Text, line ends included. Raises :class:`CommandFailed` for what the format cannot say."""
    match form:
        case "json":
            return _object(items)
        case "env":
            return map(_assignment, items)
        case _:
            return map(_entry, items)


def _entry(item: KeyValue) -> str:
    return json_line({"key": item.key} | value_fields(item)) + "\n"


def _object(items: Iterable[KeyValue]) -> Iterator[str]:
    between = "{\n"
    for item in items:
        if not item.is_json:
            raise _cannot_say(item, "json", f"it holds bytes of {item.content_type}")
        yield f"{between}  {json_line(item.key)}: {item.raw.decode()}"
        between = ",\n"
    yield "{}\n" if between == "{\n" else "\n}\n"


def _assignment(item: KeyValue) -> str:
    if not _NAME.fullmatch(item.key):
        raise _cannot_say(
            item, "env", "that is no name of a variable (--strip leaves the prefix off)"
        )
    if not item.is_json:
        raise _cannot_say(item, "env", f"it holds bytes of {item.content_type}")
    text = item.raw.decode()
    value = msgspec.json.decode(item.raw, type=str) if text.startswith('"') else text
    return f"{item.key}={_quoted(value)}\n"


def _quoted(text: str) -> str:
    r"""In single quotes only ``\\`` and ``\'`` are escapes."""
    if _PLAIN.fullmatch(text):
        return text
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _cannot_say(item: KeyValue, form: str, why: str) -> CommandFailed:
    return CommandFailed(
        Exit.FAILED, f"{printable(item.key)} cannot be written as {form}: {why}. Take jsonl"
    )
