"""How a command that asks a cluster ends when it goes wrong: exit code, and words or JSON."""

import re

import msgspec

from kvorum.cli.console import Console
from kvorum.cli.exits import Exit
from kvorum.client.errors import (
    ClientError,
    Compacted,
    Conflict,
    DeadlineExceeded,
    Full,
    LeaseNotFound,
    NotFound,
    OutcomeUnknown,
    PreconditionFailed,
)

_CODES: tuple[tuple[type[ClientError], Exit], ...] = (
    (NotFound, Exit.NOT_FOUND),
    (LeaseNotFound, Exit.NOT_FOUND),
    (PreconditionFailed, Exit.CONFLICT),
    (Conflict, Exit.CONFLICT),
    (OutcomeUnknown, Exit.UNKNOWN),  # before DeadlineExceeded: WriteUnconfirmed is both
    (DeadlineExceeded, Exit.UNAVAILABLE),
)

_HINTS: tuple[tuple[type[ClientError], str], ...] = (
    (Full, "Delete keys to make room, or raise QUOTA_BYTES of all nodes."),
    (OutcomeUnknown, "Look at what it was to change before you try again."),
    (
        DeadlineExceeded,
        "Is a node running there? Name others with --endpoint or KVORUM_ENDPOINT.",
    ),
)


class CommandFailed(Exception):
    """The command ends here; the text says why and what to do. ``fields`` go into the JSON."""

    def __init__(self, code: int, text: str, **fields: object) -> None:
        super().__init__(text)
        self.code = code
        self.fields = fields


def exit_of(error: ClientError) -> Exit:
    """What a script may conclude."""
    for kind, code in _CODES:
        if isinstance(error, kind):
            return code
    return Exit.FAILED


def report(error: ClientError | CommandFailed, console: Console, *, as_json: bool) -> int:
    """Tells on stderr; returns the exit code."""
    code = error.code if isinstance(error, CommandFailed) else exit_of(error)
    if as_json:
        told = {"error": _text(error), "kind": _kind(error), "exitCode": int(code)}
        console.warn(msgspec.json.encode(told | _fields(error)).decode())
        return code
    console.warn(f"kvorum: {_text(error)}")
    for hint in (hint for kind, hint in _HINTS if isinstance(error, kind)):
        console.warn(f"  {hint}")
        break
    return code


def _text(error: ClientError | CommandFailed) -> str:
    if isinstance(error, PreconditionFailed):
        return f"not done: {_present(error.mod_revision)}"
    return str(error) or type(error).__name__


def _present(mod_revision: int) -> str:
    """In words of the command line, where the node speaks of headers."""
    if not mod_revision:
        return "there is no such key"
    return f"the key exists, and was last changed at revision {mod_revision}"


def _kind(error: ClientError | CommandFailed) -> str:
    """``NotFound`` → ``not-found``; of the command line's own failures their code's name."""
    if isinstance(error, CommandFailed):
        return (
            error.code.name.lower().replace("_", "-") if isinstance(error.code, Exit) else "other"
        )
    return re.sub(r"(?<!^)(?=[A-Z])", "-", type(error).__name__).lower()


def _fields(error: ClientError | CommandFailed) -> dict[str, object]:
    match error:
        case CommandFailed():
            return error.fields
        case PreconditionFailed():
            return {"modRevision": error.mod_revision}
        case Compacted():
            return {"oldestRevision": error.oldest_revision}
        case OutcomeUnknown():
            return {"requestId": error.request_id}
        case _:
            return {}
