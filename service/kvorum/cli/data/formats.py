"""Files of keys and values: JSON, JSON lines and env files, read with the lines they stand on.

What is wrong with one entry is an entry too (:class:`Wrong`), so that the others can be used.
"""

import json
import re
from collections.abc import Iterator
from io import StringIO
from pathlib import PurePath
from typing import NamedTuple, TextIO

import msgspec
from dotenv.parser import parse_stream
from msgspec import UNSET, Raw, Struct, UnsetType

from kvorum.cli.data.values import BYTES_TYPE, as_string, json_text
from kvorum.client.model import JSON_TYPE

LINE_CHARS_MAX = 16 << 20
"""A line that is longer holds no value that any node takes."""

_BLANK = re.compile(r"[ \t\r\n]*")


class Entry(NamedTuple):
    """A key to put; ``raw`` is JSON text if the content type is JSON's."""

    line: int
    key: str
    raw: bytes
    content_type: str = JSON_TYPE


class Wrong(NamedTuple):
    """A place of the file that cannot be used, and why."""

    line: int
    reason: str


class _Line(Struct, rename="camel"):
    key: str
    value: Raw | UnsetType = UNSET
    value_base64: bytes | UnsetType = UNSET
    content_type: str = BYTES_TYPE


_decode = msgspec.json.Decoder(_Line).decode


class Unreadable(Exception):
    """Nothing after this place of the file can be understood."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line = line
        self.reason = reason


def format_of(name: str) -> str:
    """By the file's name; "jsonl" if that says nothing."""
    path = PurePath(name)
    match path.suffix.lower():
        case ".json":
            return "json"
        case ".env":
            return "env"
        case _:
            is_env = path.name == ".env" or path.name.startswith(".env.")
            return "env" if is_env else "jsonl"


def read_entries(source: TextIO, form: str) -> Iterator[Entry | Wrong]:
    """In the order of the file; raises :class:`Unreadable`."""
    match form:
        case "json":
            return _json_entries(source.read())
        case "env":
            return _env_entries(source.read())
        case _:
            return _line_entries(source)


def _line_entries(source: TextIO) -> Iterator[Entry | Wrong]:
    number = 0
    while text := source.readline(LINE_CHARS_MAX):
        number += 1
        if len(text) == LINE_CHARS_MAX and not text.endswith("\n"):
            raise Unreadable(number, f"it is longer than {LINE_CHARS_MAX >> 20} MiB")
        if not _BLANK.fullmatch(text):
            yield _line_entry(number, text)


def _line_entry(number: int, text: str) -> Entry | Wrong:
    try:
        fields = _decode(text.encode())
    except (ValueError, RecursionError) as error:
        return Wrong(number, f"this is no entry: {error}")
    if (fields.value is UNSET) == (fields.value_base64 is UNSET):
        return Wrong(number, 'this is no entry: either "value" or "valueBase64" is needed')
    if isinstance(fields.value, Raw):
        return Entry(number, fields.key, bytes(fields.value))
    assert isinstance(fields.value_base64, bytes)
    return Entry(number, fields.key, fields.value_base64, fields.content_type)


class _Cursor:
    """A place in a text that only moves forward, and knows its line."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._counted_to = 0
        self.line = 1
        self._decoder = json.JSONDecoder()

    def peek(self) -> str:
        """The next character that is not blank; "" at the end."""
        blank = _BLANK.match(self._text, self._at)
        assert blank is not None, "it matches nothing at all, too"
        self._move_to(blank.end())
        return self._text[self._at : self._at + 1]

    def expect(self, allowed: str) -> str:
        found = self.peek()
        if not found or found not in allowed:
            raise Unreadable(self.line, f"expected {' or '.join(allowed)}, found {found or 'end'}")
        self._move_to(self._at + 1)
        return found

    def value(self) -> bytes:
        """The text of any JSON value; ``line`` is the one it begins on until the next move."""
        self.peek()
        try:
            _, end = self._decoder.raw_decode(self._text, self._at)
            raw = json_text(self._text[self._at : end])
        except json.JSONDecodeError as error:
            line = self._text.count("\n", 0, error.pos) + 1
            raise Unreadable(line, f"this is not JSON: {error.msg}") from error
        except (ValueError, RecursionError) as error:
            raise Unreadable(self.line, f"this is not JSON: {error}") from error
        self._at = end
        return raw

    def _move_to(self, place: int) -> None:
        self.line += self._text.count("\n", self._counted_to, place)
        self._at = self._counted_to = place


def _json_entries(text: str) -> Iterator[Entry | Wrong]:
    cursor = _Cursor(text)
    cursor.expect("{")
    if cursor.peek() == "}":
        cursor.expect("}")
    else:
        yield from _members(cursor)
    if found := cursor.peek():
        raise Unreadable(cursor.line, f"there is more after the object: {found}")


def _members(cursor: _Cursor) -> Iterator[Entry | Wrong]:
    separator = ","
    while separator == ",":
        if cursor.peek() != '"':
            raise Unreadable(cursor.line, "expected a key in quotes")
        line = cursor.line
        key = msgspec.json.decode(cursor.value(), type=str)
        cursor.expect(":")
        yield Entry(line, key, cursor.value())
        separator = cursor.expect(",}")


def _env_entries(text: str) -> Iterator[Entry | Wrong]:
    """Nothing is interpolated; a value is a text."""
    for binding in parse_stream(StringIO(text)):
        original = binding.original.string
        blank = original[: len(original) - len(original.lstrip())]
        line = binding.original.line + blank.count("\n")
        if binding.error or (binding.key is not None and binding.value is None):
            yield Wrong(line, f"this is no NAME=value: {original.strip().partition(chr(10))[0]}")
        elif binding.key is not None:
            assert binding.value is not None
            yield Entry(line, binding.key, as_string(binding.value))
