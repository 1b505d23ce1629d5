"""The input of an import: a file, which can be read twice, or standard input."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO, TextIO

from kvorum.cli.data.formats import Entry, Unreadable, Wrong, format_of, read_entries
from kvorum.cli.data.values import STANDARD_INPUT
from kvorum.cli.exits import Exit
from kvorum.cli.failed import CommandFailed

CLAIMS = ("_locks/", "_elections/")
"""Keys of locks and elections: without their leases they would be held for ever."""


class Source:
    """``form`` None goes by the name."""

    def __init__(self, name: str, form: str | None, prefix: str, stdin: TextIO) -> None:
        self.name = name
        self.form = form or format_of(name)
        self.prefix = prefix
        self.is_stream = name == STANDARD_INPUT
        self.path = Path(name)
        self._stdin = stdin

    def entries(self) -> Iterator[Entry | Wrong]:
        """With the prefix before their keys; raises :class:`CommandFailed`."""
        with self._open() as raw:
            text = TextIOWrapper(raw, encoding="utf-8-sig", newline="\n")
            try:
                yield from map(self._placed, read_entries(text, self.form))
            except (Unreadable, UnicodeDecodeError) as error:
                reason = error if isinstance(error, Unreadable) else "it is not UTF-8"
                raise CommandFailed(
                    Exit.FAILED, f"{self.name} cannot be read as {self.form}: {reason}"
                ) from error
            finally:
                text.detach()

    @contextmanager
    def _open(self) -> Iterator[BinaryIO]:
        if self.is_stream:
            yield self._stdin.buffer
            return
        try:
            raw = self.path.open("rb")
        except OSError as error:
            raise CommandFailed(
                Exit.FAILED, f"{self.name} cannot be read: {error.strerror}"
            ) from error
        with raw:
            yield raw

    def _placed(self, entry: Entry | Wrong) -> Entry | Wrong:
        if isinstance(entry, Wrong):
            return entry
        key = self.prefix + entry.key
        if not key:
            return Wrong(entry.line, "the key is empty")
        if key.startswith(CLAIMS):
            return Wrong(entry.line, "a claim on a lock or an election lives by its lease only")
        return entry._replace(key=key)
