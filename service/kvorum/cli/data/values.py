"""Values as a user gives them: JSON if it can be read so, else a text; or bytes.

JSON is kept letter by letter, as far as it is only put: no number loses digits on its way.
"""

import json
from argparse import Namespace
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from kvorum.cli.console import Console
from kvorum.cli.exits import Exit
from kvorum.cli.failed import CommandFailed
from kvorum.client.model import JSON_TYPE

BYTES_TYPE = "application/octet-stream"
STANDARD_INPUT = "-"

_check = msgspec.json.Decoder(msgspec.Raw).decode


class Value(NamedTuple):
    """``raw`` is JSON text if the content type is JSON's."""

    raw: bytes
    content_type: str = JSON_TYPE


def json_text(text: str) -> bytes:
    """The text itself; raises ValueError unless it is one JSON value (NaN is none)."""
    try:
        raw = text.strip().encode()
        _check(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(str(error)) from error
    return raw


def lenient(text: str) -> bytes:
    """The text itself if it is JSON, else as a JSON string."""
    try:
        return json_text(text)
    except UnicodeEncodeError as error:
        raise _no_unicode(error) from error
    except ValueError:
        return as_string(text)


def as_string(text: str) -> bytes:
    """As a JSON string."""
    try:
        return msgspec.json.encode(text)
    except UnicodeEncodeError as error:
        raise _no_unicode(error) from error


def _no_unicode(error: UnicodeEncodeError) -> CommandFailed:
    return CommandFailed(
        Exit.USAGE, f"the value is not UTF-8 at character {error.start}: give it by --raw or --file"
    )


def strict(text: str) -> bytes:
    """JSON, or a usage error."""
    try:
        return json_text(text)
    except ValueError as error:
        raise CommandFailed(Exit.USAGE, f"the value is not JSON: {error}") from error


def from_word(word: str, arguments: Namespace) -> bytes:
    """JSON text of a value that stands on the command line, read as its options say."""
    if arguments.string:
        return as_string(word)
    return strict(word) if arguments.json else lenient(word)


def as_python(text: bytes) -> Any:
    """JSON text as what the client takes."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise CommandFailed(Exit.USAGE, "the value is nested too deeply") from error


def given(arguments: Namespace, console: Console) -> Value:
    """What `put` is to store."""
    if (arguments.value is None) == (arguments.file is None):
        raise CommandFailed(Exit.USAGE, "name a VALUE, - for standard input, or --file FILE")
    if arguments.file is not None:
        return _from_bytes(_file_bytes(arguments.file), arguments)
    if arguments.value == STANDARD_INPUT:
        return _from_bytes(console.stdin.buffer.read(), arguments)
    if arguments.raw or arguments.content_type not in (None, JSON_TYPE):
        return _from_bytes(arguments.value.encode(errors="surrogateescape"), arguments)
    value = Value(from_word(arguments.value, arguments))
    if not (arguments.string or arguments.json) and _looks_like_json(arguments.value, value.raw):
        console.warn(
            "kvorum: this begins like JSON, but is none, and is kept as a text; "
            "--json refuses such, --string means it"
        )
    return value


def _looks_like_json(word: str, raw: bytes) -> bool:
    """Though it became a text."""
    return word.lstrip().startswith(("{", "[")) and raw.startswith(b'"')


def _from_bytes(raw: bytes, arguments: Namespace) -> Value:
    """Bytes stay bytes, unless an option or the content type says what they are."""
    is_json = arguments.json or arguments.content_type == JSON_TYPE
    if not arguments.string and not is_json:
        return Value(raw, arguments.content_type or BYTES_TYPE)
    if arguments.content_type not in (None, JSON_TYPE):
        raise CommandFailed(Exit.USAGE, "--content-type is for bytes: leave out --string or --json")
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise CommandFailed(Exit.USAGE, f"byte {error.start} is not UTF-8") from error
    return Value(as_string(text) if arguments.string else strict(text))


def _file_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CommandFailed(
            Exit.FAILED, f"{path} cannot be read: {error.strerror or error}"
        ) from error
