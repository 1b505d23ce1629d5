"""What commands print, and how they end when something goes wrong."""

import io
import json
from unicodedata import category

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvorum.cli.console import Console
from kvorum.cli.data.progress import LINES_EVERY_S, _Lines
from kvorum.cli.exits import Exit
from kvorum.cli.failed import CommandFailed
from kvorum.cli.failures import exit_of, report
from kvorum.cli.output import as_fields, columns, json_line, printable, shortened, value_text
from kvorum.client.errors import (
    ClientError,
    Compacted,
    Full,
    InvalidRequest,
    LeaseNotFound,
    NotFound,
    OutcomeUnknown,
    PreconditionFailed,
    ServerFault,
    Taken,
    Unavailable,
    UnexpectedAnswer,
    ValueMismatch,
    WriteUnconfirmed,
)
from kvorum.client.model import KeyValue


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotFound("x"), Exit.NOT_FOUND),
        (LeaseNotFound("x"), Exit.NOT_FOUND),
        (PreconditionFailed("x"), Exit.CONFLICT),
        (ValueMismatch("x"), Exit.CONFLICT),
        (Taken("x"), Exit.CONFLICT),
        (Unavailable("x"), Exit.UNAVAILABLE),
        (WriteUnconfirmed("x"), Exit.UNKNOWN),
        (OutcomeUnknown("x"), Exit.UNKNOWN),
        (InvalidRequest("x"), Exit.FAILED),
        (Compacted("x"), Exit.FAILED),
        (Full("x"), Exit.FAILED),
        (ServerFault("x"), Exit.FAILED),
        (UnexpectedAnswer("x"), Exit.FAILED),
    ],
)
def test_exit_codes(error: ClientError, code: Exit) -> None:
    assert exit_of(error) == code


def told(error: ClientError | CommandFailed, *, as_json: bool) -> str:
    console = Console(io.StringIO(), io.StringIO(), io.StringIO())
    report(error, console, as_json=as_json)
    assert isinstance(console.stderr, io.StringIO)
    return console.stderr.getvalue()


@pytest.mark.parametrize(
    ("error", "lines"),
    [
        (InvalidRequest("it is wrong"), 1),
        (Full("the store is full"), 2),
        (Unavailable("nobody answers"), 2),
        (WriteUnconfirmed("who knows"), 2),
        (CommandFailed(Exit.USAGE, "name a KEY"), 1),
        (InvalidRequest(""), 1),
    ],
)
def test_an_error_takes_one_or_two_lines(error: ClientError | CommandFailed, lines: int) -> None:
    text = told(error, as_json=False)
    assert text.startswith("kvorum: ")
    assert len(text.splitlines()) == lines


@pytest.mark.parametrize(
    ("error", "fields"),
    [
        (
            CommandFailed(Exit.NOT_FOUND, "x", key="k"),
            {"kind": "not-found", "exitCode": 3, "key": "k"},
        ),
        (CommandFailed(127, "x"), {"kind": "other", "exitCode": 127}),
        (
            Compacted("x", oldest_revision=7),
            {"kind": "compacted", "exitCode": 1, "oldestRevision": 7},
        ),
        (
            WriteUnconfirmed("x", request_id="r"),
            {"kind": "write-unconfirmed", "exitCode": 6, "requestId": "r"},
        ),
    ],
)
def test_an_error_as_json(error: ClientError | CommandFailed, fields: dict[str, object]) -> None:
    assert json.loads(told(error, as_json=True)) == {"error": "x", **fields}


@given(st.text())
def test_nothing_printable_can_command_a_terminal(text: str) -> None:
    assert all(char.isprintable() or category(char) == "Zs" for char in printable(text))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("zwölf 十二", "zwölf 十二"),
        ("a\x1b[0m\n", "a\\x1b[0m\\n"),
        ("\u202e", "\\u202e"),
        ("\ud800", "\\ud800"),
        ("\x85", "\\x85"),
    ],
)
def test_control_characters_as_escapes(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_columns() -> None:
    assert columns([("KEY", "N"), ("a", "10"), ("longer", "1")]) == [
        "KEY     N",
        "a       10",
        "longer  1",
    ]
    assert columns([("a", "b")], (3, 0)) == ["a    b"]
    assert columns([]) == []


@pytest.mark.parametrize(("width", "shown"), [(9, "abcdef"), (6, "abcdef"), (5, "abcd…"), (1, "…")])
def test_shortened(width: int, shown: str) -> None:
    assert shortened("abcdef", width) == shown


def test_numbers_lose_no_digits() -> None:
    item = KeyValue("k", b"0.1000000000000000000001", 1, 2, 3)
    assert '"value":0.1000000000000000000001,' in json_line(as_fields(item))


@pytest.mark.parametrize(
    ("raw", "text"), [(b"\xff\x00", "(2 bytes of a/b)"), (b"text", "text"), (b"", "")]
)
def test_bytes_on_one_line(raw: bytes, text: str) -> None:
    assert value_text(KeyValue("k", raw, 1, 1, 1, "", "a/b")) == text


def test_progress_without_a_terminal_is_a_line_now_and_then() -> None:
    now_s = 0.0
    err = io.StringIO()
    lines = _Lines(Console(io.StringIO(), io.StringIO(), err), "importing", 100, lambda: now_s)
    lines(10)
    now_s = LINES_EVERY_S
    lines(20)
    lines(30)
    assert err.getvalue() == "kvorum: importing: 20 of 100\n"
