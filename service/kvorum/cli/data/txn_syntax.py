"""Transactions line by line, as `kvorum txn --help` describes them, into the form of `POST /txn`.

::

    if version config/a = 3
    put --ttl 30s config/a {"rate": 100}
    else
    get config/a

A key or an id is a word without blanks, or a JSON string; a value is the rest of its line: JSON
if it can be read so, else a text.
"""

import json
import re
from argparse import ArgumentTypeError
from collections.abc import Callable
from typing import Any

from msgspec import Raw

from kvorum.cli.asking import duration_s
from kvorum.cli.data.values import lenient

Fields = dict[str, Any]

_TARGETS = {
    "value": "value",
    "version": "version",
    "create-revision": "createRevision",
    "mod-revision": "modRevision",
    "lease": "lease",
}
_OPERATORS = ("=", "!=", "<", ">")
_WORD = re.compile(r'\s*("(?:[^"\\]|\\.)*"|\S+)\s*')


class TxnSyntaxError(ValueError):
    """The text names the line, and what is expected there."""


class _Line:
    """What is left of a line."""

    def __init__(self, text: str) -> None:
        self.rest = text.strip()

    def word(self, what: str) -> str:
        """The next word; a JSON string without its quotes."""
        found = _WORD.match(self.rest)
        if found is None:
            raise ValueError(f"{what} is missing")
        self.rest = self.rest[found.end() :]
        word = found[1]
        return str(json.loads(word)) if word.startswith('"') else word

    def options(self, **known: Callable[[str], object]) -> Fields:
        """Words that begin with ``--``, each with its argument unless it is a flag."""
        found: Fields = {}
        while self.rest.startswith("--"):
            name = self.word("an option").removeprefix("--")
            if name not in known:
                allowed = ", ".join(f"--{one}" for one in known)
                raise ValueError(f"--{name} is unknown here; there is {allowed or 'no option'}")
            found[name] = True if known[name] is bool else known[name](self.word(f"--{name}"))
        return found

    def value(self) -> Raw:
        """All the rest, as JSON text."""
        if not self.rest:
            raise ValueError("the value is missing")
        rest, self.rest = self.rest, ""
        return Raw(lenient(rest))

    def end(self) -> None:
        if self.rest:
            raise ValueError(f"{self.rest!r} is too much")


def parse_txn(text: str) -> Fields:
    """``compare``, ``then`` and ``else``; raises :class:`TxnSyntaxError`."""
    txn: Fields = {"compare": [], "then": [], "else": []}
    branch = "then"
    for number, written in enumerate(text.splitlines(), 1):
        line = _Line(written)
        if not line.rest or line.rest.startswith("#"):
            continue
        try:
            branch = _read(line, txn, branch)
            line.end()
        except (ValueError, ArgumentTypeError) as error:
            raise TxnSyntaxError(f"line {number}: {error}") from error
    if not txn["compare"] and not txn["then"]:
        raise TxnSyntaxError("the transaction is empty; `kvorum txn --help` shows the form")
    if txn["else"] and not txn["compare"]:
        raise TxnSyntaxError("there is an `else` without an `if`")
    return txn


def _read(line: _Line, txn: Fields, branch: str) -> str:
    """Takes one line in; the branch that the next one belongs to."""
    match line.word("a word"):
        case "if" | "and" if not txn["then"] and branch == "then":
            txn["compare"].append(_compare(line))
        case "if" | "and":
            raise ValueError("conditions come before everything else")
        case "then" if branch == "then" and not txn["then"]:
            pass
        case "else" if branch == "then":
            return "else"
        case "put":
            txn[branch].append({"put": _put(line)})
        case "delete":
            txn[branch].append({"delete": _selector(line, line.options(prefix=bool))})
        case "get":
            txn[branch].append({"get": _get(line)})
        case word:
            raise ValueError(f"{word!r} is not if, then, else, put, delete or get at its place")
    return branch


def _compare(line: _Line) -> Fields:
    first = line.word("a condition")
    if first in _TARGETS and not _is_condition(line.rest):
        return _comparison(line, line.word("the key"), _TARGETS[first])
    if line.rest in ("exists", "missing"):
        exists = line.word("") == "exists"
        return {"key": first, "target": "exists", "op": "=", "value": exists}
    return _comparison(line, first, "value")


def _is_condition(rest: str) -> bool:
    """After a key that is called like a target: `if version = 3` compares the key "version"."""
    return rest in ("exists", "missing") or rest.split(maxsplit=1)[:1] in (
        [op] for op in _OPERATORS
    )


def _comparison(line: _Line, key: str, target: str) -> Fields:
    operator = line.word("=, !=, < or >")
    if operator not in _OPERATORS:
        raise ValueError(f"{operator!r} is not =, !=, < or >")
    value: object
    match target:
        case "value":
            value = line.value()
        case "lease":
            value = line.word("the lease's id")
        case _:
            value = _whole(line.word("a number"))
    return {"key": key, "target": target, "op": operator, "value": value}


def _put(line: _Line) -> Fields:
    options = line.options(ttl=duration_s, lease=str)
    put: Fields = {"key": line.word("the key"), "value": line.value()}
    if "ttl" in options:
        put["ttlSeconds"] = options["ttl"]
    return put | ({"lease": options["lease"]} if "lease" in options else {})


def _get(line: _Line) -> Fields:
    """Options stand before the key or after it."""
    options = line.options(prefix=bool, limit=_whole)
    selector = _selector(line, options)
    options |= line.options(limit=_whole)
    return selector | ({"limit": options["limit"]} if "limit" in options else {})


def _selector(line: _Line, options: Fields) -> Fields:
    return {"prefix" if options.get("prefix") else "key": line.word("the key")}


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"{text!r} is no whole number")
    return int(text)
