"""`kvorum export`: keys of one revision into a file, which appears whole or not at all."""

import os
import stat
import tempfile
from argparse import Namespace
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from kvorum.cli.console import Console
from kvorum.cli.data.file_writing import lines_of
from kvorum.cli.data.formats import format_of
from kvorum.cli.data.import_source import CLAIMS
from kvorum.cli.data.progress import Progress, progress
from kvorum.cli.data.session import asks
from kvorum.cli.data.values import STANDARD_INPUT
from kvorum.cli.exits import Exit
from kvorum.cli.failed import CommandFailed
from kvorum.cli.output import json_block, printable
from kvorum.cli.signals import ending_in_order
from kvorum.client import Client
from kvorum.client.model import KeyValue

STANDARD_OUTPUT = STANDARD_INPUT


@asks
def run_export(client: Client, arguments: Namespace, console: Console) -> int:
    if arguments.strip and not arguments.prefix:
        raise CommandFailed(Exit.USAGE, "--strip needs a --prefix to leave off")
    selection = _Selection(arguments)
    form = arguments.format or format_of(arguments.file)
    revision = arguments.revision or 0
    total = client.count(prefix=arguments.prefix, revision=revision)
    items = client.range(prefix=arguments.prefix, revision=revision)
    with ending_in_order(), progress(console, "exporting", total) as told:
        lines = lines_of(selection.chosen(items, told), form)
        if arguments.file == STANDARD_OUTPUT:
            for line in lines:
                console.write(line.encode())
        else:
            _write_file(Path(arguments.file), lines)
    _conclude(selection, items.revision or revision, arguments, console)
    return Exit.DONE


class _Selection:
    """Which keys are exported; counts them."""

    def __init__(self, arguments: Namespace) -> None:
        self._strip = len(arguments.prefix) if arguments.strip else 0
        self._leased = arguments.leased
        self.exported = 0
        self.left_out = 0

    def chosen(self, items: Iterable[KeyValue], told: Progress) -> Iterator[KeyValue]:
        for number, item in enumerate(items, 1):
            if item.key.startswith(CLAIMS) or (item.lease and not self._leased):
                self.left_out += 1
            else:
                self.exported += 1
                yield self._named(item)
            told(number)

    def _named(self, item: KeyValue) -> KeyValue:
        if not self._strip:
            return item
        return KeyValue(
            item.key[self._strip :],
            item.raw,
            item.create_revision,
            item.mod_revision,
            item.version,
            item.lease,
            item.content_type,
        )


def _write_file(path: Path, lines: Iterable[str]) -> None:
    try:
        if path.exists() and not path.is_file():  # a pipe, a terminal: nothing to be replaced
            with path.open("wb") as out:
                out.writelines(line.encode() for line in lines)
            return
        with _replacing(path.resolve()) as descriptor, os.fdopen(descriptor, "wb") as out:
            out.writelines(line.encode() for line in lines)
            out.flush()
            os.fsync(descriptor)
    except OSError as error:
        raise CommandFailed(
            Exit.FAILED, f"{path} cannot be written: {error.strerror or error}"
        ) from error


@contextmanager
def _replacing(path: Path) -> Iterator[int]:
    """The descriptor of a new file that takes the place of ``path`` if all goes well."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        os.fchmod(descriptor, _mode_of(path))
        yield descriptor
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _mode_of(path: Path) -> int:
    """As before, or as for any new file."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        mask = os.umask(0o077)
        os.umask(mask)
        return 0o666 & ~mask


def _conclude(selection: _Selection, revision: int, arguments: Namespace, console: Console) -> None:
    """On stderr if the keys themselves went to standard output."""
    say = console.warn if arguments.file == STANDARD_OUTPUT else console.say
    if arguments.output == "json":
        told = {
            "exported": selection.exported,
            "leftOut": selection.left_out,
            "revision": revision,
        }
        say(json_block(told))
        return
    keys = f"{selection.exported} key{'s' * (selection.exported != 1)}"
    but = f"; {selection.left_out} on leases left out" if selection.left_out else ""
    where = "" if arguments.file == STANDARD_OUTPUT else f" to {printable(arguments.file)}"
    say(f"exported {keys} at revision {revision}{where}{but}")
