"""A command that ends before it is done: its exit code, and why, in words or as JSON."""

from collections.abc import Mapping

import msgspec

from kvorum.cli.console import Console
from kvorum.cli.exits import Exit


class CommandFailed(Exception):
    """The command ends here; the text says why and what to do. ``fields`` go into the JSON."""

    def __init__(self, code: int, text: str, **fields: object) -> None:
        super().__init__(text)
        self.code = code
        self.fields = fields

    @property
    def kind(self) -> str:
        """The name of its code, in JSON."""
        if isinstance(self.code, Exit):
            return self.code.name.lower().replace("_", "-")
        return "other"


def tell_failure(error: CommandFailed, console: Console, *, as_json: bool) -> int:
    """On stderr; returns the exit code."""
    if as_json:
        tell_as_json(console, str(error), error.kind, error.code, error.fields)
    else:
        console.warn(f"kvorum: {error}")
    return error.code


def tell_as_json(
    console: Console, text: str, kind: str, code: int, fields: Mapping[str, object]
) -> None:
    """One line on stderr: ``error``, ``kind``, ``exitCode``, and what else there is."""
    told = {"error": text, "kind": kind, "exitCode": int(code), **fields}
    console.warn(msgspec.json.encode(told).decode())
