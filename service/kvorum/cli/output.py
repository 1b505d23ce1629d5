"""What commands print: JSON for programs, aligned columns for people, bytes as they are.

Text that came out of the store is never trusted by a terminal: control characters are shown
as escapes there.
"""

from collections.abc import Iterable, Sequence
from unicodedata import category

import msgspec

from kvorum.client.model import KeyValue

ELLIPSIS = "…"
_KEPT = frozenset("\n\t")


def printable(text: str, *, keep: frozenset[str] = frozenset()) -> str:
    r"""Control characters, other line ends and halves of pairs as escapes such as ``\x1b``."""
    if text.isprintable():
        return text
    return "".join(char if char in keep or _is_harmless(char) else _escape(char) for char in text)


def _is_harmless(char: str) -> bool:
    return char.isprintable() or category(char) == "Zs"


def _escape(char: str) -> str:
    return char.encode("unicode_escape", "backslashreplace").decode("ascii")


def printable_lines(text: str) -> str:
    """The same, with its lines and tabs left."""
    return printable(text, keep=_KEPT)


def shortened(text: str, width: int) -> str:
    """At most ``width`` characters."""
    return text if len(text) <= width else text[: max(width - 1, 0)] + ELLIPSIS


def columns(rows: Iterable[Sequence[str]], widths: Sequence[int] = ()) -> list[str]:
    """Rows as aligned lines, each column at least as wide as ``widths`` says."""
    table = [[printable(cell) for cell in row] for row in rows]
    if not table:
        return []
    measured = [max(map(len, column)) for column in zip(*table, strict=True)]
    wide = [max(pair) for pair in zip(measured, widths or measured, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, wide, strict=True)).rstrip()
        for row in table
    ]


def json_line(value: object) -> str:
    """On one line, for programs that read line by line."""
    return msgspec.json.encode(value).decode()


def json_block(value: object) -> str:
    """Indented, for eyes too."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def value_fields(item: KeyValue) -> dict[str, object]:
    """``value``, or ``valueBase64`` and ``contentType``; nothing if it was not asked for.

    JSON is handed on letter by letter: no number loses digits here.
    """
    if item.is_json:
        return {"value": msgspec.Raw(item.raw)} if item.raw else {}
    return {"valueBase64": item.raw, "contentType": item.content_type}


def as_fields(item: KeyValue) -> dict[str, object]:
    """A key in the form of the REST answers."""
    fields: dict[str, object] = {
        "key": item.key,
        **value_fields(item),
        "createRevision": item.create_revision,
        "modRevision": item.mod_revision,
        "version": item.version,
    }
    return fields | {"lease": item.lease} if item.lease else fields


def value_text(item: KeyValue) -> str:
    """The value on one line: JSON as it is kept, bytes described."""
    if item.is_json:
        return item.raw.decode(errors="replace")
    try:
        text = item.raw.decode()
    except UnicodeDecodeError:
        return f"({len(item.raw)} bytes of {item.content_type})"
    return text
