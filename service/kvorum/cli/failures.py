"""How a command ends when what it asked of a cluster goes wrong: exit code, and words or JSON."""

import re

from kvorum.cli.console import Console
from kvorum.cli.exits import Exit
from kvorum.cli.failed import CommandFailed, tell_as_json, tell_failure
from kvorum.client.errors import (
    ClientError,
    Compacted,
    Conflict,
    DeadlineExceeded,
    Forbidden,
    Full,
    InvalidRequest,
    LeaseNotFound,
    NotFound,
    OutcomeUnknown,
    PreconditionFailed,
)

__all__ = ["CommandFailed", "exit_of", "report"]

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


_FIELDS = (
    ("valueBase64", "the value"),
    ("value", "the value"),
    ("ttlSeconds", "the time to live"),
    ("id", "the ID"),
    ("the body", "the request"),
)


def exit_of(error: ClientError) -> Exit:
    """What a script may conclude."""
    for kind, code in _CODES:
        if isinstance(error, kind):
            return code
    return Exit.FAILED


def report(error: ClientError | CommandFailed, console: Console, *, as_json: bool) -> int:
    """Tells on stderr; returns the exit code."""
    if isinstance(error, CommandFailed):
        return tell_failure(error, console, as_json=as_json)
    code = exit_of(error)
    if as_json:
        tell_as_json(console, _text(error), _kind(error), code, _fields(error))
        return code
    console.warn(f"kvorum: {_text(error)}")
    hint = next((hint for kind, hint in _HINTS if isinstance(error, kind)), "")
    if hint:
        console.warn(f"  {hint}")
    return code


def _text(error: ClientError) -> str:
    if isinstance(error, Forbidden):
        return "this key is the store's own (EXECUTED_COMMANDS_KEY): nobody else may use it"
    if isinstance(error, InvalidRequest):
        return _in_own_words(str(error))
    if isinstance(error, PreconditionFailed):
        return f"not done: {_present(error.mod_revision)}"
    return str(error) or type(error).__name__


def _in_own_words(text: str) -> str:
    """A field of a request has another name on the command line; one of a transaction has not."""
    for field, name in _FIELDS:
        if text.startswith(f"{field} "):
            return name + text.removeprefix(field)
    return text


def _present(mod_revision: int) -> str:
    """In words of the command line, where the node speaks of headers."""
    if not mod_revision:
        return "there is no such key"
    return f"the key exists, and was last changed at revision {mod_revision}"


def _kind(error: ClientError) -> str:
    """``NotFound`` → ``not-found``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", type(error).__name__).lower()


def _fields(error: ClientError) -> dict[str, object]:
    match error:
        case PreconditionFailed():
            return {"modRevision": error.mod_revision}
        case Compacted():
            return {"oldestRevision": error.oldest_revision}
        case OutcomeUnknown():
            return {"requestId": error.request_id}
        case _:
            return {}
