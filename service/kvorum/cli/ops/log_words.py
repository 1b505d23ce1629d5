"""What stands in a log, as fields for programs and as lines for people."""

from collections.abc import Mapping

import msgspec

from kvorum.cli.output import printable, shortened
from kvorum.mvcc.command import Command, Stamp, decode_batch
from kvorum.raft.membership import Membership, decode_membership
from kvorum.raft.types import Entry, EntryKind

_VALUE_CHARACTERS_MAX = 60
_KEY_FIELDS = ("key", "end")
_VALUE_FIELDS = ("value", "expected", "operand")
_SUBJECTS = ("key", "member", "lease")
_IMPLIED = frozenset({"request_id", "after_index"})

Fields = dict[str, object]


def entry_fields(entry: Entry) -> Fields:
    """Everything about an entry; ``unreadable`` says why its data cannot be decoded."""
    fields: Fields = {
        "index": entry.index,
        "term": entry.term,
        "kind": entry.kind.name.lower(),
        "bytes": len(entry.data),
    }
    try:
        return fields | _contents(entry)
    except ValueError as error:
        return fields | {"unreadable": str(error)}


def _contents(entry: Entry) -> Fields:
    match entry.kind:
        case EntryKind.COMMANDS:
            stamp, commands = decode_batch(entry.data)
            return {"stamp": stamp, "commands": [command_fields(one) for one in commands]}
        case EntryKind.MEMBERSHIP:
            return {"membership": membership_fields(decode_membership(entry.data))}
        case _:
            return {}


def command_fields(command: Command) -> Fields:
    """``type`` and the fields that are set; keys as text, values as JSON or base64."""
    return {"type": _kind(command), "id": command.request_id, **_fields_of(command)}


def _kind(command: msgspec.Struct) -> str:
    """``CompareAndSet`` → ``compare_and_set``, ``PutOp`` → ``put``."""
    name = type(command).__name__.removesuffix("Op")
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).strip("_")


def _fields_of(struct: msgspec.Struct) -> Fields:
    fields: Fields = {}
    for field in msgspec.structs.fields(struct):
        value = getattr(struct, field.name)
        if field.name in _IMPLIED or value == field.default:
            continue
        fields[field.name] = _plain(field.name, value)
    return fields


def _plain(name: str, value: object) -> object:
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace") if name in _KEY_FIELDS else _value(value)
    if isinstance(value, tuple):
        return [_plain(name, item) for item in value]
    if isinstance(value, msgspec.Struct):
        kind = {"type": _kind(value)} if name in ("then", "orelse") else {}
        return {**kind, **_fields_of(value)}
    return value


def _value(raw: bytes) -> object:
    """JSON as it stands there; other bytes as {"base64": …}."""
    try:
        msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {"base64": raw}
    return msgspec.Raw(raw)


def membership_fields(membership: Membership) -> Mapping[str, object]:
    named = {
        "voters": membership.voters,
        "outgoing": membership.outgoing,
        "learners": membership.learners,
        "heirs": membership.heirs,
    }
    return {role: list(ids) for role, ids in named.items() if ids}


# --- for people ----------------------------------------------------------------------------


def entry_lines(entry: Entry) -> list[str]:
    """One line for the entry, and one for each of its commands."""
    head = f"    {entry.index:>8}  term {entry.term}  {_summary(entry)}"
    if entry.kind is not EntryKind.COMMANDS:
        return [head]
    try:
        _, commands = decode_batch(entry.data)
    except ValueError:  # the summary says so
        return [head]
    return [head, *(f"{'':14}{command_line(one)}" for one in commands)]


def _summary(entry: Entry) -> str:
    try:
        match entry.kind:
            case EntryKind.COMMANDS:
                stamp, commands = decode_batch(entry.data)
                noun = "command" if len(commands) == 1 else "commands"
                return f"{len(commands)} {noun}, {len(entry.data)} bytes, {_time(stamp)}"
            case EntryKind.MEMBERSHIP:
                return f"membership: {decode_membership(entry.data).describe()}"
            case _:
                return "opens the term"
    except ValueError as error:
        return f"{entry.kind.name.lower()}, {len(entry.data)} bytes, cannot be read: {error}"


def _time(stamp: Stamp) -> str:
    return f"at {stamp.time_ms / 1000:.3f} s of the log's time"


def command_line(command: Command) -> str:
    """``put greeting value="hello"  (2a599f-1)``."""
    fields = _fields_of(command)
    subject = fields.pop(next((name for name in _SUBJECTS if name in fields), ""), "")
    details = [f"{name}={_shown(value)}" for name, value in fields.items()]
    words = [_kind(command), _shown(subject) if subject else "", *details]
    return f"{' '.join(filter(None, words))}  ({printable(command.request_id)})"


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode(errors="replace")
    return shortened(printable(text), _VALUE_CHARACTERS_MAX)
